"""How the motion score agrees with the one that NeMo Curator takes from H.264's own motion vectors.

``python -m bench.motion`` draws films of every style of motion and encodes each by three settings of x264;
``python -m bench.motion --videos DIR`` takes yours. Both scores are means of lengths over (height + width):
of block matching; and of the decoder's vectors, each weighted by the pixels of its block, where what no
vector covers stands still. Vectors serve the encoder: noise gives long ones, and a block that is coded anew
has none.

Compared are windows of five seconds. "rank" is Spearman's correlation of the two scores, "ratio" the median
of ours over theirs where theirs is not 0 (with the quartiles), "verdict" the share of windows that the
documented threshold keeps or filters by both alike. Instants without vectors (key pictures, and with them
most cuts; other codecs) do not count.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import numpy as np
from scipy.stats import spearmanr

from bench.tables import table
from clipmill.media.scan.scan import load_arrays, scan
from clipmill.media.types import ScanPlan
from clipmill.stages.reads import Motion, rate
from clipmill.stages.video.filtering.motion_filter import MotionFilterStage, MotionVectorDecodeStage
from clipmill.storage.video_kinds import VIDEO_SUFFIXES
from footage.cut_films import CROWDED, DRAWN, ORDINARY
from footage.encode import H264, write_film
from footage.film import FilmPlan, frames
from footage.shot_plan import STILL, Unit

WINDOW_S = 5.0
SIZE_PX = (480, 270)
STYLES = {
    "hand_held": replace(CROWDED, min_pan=0.15, max_pan=0.45, shake=0.06),
    "ordinary": ORDINARY,
    "animated": DRAWN,
    "still": STILL,
}
ENCODINGS = {
    "superfast": H264,
    "medium": replace(H264, options={"preset": "medium", "crf": "28"}),
    "ultrafast": replace(H264, options={"preset": "ultrafast", "crf": "18"}),
}
HEADER = ("film", "windows", "rank", "ratio", "verdict")


@dataclass(frozen=True)
class Agreement:
    """Scores of the same windows of one film, float64 ``(N,)`` each: by blocks and by vectors."""

    name: str
    ours: np.ndarray
    theirs: np.ndarray

    def row(self) -> list[str]:
        """A line under ``HEADER``."""
        threshold = MotionFilterStage().global_mean_threshold
        moves = self.theirs > 0
        quartiles = (
            np.percentile(self.ours[moves] / self.theirs[moves], [25, 50, 75]) if moves.any() else None
        )
        alike = np.mean((self.ours < threshold) == (self.theirs < threshold))
        return [
            self.name,
            str(len(self.ours)),
            f"{spearmanr(self.ours, self.theirs)[0]:.2f}" if len(set(self.theirs)) > 2 else "",
            "" if quartiles is None else "{1:.2f} ({0:.2f} to {2:.2f})".format(*quartiles),
            f"{alike:.2f}",
        ]


def measure(path: Path) -> Agreement | None:
    """Both scores of a film; None where its decoder gives no vectors."""
    ours, theirs = (_lengths(path, source) for source in ("blocks", "vectors"))
    shared = np.array(sorted(ours.keys() & theirs.keys()))
    if not len(shared):
        return None
    windows = [shared[shared // WINDOW_S == number] for number in np.unique(shared // WINDOW_S)]
    means = (
        np.array([np.mean([one[at_s] for at_s in window]) for window in windows]) for one in (ours, theirs)
    )
    return Agreement(path.stem, *means)


def _lengths(path: Path, source: Literal["blocks", "vectors"]) -> dict[float, float]:
    """Mean length at each measured instant, by its time in seconds."""
    read = Motion(rate(MotionVectorDecodeStage().target_fps), source)
    plan = ScanPlan(thumbnails=False, samples=(read,))
    with TemporaryDirectory() as spool:
        scan(str(path), plan, spool)
        arrays = load_arrays(spool)
        motion = arrays.samples[read]
        times_s = arrays.times_s[motion.frames].tolist()
        return dict(zip(times_s, (float(blocks.mean()) for blocks in motion.values[0]), strict=True))


def drawn_films(folder: Path, *, seed: int, num_shots: int) -> Iterator[Path]:
    """A film of every style, each by every encoding, one after the other."""
    for number, (name, style) in enumerate(STYLES.items()):
        unit = Unit(seed + number, fps=25.0)
        shots = tuple(unit.shoot(125, style) for _ in range(num_shots))
        plan = FilmPlan(shots, width_px=SIZE_PX[0], height_px=SIZE_PX[1], grain=4.0, seed=seed + number)
        pictures = list(frames(plan))
        for encoder, encoding in ENCODINGS.items():
            path = folder / f"{name}, {encoder}.mp4"
            write_film(path, pictures, time_base=1 / plan.fps, encoding=encoding)
            yield path
            path.unlink()


def print_table(films: Iterator[Path]) -> int:
    """Print a row for each film that has vectors; 1 where none has."""
    measured = [agreement for film in films if (agreement := measure(film))]
    if measured:
        print(table(HEADER, [agreement.row() for agreement in measured]))
    return int(not measured)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; 1 where there is nothing to measure."""
    parser = argparse.ArgumentParser(prog="bench.motion", description="Compare motion scores.")
    parser.add_argument("--videos", type=Path, help="directory of videos")
    parser.add_argument("--seed", type=int, default=2026, help="seed of the drawn films")
    parser.add_argument("--shots", type=int, default=6, help="shots of five seconds in each drawn film")
    options = parser.parse_args(arguments)
    if options.videos:
        suffixed = (
            path for path in sorted(options.videos.iterdir()) if path.suffix.lower() in VIDEO_SUFFIXES
        )
        return print_table(suffixed)
    with TemporaryDirectory() as folder:
        return print_table(drawn_films(Path(folder), seed=options.seed, num_shots=options.shots))


if __name__ == "__main__":
    sys.exit(main())

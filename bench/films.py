"""What is measured on: films drawn at 720p and kept for the next time, or those of a folder."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from clipmill.storage.video_kinds import VIDEO_SUFFIXES
from footage.cut_films import CROWDED, DRAWN, ORDINARY
from footage.encode import H264, Encoding, write_film
from footage.film import FilmPlan, frames
from footage.shot_plan import Style, Unit

SIZE_PX = (1280, 720)
FPS = Fraction(25)
SEED = 720
SHOT_FRAMES = (120, 150, 100, 130)
"""Some 20 s, enough for shares of a percent, few enough to be drawn in a minute; most give a clip."""
KEY_TOLERANCE_S = 0.1
KEY_EVERY_2_S = replace(H264, options=H264.options | {"g": "50"})
FILMS: dict[str, tuple[Style, Encoding]] = {
    "hand_held_720p": (replace(CROWDED, min_pan=0.15, max_pan=0.45, shake=0.06), KEY_EVERY_2_S),
    "ordinary_720p": (ORDINARY, KEY_EVERY_2_S),
    "animated_720p": (DRAWN, H264),  # key pictures at cuts and every 10 s only
}


@dataclass(frozen=True)
class Corpus:
    """Films to measure on, and tiny ones that pay for what is paid once; absolute paths.

    Two tiny ones: where two videos are at work at once, each worker starts processes of its own.
    """

    films: tuple[Path, ...]
    tiny: tuple[Path, Path]


def drawn(folder: Path) -> Corpus:
    """The drawn films, from ``folder`` where they are there already."""
    folder = folder.resolve()
    films = tuple(
        _drawn(folder / f"{name}.mp4", _plan(style, number, SHOT_FRAMES, SIZE_PX), encoding)
        for number, (name, (style, encoding)) in enumerate(FILMS.items())
    )
    return Corpus(films, tiny(folder))


def given(videos: Path, folder: Path) -> Corpus:
    """The videos below a folder of yours; ValueError when there is none. ``folder`` keeps the tiny films."""
    films = tuple(
        sorted(path for path in videos.resolve().rglob("*") if path.suffix.lower() in VIDEO_SUFFIXES)
    )
    if not films:
        raise ValueError(f"no video in {videos}")
    return Corpus(films, tiny(folder.resolve()))


def of_size(folder: Path, name: str, *, size_px: tuple[int, int], shot_frames: tuple[int, ...]) -> Path:
    """An ordinary film of (width, height) ``size_px``, from ``folder`` where it is there already."""
    return _drawn(folder.resolve() / f"{name}.mp4", _plan(ORDINARY, 1, shot_frames, size_px), KEY_EVERY_2_S)


def tiny(folder: Path) -> tuple[Path, Path]:
    """Films of one shot, four seconds long and as small as a thumbnail."""
    first, second = (_plan(DRAWN, len(FILMS) + number, (100,), (64, 36)) for number in range(2))
    return (
        _drawn(folder / "warm_up" / "tiny.mp4", first, KEY_EVERY_2_S),
        _drawn(folder / "warm_up" / "tiny_too.mp4", second, KEY_EVERY_2_S),
    )


def with_keys_every(seconds: float, films: Sequence[str]) -> list[str]:
    """Those films that have a key picture at least as often."""
    return [film for film in films if _longest_gap_s(film) <= seconds + KEY_TOLERANCE_S]


def _longest_gap_s(film: str) -> float:
    with av.open(film) as container:
        stream = container.streams.video[0]
        times = [
            packet.pts for packet in container.demux(stream) if packet.is_keyframe and packet.pts is not None
        ]
        end = stream.duration or max(times, default=0)
        return float(
            max(np.diff([*sorted(times), max(end, *times)]), default=0) * float(stream.time_base or 0)
        )


def _plan(style: Style, number: int, shot_frames: tuple[int, ...], size_px: tuple[int, int]) -> FilmPlan:
    unit = Unit(SEED + number, fps=float(FPS))
    shots = tuple(unit.shoot(length, style) for length in shot_frames)
    return FilmPlan(shots, width_px=size_px[0], height_px=size_px[1], fps=FPS, seed=SEED + number)


def _drawn(path: Path, plan: FilmPlan, encoding: Encoding) -> Path:
    """Draw under another name first: a film half drawn must not be taken for a whole one."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f"unfinished_{path.name}")
        write_film(unfinished, frames(plan), time_base=1 / plan.fps, encoding=encoding)
        unfinished.rename(path)
    return path

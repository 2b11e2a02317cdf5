"""What is measured on: films drawn at 720p and kept for the next time, or those of a folder."""

from dataclasses import dataclass, replace
from pathlib import Path

from clipmill.footage.cut_films import CutKind, plan_cut_film
from clipmill.footage.encode import write_film
from clipmill.footage.film import FilmPlan, frames
from clipmill.stages.video.io.video_reader import VIDEO_SUFFIXES

SIZE_PX = (1280, 720)
KINDS = (CutKind.HAND_HELD, CutKind.DISSOLVE, CutKind.ANIMATED)
SEED = 720
NUM_SHOTS = 8
"""Of each film: some 20 s, enough for shares of a percent, few enough to be drawn in a minute."""
WARM_UP_FRAMES = 100


@dataclass(frozen=True)
class Corpus:
    """Films to measure on, and a tiny one that pays for what is paid once; absolute paths."""

    films: tuple[Path, ...]
    warm_up: Path


def drawn(folder: Path) -> Corpus:
    """The drawn films, from ``folder`` where they are there already."""
    folder = folder.resolve()
    films = tuple(
        _drawn(folder / f"{kind.value}_720p.mp4", _plan(kind, SIZE_PX, NUM_SHOTS)) for kind in KINDS
    )
    return Corpus(films, warm_up(folder))


def given(videos: Path, folder: Path) -> Corpus:
    """The videos below a folder of yours; ValueError when there is none. ``folder`` keeps the tiny film."""
    films = tuple(
        sorted(path for path in videos.resolve().rglob("*") if path.suffix.lower() in VIDEO_SUFFIXES)
    )
    if not films:
        raise ValueError(f"no video in {videos}")
    return Corpus(films, warm_up(folder.resolve()))


def warm_up(folder: Path) -> Path:
    """A film of one shot, four seconds long and as small as a thumbnail."""
    plan = _plan(CutKind.ANIMATED, (64, 36), 1)
    shot = replace(plan.shots[0], num_frames=WARM_UP_FRAMES)
    return _drawn(folder / "warm_up" / "tiny.mp4", replace(plan, shots=(shot,)))


def _plan(kind: CutKind, size_px: tuple[int, int], num_shots: int) -> FilmPlan:
    plan = plan_cut_film(kind, SEED, width_px=size_px[0], height_px=size_px[1])
    *shots, last = plan.shots[:num_shots]
    return replace(plan, shots=(*shots, replace(last, join_frames=0)))


def _drawn(path: Path, plan: FilmPlan) -> Path:
    """Draw under another name first: a film half drawn must not be taken for a whole one."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f"unfinished_{path.name}")
        write_film(unfinished, frames(plan), time_base=1 / plan.fps)
        unfinished.rename(path)
    return path

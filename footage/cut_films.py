"""Films for measuring cut detection, one kind of difficulty each, any number of them by seed.

Every kind is hard for a reason that real films share, and fair: a person sees each cut, and no flash or whip
pan touches one.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from fractions import Fraction

import numpy as np

from clipmill.records import Cuts, FrameSpan
from footage.camera import Whip
from footage.film import FilmPlan, Join, ShotPlan, cuts, frames, starts
from footage.shot_plan import Style, Unit
from footage.worlds import cartoon

FLASH_CLEARANCE_FRAMES = 12


class CutKind(StrEnum):
    """What makes the cuts of a film hard to find, or tempts to find some that are none."""

    DARK = "dark"
    FAST_CUT = "fast_cut"
    GRAINY = "grainy"
    ANIMATED = "animated"
    HAND_HELD = "hand_held"
    WHIP_PAN = "whip_pan"
    FLASH = "flash"
    DISSOLVE = "dissolve"
    FADE = "fade"


@dataclass(frozen=True)
class _Recipe:
    """How the films of a kind are made: lengths of shots in frames, style, and what is done to each shot."""

    num_shots: int
    shortest: int
    longest: int
    style: Style
    grain: float = 0.0
    flicker: float = 0.0


# A film keeps to a few muted colours and returns to its places: a new shot is not simply a new colour.
ORDINARY = Style(palette=0.25, saturation=0.5, return_share=0.35)
# Bodies that pass close to the lens change as much of the picture as a cut does, though not at once.
CROWDED = replace(ORDINARY, max_figures=4, figure_size=(0.3, 0.9), figure_speed=1.2)
DRAWN = Style(
    painters=(cartoon,),
    min_pan=0.0,
    max_pan=0.08,
    shake=0.0,
    max_figures=4,
    figure_speed=1.0,
    figure_size=(0.3, 0.8),
    hold=2,
    palette=0.15,
    return_share=0.5,
)

RECIPES: dict[CutKind, _Recipe] = {
    CutKind.DARK: _Recipe(16, 28, 80, replace(CROWDED, min_gain=0.06, max_gain=0.16), grain=5.0),
    CutKind.FAST_CUT: _Recipe(50, 7, 24, replace(CROWDED, max_pan=0.3)),
    CutKind.GRAINY: _Recipe(16, 28, 80, replace(ORDINARY, saturation=0.15), grain=24.0, flicker=0.03),
    CutKind.ANIMATED: _Recipe(18, 24, 72, DRAWN),
    CutKind.HAND_HELD: _Recipe(16, 28, 80, replace(CROWDED, min_pan=0.15, max_pan=0.45, shake=0.06)),
    CutKind.WHIP_PAN: _Recipe(12, 60, 100, ORDINARY),
    CutKind.FLASH: _Recipe(12, 50, 90, ORDINARY),
    CutKind.DISSOLVE: _Recipe(14, 36, 72, ORDINARY),
    CutKind.FADE: _Recipe(12, 40, 80, ORDINARY),
}
GRADUAL_FRAMES = {CutKind.DISSOLVE: (Join.DISSOLVE, 12, 32), CutKind.FADE: (Join.FADE, 20, 48)}


def plan_cut_film(
    kind: CutKind, seed: int, *, width_px: int = 640, height_px: int = 360, fps: Fraction = Fraction(25)
) -> FilmPlan:
    """A film of ``kind``; ``footage.film`` gives its ``frames``, ``thumbnails`` and ``cuts``."""
    recipe = RECIPES[kind]
    number = list(CutKind).index(kind)
    unit = Unit(seed * len(CutKind) + number, fps=float(fps))
    shots = [_shot(unit, recipe, kind) for _ in range(recipe.num_shots)]
    plan = FilmPlan(
        (*(_join(shot, unit, kind, index) for index, shot in enumerate(shots[:-1])), shots[-1]),
        width_px=width_px,
        height_px=height_px,
        fps=fps,
        grain=recipe.grain,
        flicker=recipe.flicker,
        seed=seed,
    )
    return replace(plan, flashes=_flashes(plan, unit)) if kind is CutKind.FLASH else plan


def draw_cut_film(kind: CutKind, seed: int) -> tuple[Iterator[np.ndarray], Cuts]:
    """Frames, uint8 ``(360, 640, 3)`` at 25 per second, and true cuts of a film of ``kind``."""
    plan = plan_cut_film(kind, seed)
    return frames(plan), cuts(plan)


def _shot(unit: Unit, recipe: _Recipe, kind: CutKind) -> ShotPlan:
    length = unit.whole(recipe.shortest, recipe.longest)
    whips = (_whip(unit, length),) if kind is CutKind.WHIP_PAN else ()
    return unit.shoot(length, recipe.style, whips=whips)


def _whip(unit: Unit, num_frames: int) -> Whip:
    """A whip pan of 7 to 12 frames somewhere in the middle third of a shot."""
    length = unit.whole(7, 12)
    return Whip(unit.whole(num_frames // 3, 2 * num_frames // 3 - length), length, unit.whole(12, 22) / 10)


def _join(shot: ShotPlan, unit: Unit, kind: CutKind, index: int) -> ShotPlan:
    """Two of three shots of a gradual film end gradually."""
    if index % 3 == 2 or kind not in GRADUAL_FRAMES:
        return shot
    join, shortest, longest = GRADUAL_FRAMES[kind]
    return replace(shot, join=join, join_frames=unit.whole(shortest, longest))


def _flashes(plan: FilmPlan, unit: Unit) -> tuple[FrameSpan, ...]:
    """Flashes of one to four frames, one or two to a shot, clear of its ends and of each other."""
    spans = list[FrameSpan]()
    for start, shot in zip(starts(plan), plan.shots, strict=True):
        at = start + FLASH_CLEARANCE_FRAMES + unit.whole(0, 10)
        while at + FLASH_CLEARANCE_FRAMES < start + shot.num_frames:
            spans.append(FrameSpan(at, at + unit.whole(1, 4)))
            at += unit.whole(20, 40)
    return tuple(spans)

"""How many frames a sample has, and where in its clip they lie. Pure.

A trainer's video model takes 8n+1 frames, 4n+1 frames, or one of a few lengths.
"""

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from clipmill.media.frames.time_grid import grid_rate

At = Literal["first", "middle", "chunks"]

_FORMULA = re.compile(r"(\d+)n\+(\d+)")
_SLOWER = 1.01
"""A film of 23.976 frames a second has the frames that a grid of 24 asks for."""


@dataclass(frozen=True)
class FrameRule:
    """The numbers of frames that a sample may have: ``base`` plus whole ``step``s, or one of ``counts``."""

    step: int = 0
    base: int = 0
    counts: tuple[int, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "FrameRule":
        """Returns the rule that ``8n+1`` or ``33,65,97`` spells. ValueError for anything else."""
        text = text.replace(" ", "")
        if formula := _FORMULA.fullmatch(text):
            step, base = int(formula[1]), int(formula[2])
            if step > 0 and base > 0:
                return cls(step=step, base=base)
        elif all(part.isdigit() and int(part) > 0 for part in text.split(",")):
            return cls(counts=tuple(sorted({int(part) for part in text.split(",")})))
        raise ValueError(f"frames must be like 8n+1 or 33,65,97, got {text!r}")

    def most(self, available: int) -> int | None:
        """Returns the largest number of frames that ``available`` frames hold; None where none fits.

        By a formula a single frame is a picture, not a video, and never fits.
        """
        if self.counts:
            return max((count for count in self.counts if count <= available), default=None)
        found = self.base + (available - self.base) // self.step * self.step
        return found if available >= self.base and found > 1 else None


@dataclass(frozen=True)
class Run:
    """Frames of one sample: ``num_frames`` from ``first`` on, both on the grid of the sample's rate."""

    first: int
    num_frames: int


def runs(available: int, rule: FrameRule, at: At) -> list[Run]:
    """Returns where samples lie among ``available`` frames; none where the rule's smallest is longer.

    ``chunks`` takes the largest that fits, and again from what is left behind it.
    """
    count = rule.most(available)
    if count is None:
        return []
    if at == "first":
        return [Run(0, count)]
    if at == "middle":
        return [Run((available - count) // 2, count)]
    found: list[Run] = []
    first = 0
    while count is not None:
        found.append(Run(first, count))
        first += count
        count = rule.most(available - first)
    return found


def frames_on_grid(num_frames: int, framerate: float, fps: float | None) -> int | None:
    """Returns the frames of a clip on a grid of ``fps`` a second; None where the film has fewer a second."""
    if fps is None:
        return num_frames
    if fps > framerate * _SLOWER:
        return None
    length_s = Fraction(num_frames) / grid_rate(framerate)
    return min(num_frames, int(length_s * grid_rate(fps)))


def frames_of_run(run: Run, num_frames: int, framerate: float, fps: float | None) -> tuple[int, int]:
    """Returns the half-open run of the file's own frames that a run on the grid of ``fps`` covers.

    The frame nearest to each instant counts.
    """
    if fps is None:
        return run.first, run.first + run.num_frames
    step = grid_rate(framerate) / grid_rate(fps)
    first, last = (round(index * step) for index in (run.first, run.first + run.num_frames - 1))
    return min(first, num_frames - 1), min(last, num_frames - 1) + 1

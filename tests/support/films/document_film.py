"""The film on which NeMo Curator's blocks and the data model are tried."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

from footage.encode import write_film
from footage.sound import sound_bed

FPS = 25
STILL, MOVING, ALONE = FPS, FPS, 1
"""Frames of its three parts: cut every second they are a clip without motion, one with, one of a frame."""


def draw_parts(path: Path) -> Path:
    """A second that stands still, a second that moves, and one more frame; with sound."""
    path.parent.mkdir(parents=True, exist_ok=True)
    num_frames = STILL + MOVING + ALONE
    write_film(
        path, _pictures(num_frames), time_base=Fraction(1, FPS), sound=sound_bed(num_frames / FPS, seed=1)
    )
    return path


def _pictures(num_frames: int) -> Iterator[np.ndarray]:
    texture = np.random.default_rng(1).integers(40, 210, (23, 40, 3), dtype=np.uint8)
    picture = texture.repeat(4, axis=0).repeat(4, axis=1)[:90, :160]
    for index in range(num_frames):
        yield np.roll(picture, 3 * max(0, index - STILL), axis=1)

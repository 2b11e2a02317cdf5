"""The motion of the camera apart from that of objects.

A pan, a tilt, a zoom and a roll together displace every part of a still scene by a similarity of the picture.
The similarity that most blocks agree on is taken for the camera; what is left of a block's flow is its own.

Fischler and Bolles, "Random sample consensus", 1981: two blocks determine a similarity, and of many such
guesses the one that most blocks agree with wins; then it is fitted to those.
"""

from functools import lru_cache

import numpy as np

from clipmill.scores.blocks import Blocks
from clipmill.scores.flow import BLOCK_PX, BlockFlow

CAMERA, OBJECT = 0, 1
"""Columns of ``camera_and_object``."""

_NUM_GUESSES = 96  # with half of the blocks on one object, a guess is right with 1/4: none is with 1e-12
_AGREES_PX = 0.1  # how far from the camera's flow a block may be
_AGREES_SHARE = 0.25  # and how much further per px of it: faint blocks lose so much of theirs
_NUM_FITS = 3


def camera_and_object(flow: BlockFlow) -> np.ndarray:
    """Float32 ``(N, 2)``: mean lengths over (height + width) of the camera's flow and of the blocks' own.

    Blocks without texture have the flow of their own that the blocks around them have. Where something that
    moves fills more than half of the picture, it is taken for the camera.
    """
    parts = [_parted(*pair, flow.blocks) for pair in zip(_as_complex(flow), flow.is_known, strict=True)]
    return (np.array(parts).reshape(-1, 2) / flow.height_plus_width_px).astype(np.float32)


def _as_complex(flow: BlockFlow) -> np.ndarray:
    """``(N, B)``: x + iy, because a similarity is then a + b * place."""
    return flow.flow_px[1].astype(np.complex128) + 1j * flow.flow_px[0]


def _parted(flow: np.ndarray, is_known: np.ndarray, blocks: Blocks) -> tuple[float, float]:
    """Mean lengths, px, for one picture ``(B,)``."""
    places = _places(blocks)
    camera = _camera(flow, is_known, places)
    own = np.where(_agrees(flow, camera) | _uncovered(places, camera, blocks), 0, np.abs(flow - camera))
    return float(np.abs(camera).mean()), float(blocks.filled(own, is_known).mean())


@lru_cache(maxsize=64)
def _places(blocks: Blocks) -> np.ndarray:
    """Complex ``(B,)``: the centres of the blocks in px from that of the picture."""
    places = (blocks.places[1] + 1j * blocks.places[0]) * BLOCK_PX
    return places - places.mean()


def _camera(flow: np.ndarray, is_known: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The camera's flow ``(B,)``: 0 unless a similarity explains more blocks than standing still does."""
    seen, spots = flow[is_known], places[is_known]
    guesses = _guesses(seen, spots)
    votes = _agrees(seen, guesses).sum(axis=1)
    agreeing = _agrees(seen, guesses[votes.argmax()]) if len(seen) else is_known[:0]
    shift, turn = 0j, 0j
    for _ in range(_NUM_FITS):
        shift, turn = _fitted(seen[agreeing], spots[agreeing])
        agreeing = _agrees(seen, shift + turn * spots)
    return shift + turn * places


def _guesses(flow: np.ndarray, places: np.ndarray) -> np.ndarray:
    """``(G, K)``: what similarities through pairs of K blocks say of all of them; the first stands still."""
    one, other = (_draws() * len(places)).astype(np.intp)
    usable = one != other
    one, other = one[usable], other[usable]
    turns = (flow[one] - flow[other]) / (places[one] - places[other])
    shifts = flow[one] - turns * places[one]
    return np.concatenate([np.zeros((1, len(flow))), shifts[:, None] + turns[:, None] * places])


@lru_cache(maxsize=1)
def _draws() -> np.ndarray:
    """``(2, G)`` of [0, 1): the same for every picture."""
    return np.random.default_rng(0).random((2, _NUM_GUESSES))


def _agrees(flow: np.ndarray, camera: np.ndarray) -> np.ndarray:
    return np.abs(flow - camera) <= _AGREES_PX + _AGREES_SHARE * np.abs(camera)


def _uncovered(places: np.ndarray, camera: np.ndarray, blocks: Blocks) -> np.ndarray:
    """Blocks that the camera brought into the picture: nothing before them to compare with."""
    before = places + camera
    width, height = blocks.num_columns * BLOCK_PX, blocks.num_rows * BLOCK_PX
    return (np.abs(np.real(before)) > width / 2) | (np.abs(np.imag(before)) > height / 2)


def _fitted(flow: np.ndarray, places: np.ndarray) -> tuple[complex, complex]:
    """Shift and turn of the least squares; (0, 0) for no block."""
    if not len(flow):
        return 0j, 0j
    centre, mean = places.mean(), flow.mean()
    spread = float((np.abs(places - centre) ** 2).sum())
    turn = complex((np.conj(places - centre) * (flow - mean)).sum() / spread) if spread else 0j
    return complex(mean - turn * centre), turn

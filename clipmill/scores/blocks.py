"""Small pictures as blocks: which pixels a block has, what lies around it, means over windows of blocks.

A picture of By x Bx blocks has B = By * Bx of them, row by row. They are always the last axis, so that they
lie side by side in memory; what depends on their number alone is kept from call to call.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np


@dataclass(frozen=True)
class Blocks:
    """A grid of ``num_rows`` x ``num_columns`` blocks."""

    num_rows: int
    num_columns: int

    @cached_property
    def places(self) -> np.ndarray:
        """``(2, B)``: row and column of each block."""
        return np.indices((self.num_rows, self.num_columns)).reshape(2, -1)

    @cached_property
    def around(self) -> np.ndarray:
        """``(B, 9)``: each block and its neighbours, edges repeated."""
        taken = pixels_at(self.places - 1, 3, height=self.num_rows, width=self.num_columns)
        return np.ascontiguousarray(taken.reshape(9, -1).T)

    @cached_property
    def nearness(self) -> np.ndarray:
        """Float32 ``(B, B)``: the distance between two blocks to the power of -4, 0 to itself."""
        apart = np.hypot(*(self.places[:, :, None] - self.places[:, None]))
        return np.divide(1, apart**4, out=np.zeros_like(apart), where=apart > 0).astype(np.float32)

    @cached_property
    def down(self) -> np.ndarray:
        """Float32 ``(By, By)``: in each row the weights of a window along a column of blocks."""
        return _binomial(self.num_rows).astype(np.float32)

    @cached_property
    def across(self) -> np.ndarray:
        """Float32 ``(Bx, Bx)``: in each column the weights of a window along a row of blocks."""
        return np.ascontiguousarray(_binomial(self.num_columns).T, np.float32)

    def windowed(self, values: np.ndarray) -> np.ndarray:
        """Means of ``values`` float32 ``(..., B)`` over each block and its eight neighbours, binomial."""
        wide = values.reshape(-1, self.num_rows, self.num_columns) @ self.across
        return (self.down @ wide).reshape(values.shape)

    def filled(self, values: np.ndarray, is_known: np.ndarray) -> np.ndarray:
        """``values`` ``(B,)``, unknown ones as means of the known ones, of which the nearest count most.

        Weights fall with the fourth power of the distance (Shepard, "A two-dimensional interpolation function
        for irregularly-spaced data", 1968). All stay where none is known.
        """
        if is_known.all() or not is_known.any():
            return values
        weights = self.nearness[~is_known][:, is_known]
        filled = values.copy()
        filled[~is_known] = weights @ values[is_known] / weights.sum(axis=1)
        return filled


@lru_cache(maxsize=64)
def blocks_of(num_rows: int, num_columns: int) -> Blocks:
    """The grid of this size, made once."""
    return Blocks(num_rows, num_columns)


@lru_cache(maxsize=64)
def squares(blocks: Blocks, side_px: int, *, margin_px: int) -> np.ndarray:
    """``(side + 2 * margin, side + 2 * margin, B)``: where in a flat picture the pixels of each block lie.

    ``margin_px`` more on each side, edges repeated.
    """
    height, width = blocks.num_rows * side_px, blocks.num_columns * side_px
    corners = blocks.places * side_px - margin_px
    return pixels_at(corners, side_px + 2 * margin_px, height=height, width=width)


@lru_cache(maxsize=64)
def means_along(num_px: int, num_blocks: int) -> np.ndarray:
    """Float32 ``(num_blocks, num_px)``: mean of each block along one side under the binomial window."""
    side_px = num_px // num_blocks
    return (_binomial(num_blocks).repeat(side_px, axis=1) / side_px).astype(np.float32)


def pixels_at(corners: np.ndarray, side_px: int, *, height: int, width: int) -> np.ndarray:
    """``(..., side, side, B)``: where in a flat picture the pixels of squares lie, edges repeated.

    ``corners`` are whole numbers ``(2, ..., B)``: y, x of the first pixel of each square.
    """
    reach = np.arange(side_px)[:, None]
    rows = (corners[0][..., None, :] + reach).clip(0, height - 1) * width
    columns = (corners[1][..., None, :] + reach).clip(0, width - 1)
    return rows[..., :, None, :] + columns[..., None, :, :]


def _binomial(num_blocks: int) -> np.ndarray:
    """``(num_blocks, num_blocks)``: each block along one side, its neighbours with half its weight."""
    near = np.eye(num_blocks) / 2 + np.eye(num_blocks, k=1) / 4 + np.eye(num_blocks, k=-1) / 4
    return near / near.sum(axis=1, keepdims=True)

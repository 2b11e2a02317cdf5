"""Frames that carry their number as 12 grey squares, white for 1: no codec loses it. Needs only numpy."""

import numpy as np

ROWS, COLUMNS = 3, 4
BLACK, WHITE = 16, 235


def paint(number: int, *, width_px: int, height_px: int) -> np.ndarray:
    """Uint8 ``(height_px, width_px, 3)``: the squares before soft waves that move by a pixel a frame."""
    rows, columns = np.mgrid[:height_px, :width_px] / height_px
    waves = [np.sin(9 * rows + 5 * channel) + np.sin((7 + channel) * columns) for channel in range(3)]
    picture = np.roll((125 + 32 * np.stack(waves, axis=-1)).astype(np.uint8), number, axis=1)
    for bit, (top, left, side) in enumerate(_squares(width_px, height_px)):
        picture[top : top + side, left : left + side] = WHITE if number >> bit & 1 else BLACK
    return picture


def read(picture: np.ndarray) -> int:
    """The number of a frame, uint8 ``(h, w, 3)`` RGB."""
    height_px, width_px = picture.shape[:2]
    number = 0
    for bit, (top, left, side) in enumerate(_squares(width_px, height_px)):
        inner = picture[top + side // 4 : top + side - side // 4, left + side // 4 : left + side - side // 4]
        number |= int(inner.mean() > (BLACK + WHITE) / 2) << bit
    return number


def _squares(width_px: int, height_px: int) -> list[tuple[int, int, int]]:
    """Top, left and side of each square, the least significant bit first."""
    side = min(width_px // (COLUMNS * 2), height_px // (ROWS * 2))
    return [
        (
            (2 * row + 1) * height_px // (ROWS * 2) - side // 2,
            (2 * column + 1) * width_px // (COLUMNS * 2) - side // 2,
            side,
        )
        for row in range(ROWS)
        for column in range(COLUMNS)
    ]

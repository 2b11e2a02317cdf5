"""Films of thumbnails, drawn pixel by pixel: slides between bars, cameras that move, light that changes."""

import numpy as np

HEIGHT_PX, WIDTH_PX = 27, 48
_FINE = 8
"""Pixels of a slide for each of a thumbnail, both ways."""

Bars = tuple[int, int, int, int]


def held(pictures: list[np.ndarray], num_frames: int) -> np.ndarray:
    """A film that shows each picture, uint8 ``(27, 48, 3)``, for so many frames."""
    return np.stack(pictures).repeat(num_frames, axis=0)


def between_bars(pictures: np.ndarray, bars: Bars) -> np.ndarray:
    """Pictures, ``(N, 27, 48, 3)``, scaled down to what bars at the top, bottom, left and right leave."""
    top, bottom, left, right = bars
    rows = np.linspace(0, HEIGHT_PX - 1, HEIGHT_PX - top - bottom).round().astype(int)
    columns = np.linspace(0, WIDTH_PX - 1, WIDTH_PX - left - right).round().astype(int)
    framed = np.zeros_like(pictures)
    framed[:, top : HEIGHT_PX - bottom, left : WIDTH_PX - right] = pictures[:, rows][:, :, columns]
    return framed


def slide(seed: int, *, number: int = 0) -> np.ndarray:
    """A page with a title and lines of words, uint8 ``(27, 48, 3)``; ``number`` is small print below them."""
    rng = np.random.default_rng(seed)
    page = np.full((HEIGHT_PX * _FINE, WIDTH_PX * _FINE), 250.0)
    page[16:28, 40 : int(rng.integers(140, 340))] = 40
    for row in range(44, 190, 16):
        end = int(rng.integers(100, 370))
        words = np.arange(24, end) % int(rng.integers(20, 50)) > 7
        page[row : row + 6, 24:end][:, words] = rng.integers(30, 110)
    page[204:210, 300 : 300 + 12 * number] = 80
    means = page.reshape(HEIGHT_PX, _FINE, WIDTH_PX, _FINE).mean(axis=(1, 3))
    return means[..., None].repeat(3, axis=2).astype(np.uint8)


class Scenery:
    """A large random picture without hard edges, through which a camera moves.

    ``grain_px`` is the size of what it shows, in pixels of a thumbnail.
    """

    def __init__(self, seed: int, *, grain_px: int) -> None:
        spots = np.random.default_rng(seed).uniform(20, 235, (40, 40, 3))
        rows, columns = (np.arange(grain_px * 39) / grain_px for _ in range(2))
        across = np.stack(
            [
                np.stack([np.interp(columns, np.arange(40), row) for row in plane])
                for plane in np.moveaxis(spots, 2, 0)
            ]
        )
        self._picture = np.stack(
            [
                np.stack([np.interp(rows, np.arange(40), column) for column in plane.T], axis=1)
                for plane in across
            ],
            axis=2,
        )

    def view(self, row: float, column: float) -> np.ndarray:
        """What the camera sees from there, uint8 ``(27, 48, 3)``; both may be fractions."""
        top, left = int(row), int(column)
        down, right = row - top, column - left
        part = self._picture[top : top + HEIGHT_PX + 1, left : left + WIDTH_PX + 1]
        part = part[:-1] * (1 - down) + part[1:] * down
        return (part[:, :-1] * (1 - right) + part[:, 1:] * right).astype(np.uint8)

    def shaken(self, seed: int, *, num_frames: int, jolt_px: tuple[int, int] = (0, 0)) -> np.ndarray:
        """A film by a hand that shakes and, halfway, jolts the camera."""
        shake = np.random.default_rng(seed).normal(0, 0.5, (num_frames, 2)).cumsum(axis=0)
        places = shake - np.linspace(0, 1, num_frames)[:, None] * shake[-1] + (40, 60)
        places[num_frames // 2 :] += jolt_px
        return np.stack([self.view(*place) for place in places.tolist()])


def before_a_wall(seed: int, columns: list[float], *, grain: float = 1.0) -> np.ndarray:
    """A film of a person, 10 pixels wide, before a wall; ``columns`` are the left edge in each frame.

    The person differs from the wall less than two pictures differ. ``grain`` is the noise of the camera in
    levels.
    """
    rng = np.random.default_rng(seed)
    wall, person = Scenery(seed, grain_px=12), Scenery(seed + 1, grain_px=4)
    frames = np.stack([wall.view(40, 60)] * len(columns)).astype(float)
    for frame, column in zip(frames, columns, strict=True):
        left = int(column)
        place = frame[5:, left : left + 10]
        place += 0.4 * (person.view(40, 60 - (column - left))[5:, :10] - place)
    return np.clip(frames + rng.normal(0, grain, frames.shape), 0, 255).astype(np.uint8)

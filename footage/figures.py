"""Things that move before the canvas: textured bodies on eased paths."""

from dataclasses import dataclass

import numpy as np

from footage.textures import hsv, lay_disc, octave_noise


@dataclass(frozen=True)
class Figure:
    """A body and its path over the frame, in frame heights and seconds.

    ``body`` is float32 ``(h, w, 3)`` in 0..255, ``mask`` float32 ``(h, w, 1)`` in 0..1; ``start`` and
    ``speed`` are (across, down).
    """

    body: np.ndarray
    mask: np.ndarray
    start: tuple[float, float]
    speed: tuple[float, float]
    bob: float
    phase: float

    def place(self, time_s: float, *, height_px: int, width_px: int) -> tuple[int, int]:
        """Top and left pixel of the body; what leaves on one side comes back on the other."""
        across = self.start[0] + self.speed[0] * time_s
        lap = width_px / height_px + 0.6
        down = self.start[1] + self.speed[1] * np.sin(time_s) + self.bob * np.sin(6 * time_s + self.phase)
        return round(down * height_px), round(((across + 0.3) % lap - 0.3) * height_px)


def make_figure(rng: np.random.Generator, *, height_px: int, hue: float, size: float, speed: float) -> Figure:
    """A textured body, ``size`` frame heights tall, that moves at ``speed`` frame heights per second."""
    shape = (max(4, round(size * height_px)), max(4, round(size * height_px * 0.7)))
    texture = octave_noise(rng, shape, cells=4, octaves=3)[:, :, None]
    mask, body = np.zeros((*shape, 3), np.float32), np.zeros((*shape, 3), np.float32)
    for centre, radius, colour in (
        ((0.66, 0.35), 0.33, hsv(hue + 0.5, 0.8, 0.9)),
        ((0.2, 0.35), 0.18, hsv(hue + 0.4, 0.3, 0.95)),
    ):
        lay_disc(mask, centre, (radius, radius), np.ones(3, np.float32))
        lay_disc(body, centre, (radius + 0.02, radius + 0.02), colour)
    heading = speed * float(rng.choice([-1, 1]))
    start = (float(rng.uniform(0, 1.6)), float(rng.uniform(0.25, 0.7)))
    path = (heading, float(rng.uniform(-0.1, 0.1)))
    body = 255 * body * (0.55 + 0.45 * texture)
    return Figure(body, mask[:, :, :1], start, path, bob=0.02, phase=float(rng.uniform(0, 6)))


def lay_figure(frame: np.ndarray, figure: Figure, time_s: float, *, gain: float) -> None:
    """Lay the figure, exposed by ``gain``, over uint8 ``(height, width, 3)``, in place."""
    height, width = frame.shape[:2]
    top, left = figure.place(time_s, height_px=height, width_px=width)
    rows = slice(max(0, top), min(height, top + figure.body.shape[0]))
    columns = slice(max(0, left), min(width, left + figure.body.shape[1]))
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return
    part = (slice(rows.start - top, rows.stop - top), slice(columns.start - left, columns.stop - left))
    under = frame[rows, columns]
    frame[rows, columns] = under + figure.mask[part] * (gain * figure.body[part] - under)

"""What stands before the camera: large painted canvases, each of a kind that real footage shows.

A painter takes a generator, the canvas shape (height, width) and a base hue, and returns a canvas. What it
draws does not depend on the resolution: counts that rounding may change come last from their generator.
"""

from collections.abc import Callable

import numpy as np

from footage.textures import (
    hsv,
    lay,
    lay_disc,
    lay_rectangle,
    octave_noise,
    tint,
    value_noise,
    vertical_gradient,
)

Painter = Callable[[np.random.Generator, tuple[int, int], float], np.ndarray]


def hills(rng: np.random.Generator, shape: tuple[int, int], hue: float) -> np.ndarray:
    """Clouded sky above ridges that darken towards the viewer."""
    clouds = octave_noise(rng, shape, cells=2, stretch=3)
    canvas = vertical_gradient(shape, [hsv(hue + 0.5, 0.55, 0.95), hsv(hue + 0.45, 0.15, 1.0)])
    lay(canvas, np.clip(clouds * 2 - 0.9, 0, 1), hsv(hue, 0.05, 1.0))
    ground = octave_noise(rng, shape, cells=8)
    rows = np.arange(shape[0])[:, None] / shape[0]
    for layer in range(3):
        outline = octave_noise(rng, (1, shape[1]), cells=4 * (layer + 1), octaves=4, stretch=shape[0])
        below = np.clip((rows - (0.38 + 0.2 * layer - 0.22 * outline)) * 60, 0, 1)
        dark = 0.8 - 0.22 * layer
        lay(canvas, below, tint(ground, [hsv(hue, 0.6, 0.5 * dark), hsv(hue + 0.06, 0.7, dark)]))
    return canvas


def city(rng: np.random.Generator, shape: tuple[int, int], hue: float) -> np.ndarray:
    """House fronts with lit and dark windows before a hazy sky."""
    canvas = vertical_gradient(shape, [hsv(hue + 0.55, 0.4, 0.85), hsv(hue + 0.08, 0.35, 0.95)])
    width = shape[1] / shape[0]
    left = -0.1
    while left < width:
        house, top = rng.uniform(0.18, 0.45), rng.uniform(0.08, 0.6)
        _lay_house(
            canvas, rng, (top, left, house), hsv(hue + rng.uniform(-0.08, 0.08), 0.35, rng.uniform(0.3, 0.75))
        )
        left += house
    street = octave_noise(rng, shape, cells=20, stretch=4)
    rows = np.arange(shape[0])[:, None] / shape[0]
    lay(canvas, np.clip((rows - 0.88) * 80, 0, 1), tint(street, [hsv(hue, 0.1, 0.2), hsv(hue, 0.1, 0.45)]))
    return canvas * (0.88 + 0.24 * octave_noise(rng, shape, cells=24, octaves=3)[:, :, None])


def foliage(rng: np.random.Generator, shape: tuple[int, int], hue: float) -> np.ndarray:
    """Leaves in light and shade, with blossoms."""
    leaves = octave_noise(rng, shape, cells=7, octaves=5, persistence=0.75)
    canvas = tint(
        leaves,
        [hsv(hue, 0.9, 0.08), hsv(hue, 0.8, 0.4), hsv(hue + 0.05, 0.7, 0.75), hsv(hue + 0.1, 0.4, 0.95)],
    )
    for _ in range(int(40 * shape[1] / shape[0])):
        size = rng.uniform(0.01, 0.035)
        lay_disc(
            canvas, _somewhere(rng, shape), (size, size), hsv(hue + 0.5 + rng.uniform(-0.1, 0.1), 0.6, 1.0)
        )
    return canvas * (0.55 + 0.7 * octave_noise(rng, shape, cells=1.5, octaves=2)[:, :, None])


def water(rng: np.random.Generator, shape: tuple[int, int], hue: float) -> np.ndarray:
    """Waves with glints under a low sun."""
    waves = octave_noise(rng, shape, cells=14, stretch=6, persistence=0.7)
    canvas = tint(waves, [hsv(hue + 0.02, 0.8, 0.25), hsv(hue, 0.6, 0.6), hsv(hue - 0.04, 0.3, 0.9)])
    sky = vertical_gradient(
        shape, [hsv(hue + 0.4, 0.5, 0.7), hsv(hue + 0.48, 0.4, 1.0), hsv(hue + 0.5, 0.2, 1.0)]
    )
    rows = np.arange(shape[0])[:, None] / shape[0]
    lay(canvas, np.clip((0.35 - rows) * 90, 0, 1) * np.ones(shape, np.float32), sky)
    lay_disc(canvas, (0.22, rng.uniform(0.3, 1.5)), (0.1, 0.1), hsv(hue + 0.5, 0.2, 1.0))
    lay(canvas, np.clip(waves * 6 - 4.9, 0, 1) * (rows > 0.36), hsv(hue, 0.02, 1.0))
    return canvas


def interior(rng: np.random.Generator, shape: tuple[int, int], hue: float) -> np.ndarray:
    """A papered wall with pictures, a lamp's glow and a tiled floor."""
    width = shape[1] / shape[0]
    grid_rows, grid_columns = (np.arange(size) / shape[0] for size in shape)
    stripes = 0.5 + 0.5 * np.sin(grid_columns * rng.uniform(40, 90))[None] * np.ones((shape[0], 1))
    canvas = tint(stripes, [hsv(hue, 0.45, 0.55), hsv(hue, 0.35, 0.7)])
    tiles = ((grid_rows[:, None] * 14).astype(int) + (grid_columns[None] * 7).astype(int)) % 2
    floor = tint(tiles.astype(np.float32), [hsv(hue + 0.1, 0.5, 0.25), hsv(hue + 0.1, 0.3, 0.6)])
    lay(canvas, (grid_rows[:, None] > 0.72) * np.ones(shape, np.float32), floor)
    glow = np.hypot(grid_rows[:, None] - 0.3, grid_columns[None] - rng.uniform(0.2, width)) / 1.1
    for left in np.arange(0.1, width, rng.uniform(0.35, 0.6)):
        _lay_picture(canvas, rng, (rng.uniform(0.12, 0.3), float(left)), hue)
    grain = octave_noise(rng, shape, cells=30, octaves=3)
    return canvas * (np.clip(1.15 - glow, 0.3, 1) * (0.9 + 0.2 * grain))[:, :, None]


def crowd(rng: np.random.Generator, shape: tuple[int, int], hue: float) -> np.ndarray:
    """Rows of heads and coloured coats."""
    ground = octave_noise(rng, shape, cells=5)
    canvas = tint(ground, [hsv(hue, 0.4, 0.25), hsv(hue + 0.1, 0.3, 0.6)])
    for down in np.arange(0.2, 1.1, 0.13):
        row = rng.spawn(1)[0]
        for across in np.arange(0, shape[1] / shape[0], 0.15):
            place = (down + row.uniform(-0.04, 0.04), across + row.uniform(-0.05, 0.05))
            coat = hsv(hue + row.uniform(-0.16, 0.16), row.uniform(0.3, 0.9), row.uniform(0.3, 0.9))
            lay_disc(canvas, (place[0] + 0.12, place[1]), (0.11, 0.075), coat)
            lay_disc(canvas, place, (0.045, 0.035), hsv(0.07, row.uniform(0.3, 0.6), row.uniform(0.4, 0.95)))
    return canvas * (0.85 + 0.3 * octave_noise(rng, shape, cells=28, octaves=2)[:, :, None])


def stones(rng: np.random.Generator, shape: tuple[int, int], hue: float) -> np.ndarray:
    """Boulders of all sizes with light from above."""
    canvas = tint(octave_noise(rng, shape, cells=12), [hsv(hue, 0.3, 0.15), hsv(hue, 0.25, 0.4)])
    for size in np.geomspace(0.3, 0.03, int(60 * shape[1] / shape[0])):
        down, across = _somewhere(rng, shape)
        shade = rng.uniform(0.35, 0.75)
        lay_disc(canvas, (down, across), (size * 0.7, size), hsv(hue, 0.35, shade * 0.6))
        lay_disc(
            canvas, (down - 0.12 * size, across), (size * 0.55, size * 0.85), hsv(hue + 0.03, 0.25, shade)
        )
    return canvas * (0.75 + 0.5 * octave_noise(rng, shape, cells=16, persistence=0.8)[:, :, None])


def cartoon(rng: np.random.Generator, shape: tuple[int, int], hue: float) -> np.ndarray:
    """Flat colours within outlines, as in drawn animation."""
    levels = np.floor(value_noise(rng, shape, cells=(3, 3 * shape[1] / shape[0])) * 4)
    colours = [hsv(hue + 0.09 * level, 0.55, 0.5 + 0.13 * level) for level in range(4)]
    canvas = np.stack(colours)[np.clip(levels, 0, 3).astype(np.int64)]
    edge = (np.diff(levels, axis=0, prepend=levels[:1]) != 0) | (
        np.diff(levels, axis=1, prepend=levels[:, :1]) != 0
    )
    canvas[edge] = 0.05
    for _ in range(int(6 * shape[1] / shape[0])):
        place, size = _somewhere(rng, shape), rng.uniform(0.05, 0.14)
        lay_disc(canvas, place, (size * 1.06, size * 1.06), hsv(0, 0, 0.05))
        lay_disc(canvas, place, (size, size), hsv(hue + rng.uniform(0.3, 0.7), 0.7, 0.9))
    return canvas


PAINTERS: tuple[Painter, ...] = (hills, city, foliage, water, interior, crowd, stones)


def _somewhere(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[float, float]:
    return float(rng.uniform(0, 1)), float(rng.uniform(0, shape[1] / shape[0]))


def _lay_house(
    canvas: np.ndarray, rng: np.random.Generator, place: tuple[float, float, float], wall: np.ndarray
) -> None:
    top, left, width = place
    lay_rectangle(canvas, (top, left, 1, left + width), wall)
    for down in np.arange(top + 0.04, 0.85, 0.09):
        for across in np.arange(left + 0.03, left + width - 0.05, 0.07):
            lit = hsv(0.13, 0.4, 1.0) if rng.random() < 0.35 else wall * 0.35
            lay_rectangle(canvas, (down, across, down + 0.05, across + 0.035), lit)


def _lay_picture(
    canvas: np.ndarray, rng: np.random.Generator, place: tuple[float, float], hue: float
) -> None:
    top, left = place
    bottom, right = top + rng.uniform(0.15, 0.3), left + rng.uniform(0.12, 0.28)
    lay_rectangle(canvas, (top - 0.015, left - 0.015, bottom + 0.015, right + 0.015), hsv(hue, 0.6, 0.15))
    lay_rectangle(
        canvas, (top, left, bottom, right), hsv(hue + rng.uniform(0.2, 0.8), 0.6, rng.uniform(0.4, 0.95))
    )

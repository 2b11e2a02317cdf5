"""Textures in pure numpy: noise at several scales, colours, and shapes laid over them.

A canvas is float32 ``(height, width, 3)`` RGB in 0..1; a mask is float32 ``(height, width)`` in 0..1.
"""

import numpy as np


def value_noise(
    rng: np.random.Generator, shape: tuple[int, int], *, cells: tuple[float, float]
) -> np.ndarray:
    """Random values on a grid of ``cells`` (rows, columns), blended: float32 ``shape`` in 0..1.

    Column by column from a generator of its own: a canvas of another size shows the same picture, though
    rounding may give it a column more.
    """
    rows, columns = (max(2, int(cell) + 2) for cell in cells)
    grid = rng.spawn(1)[0].random((columns, rows), dtype=np.float32)
    return _blend(_blend(grid, shape[1], cells[1]).T, shape[0], cells[0])


def octave_noise(
    rng: np.random.Generator,
    shape: tuple[int, int],
    *,
    cells: float,
    octaves: int = 5,
    persistence: float = 0.55,
    stretch: float = 1.0,
) -> np.ndarray:
    """Noise with detail at ``octaves`` scales, float32 ``shape`` filling 0..1.

    ``cells`` counts the coarsest patches down the height; ``stretch`` makes every patch that much wider.
    """
    total = np.zeros(shape, np.float32)
    for octave in range(octaves):
        down = cells * 2**octave
        across = down * shape[1] / shape[0] / stretch
        total += persistence**octave * value_noise(rng, shape, cells=(down, across))
    total -= total.min()
    return total / max(float(total.max()), 1e-6)


def hsv(hue: float, saturation: float, value: float) -> np.ndarray:
    """Colour as float32 ``(3,)`` RGB in 0..1; hue is taken modulo 1."""
    corner = (np.array([5.0, 3.0, 1.0]) + hue * 6) % 6
    weight = np.clip(np.minimum(corner, 4 - corner), 0, 1)
    return (value - value * saturation * weight).astype(np.float32)


def tint(noise: np.ndarray, colours: list[np.ndarray]) -> np.ndarray:
    """Canvas that runs through ``colours`` as ``noise`` ``(height, width)`` goes from 0 to 1."""
    stops = np.linspace(0, 1, len(colours))
    return np.stack([np.interp(noise, stops, [c[band] for c in colours]) for band in range(3)], 2).astype(
        np.float32
    )


def vertical_gradient(shape: tuple[int, int], colours: list[np.ndarray]) -> np.ndarray:
    """Canvas that runs through ``colours`` from the top to the bottom."""
    return tint(np.broadcast_to(np.linspace(0, 1, shape[0])[:, None], shape), colours)


def lay(canvas: np.ndarray, mask: np.ndarray, colour: np.ndarray) -> None:
    """Lay ``colour`` (or a canvas) over ``canvas`` where ``mask`` is 1, in place."""
    canvas += mask[:, :, None] * (colour - canvas)


def lay_rectangle(canvas: np.ndarray, box: tuple[float, float, float, float], colour: np.ndarray) -> None:
    """Fill ``box`` (top, left, bottom, right, in shares of the canvas height) in place, where it is on it."""
    top, left, bottom, right = (max(0, round(edge * canvas.shape[0])) for edge in box)
    canvas[top:bottom, left:right] = colour


def lay_disc(
    canvas: np.ndarray, centre: tuple[float, float], radii: tuple[float, float], colour: np.ndarray
) -> None:
    """Fill an ellipse with soft edges, in place; centre and radii (down, across) in shares of the height."""
    height = canvas.shape[0]
    top, bottom = _reach(centre[0], radii[0], height, canvas.shape[0])
    left, right = _reach(centre[1], radii[1], height, canvas.shape[1])
    if top >= bottom or left >= right:
        return
    lay(canvas[top:bottom, left:right], _ellipse((top, bottom), (left, right), centre, radii, height), colour)


def _blend(points: np.ndarray, size: int, cells: float) -> np.ndarray:
    """Stretch the rows of ``points`` over ``size`` rows, easing from each to the next."""
    position = np.arange(size) / size * cells
    above = position.astype(np.int64)
    share = (position - above).astype(np.float32)[:, None]
    share = share * share * (3 - 2 * share)
    return points[above] * (1 - share) + points[above + 1] * share


def _reach(centre: float, radius: float, height: int, size: int) -> tuple[int, int]:
    return max(0, int((centre - radius) * height)), min(size, int((centre + radius) * height) + 2)


def _ellipse(
    rows: tuple[int, int],
    columns: tuple[int, int],
    centre: tuple[float, float],
    radii: tuple[float, float],
    height: int,
) -> np.ndarray:
    down = (np.arange(*rows)[:, None] / height - centre[0]) / radii[0]
    across = (np.arange(*columns)[None] / height - centre[1]) / radii[1]
    distance = np.sqrt(down**2 + across**2)
    return np.clip((1 - distance) * min(radii) * height, 0, 1).astype(np.float32)

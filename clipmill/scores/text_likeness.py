"""How much of the picture looks like overlaid text, without weights: it does not read, and can be wrong.

Letters are many strong steps side by side, in lines of a certain height, longer than they are high; what is
laid over a picture also stays where it is while the picture changes. After the edge-density detectors of
captions (Lienhart and Wernicke, "Localizing and segmenting text in images and videos", 2002).
"""

import numpy as np

ROWS, COLUMNS = 9, 12
"""Cells of the picture, from the top left, row by row."""
NUM_CELLS = ROWS * COLUMNS

_HEIGHT_PX = 270  # about: letters keep their strokes, and a frame costs little
_ROW_STEP = 2  # a line of text is several rows high: every second one will do
_STEP = 40  # levels between neighbours: a stroke's border
_DENSITY = 0.12  # share of such steps along a stretch of a line of text
_REACH = 1 / 15  # of the height: the stretch, about two letters
_LEAST_HEIGHT, _MOST_HEIGHT = 0.02, 0.14  # of the picture, of one line
_LEAST_ASPECT = 2.0
_LEAST_FILL = 0.5  # of its box that a line covers
_CONTRAST = 70  # levels between its dark and its bright parts
_DARK_SHARE, _BRIGHT_SHARE = 0.10, 0.95  # of its pixels that are darker than they are


def text_cells(luma: np.ndarray) -> np.ndarray:
    """Float32 ``(NUM_CELLS,)``: the share of each cell that lines like text cover, 0..1.

    ``luma`` is uint8 ``(H, W)``.
    """
    small = _small(luma)
    if min(small.shape) < max(ROWS, COLUMNS) + 1:
        return np.zeros(NUM_CELLS, np.float32)
    lines = _lines(small)
    covered = np.zeros(small.shape, np.float32)
    for box in _boxes(lines):
        if _is_text(small[box], lines[box], height=len(small)):
            covered[box] = 1
    return _by_cell(covered) if covered.any() else np.zeros(NUM_CELLS, np.float32)


def text_likeness(cells: np.ndarray) -> float | None:
    """Share of a clip, of its picture and its time, that text-like lines cover, 0..1, rounded to 6 digits.

    ``cells`` is ``(Q, NUM_CELLS)``, one row per sample. What is not there in the next sample too does not
    count; None without a sample.
    """
    if not len(cells):
        return None
    stays = np.minimum(cells[:-1], cells[1:]) if len(cells) > 1 else cells
    return round(float(stays.mean(dtype=np.float64)), 6)


def _small(luma: np.ndarray) -> np.ndarray:
    """Int16, every n-th pixel of half as many rows; two are averaged, so that fine noise makes no steps."""
    stride = max(1, round(luma.shape[0] / _HEIGHT_PX))
    row_stride = stride * _ROW_STEP
    rows, columns = luma.shape[0] // row_stride * row_stride, luma.shape[1] // stride * stride
    corner = luma[:rows:row_stride, :columns:stride].astype(np.int16)
    if stride == 1:
        return corner
    return (corner + luma[stride // 2 : rows : row_stride, stride // 2 : columns : stride]) >> 1


def _lines(small: np.ndarray) -> np.ndarray:
    """Bool ``(h, w)``: where strong steps lie close together along a line, at least two rows high."""
    strong = np.zeros(small.shape, bool)
    np.greater(np.abs(small[:, 1:] - small[:, :-1]), _STEP, out=strong[:, 1:])
    reach = max(3, round(len(small) * _ROW_STEP * _REACH / 2))
    counts = np.zeros((len(small), small.shape[1] + 2 * reach + 1), np.int16)
    strong.cumsum(axis=1, dtype=np.int16, out=counts[:, reach + 1 : -reach])
    counts[:, -reach:] = counts[:, -reach - 1 : -reach]
    dense = counts[:, 2 * reach + 1 :] - counts[:, : -2 * reach - 1] > _DENSITY * (2 * reach + 1)
    core = dense[:-1] & dense[1:]
    lines = np.zeros_like(dense)
    lines[:-1] = core
    lines[1:] |= core
    return lines


def _boxes(lines: np.ndarray) -> list[tuple[slice, slice]]:
    """Around each connected part; diagonal neighbours do not connect.

    By runs of pixels in a row: scipy, which labels pixels, takes longer to import than a short video to scan.
    """
    width = lines.shape[1] + 1  # a column without line ends the runs of each row
    flat = np.append(np.pad(lines, ((0, 0), (1, 0))), False)
    changes = np.flatnonzero(flat[1:] != flat[:-1])
    starts, ends = changes[::2], changes[1::2]
    if not len(starts):
        return []
    part = _parts(starts, ends, width)
    order = np.argsort(part, kind="stable")
    borders = np.append(0, np.flatnonzero(np.diff(part[order])) + 1)
    rows, left, right = starts[order] // width, starts[order] % width, ends[order] % width
    sides = (
        np.minimum.reduceat(rows, borders), np.maximum.reduceat(rows, borders) + 1,
        np.minimum.reduceat(left, borders), np.maximum.reduceat(right, borders),
    )  # fmt: skip
    return [
        (slice(top, end), slice(first, last))
        for top, end, first, last in zip(*map(np.ndarray.tolist, sides), strict=True)
    ]


def _parts(starts: np.ndarray, ends: np.ndarray, width: int) -> np.ndarray:
    """Returns int ``(N,)``: for each run the first run of the part that it is connected to.

    Runs are ``[start, end)`` in the flattened picture, in ascending order.
    """
    first = np.searchsorted(ends, starts + width, side="right")  # of the runs below that touch it
    counts = np.maximum(np.searchsorted(starts, ends + width) - first, 0)
    above = np.repeat(np.arange(len(starts)), counts)
    below = np.arange(len(above)) - np.repeat(np.cumsum(counts) - counts - first, counts)
    part = np.arange(len(starts))
    while (part[above] != part[below]).any():
        least = np.minimum(part[above], part[below])
        np.minimum.at(part, part[above], least)
        np.minimum.at(part, part[below], least)
        while (part != part[part]).any():
            part = part[part]
    return part


def _is_text(picture: np.ndarray, line: np.ndarray, *, height: int) -> bool:
    """Whether a box has the shape and the contrast of a line of text."""
    is_line = _LEAST_HEIGHT * height <= len(line) <= _MOST_HEIGHT * height
    is_long = line.shape[1] >= _LEAST_ASPECT * _ROW_STEP * len(line)
    if not is_line or not is_long or np.count_nonzero(line) < _LEAST_FILL * line.size:
        return False
    levels = np.sort(picture, axis=None)
    dark, bright = (levels[int(share * (levels.size - 1))] for share in (_DARK_SHARE, _BRIGHT_SHARE))
    return bool(bright - dark >= _CONTRAST)


def _by_cell(covered: np.ndarray) -> np.ndarray:
    """Means over the cells."""
    rows, columns = (
        np.linspace(0, side, count + 1).astype(int)
        for side, count in zip(covered.shape, (ROWS, COLUMNS), strict=True)
    )
    sums = np.add.reduceat(np.add.reduceat(covered, rows[:-1], axis=0), columns[:-1], axis=1)
    return (sums / np.outer(np.diff(rows), np.diff(columns))).astype(np.float32).ravel()

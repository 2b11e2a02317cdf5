"""Drawn clips as sketches, and embeddings in parquet with them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from clipmill.dedup.copies.fingerprints import SIDE_PX, Detail, Sketch, encode, sketch_of
from clipmill.dedup.vectors import unit_rows
from clipmill.scores.detail import NUM_BANDS, NUM_ZONES
from tests.support.films.score_frames import panned, textured

FINE_PX = 4 * SIDE_PX
LEVEL = 16
"""Levels of a band of detail for a factor of e."""


def pictures(seed: int, *, from_step: float = 0, num_steps: float = 12, thing: int = 0) -> np.ndarray:
    """Float32 ``(T, 96, 96)``: a ``thing``, one of several, that moves over a slowly moving ground."""
    ground, object_ = textured(240, 240, seed=seed), textured(24, 24, seed=1000 + seed + thing)
    frames = []
    for step in np.arange(from_step, from_step + num_steps):
        frame = panned(ground, x=4 + 2 * step, y=4 + step, height=FINE_PX, width=FINE_PX)
        x = int(6 + 4 * step) if thing % 2 == 0 else int(66 - 4 * step)
        x %= FINE_PX - 24
        frame[30 : 30 + 24, x : x + 24] = object_.clip(0, 255)
        frames.append(frame)
    return np.stack(frames).astype(np.float32)


def sketched(fine: np.ndarray) -> Sketch:
    """The sketch of pictures ``(T, h, w)``, T at least 3, h and w whole multiples of 24."""
    cells = fine.reshape(len(fine), SIDE_PX, fine.shape[1] // SIDE_PX, SIDE_PX, -1)
    return made(cells.mean(axis=(2, 4))[None])


def made(views: np.ndarray) -> Sketch:
    """The sketch of views ``(V, T, 24, 24)``, T at least 3."""
    sketch = sketch_of(views)
    assert sketch is not None
    return sketch


def detailed(
    sketch: Sketch, *, height_px: int = 360, lost: float = 0.0, bars: float = 0.0, blocks: float = 1.0
) -> Sketch:
    """The sketch of a copy of this height whose finest bands have less energy by ``lost``, as a logarithm."""
    width_px = height_px * 16 // 9
    levels = np.tile(200 - 4 * np.arange(NUM_BANDS), (sketch.views.shape[1], 1))
    num_bands = int(np.log2(width_px / 16) * 4)
    levels[:, num_bands - 9 :] -= round(lost * LEVEL)
    levels[:, num_bands:] = 0
    frame_px = (width_px, round(height_px / (1 - bars)))
    zones = np.full(NUM_ZONES, 200 - round(lost * LEVEL), np.uint8)
    detail = Detail((width_px, height_px), frame_px, blocks, levels.astype(np.uint8), zones)
    return replace(sketch, detail=detail)


def towards(other: np.ndarray, similarity: float, *, seed: int) -> np.ndarray:
    """A unit vector of that cosine similarity to a unit vector."""
    free = np.random.default_rng(seed).standard_normal(other.shape)
    free -= (free @ other) * other
    return similarity * other + np.sqrt(1 - similarity**2) * free / np.linalg.norm(free)


def directions(num_rows: int, *, seed: int = 0) -> np.ndarray:
    """Unit rows ``(N, 24)`` of no special similarity."""
    return unit_rows(np.random.default_rng(seed).standard_normal((num_rows, 24)))


def write_sketched(
    path: Path, ids: Sequence[str], rows: Sequence[np.ndarray], sketches: Sequence[Sketch | bytes | None]
) -> None:
    """A file of embeddings with sketches; bytes are written as they are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = [encode(one) if isinstance(one, Sketch) else one for one in sketches]
    lists = pa.array([np.asarray(row, np.float32) for row in rows], pa.list_(pa.float32()))
    pq.write_table(pa.table({"id": ids, "embedding": lists, "sketch": pa.array(data, pa.binary())}), path)

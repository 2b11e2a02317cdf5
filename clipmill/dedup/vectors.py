"""Embeddings as rows of unit length, the form in which everything here compares them."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]
Unit = npt.NDArray[np.float32]
Indices = npt.NDArray[np.intp]

_DIGEST_SEED = 1  # enters every digest: never changed
_DIGEST_ROWS = 1024  # so that the products stay in the cache
_SMALL = 1e-20
_BLOCK_ROWS = 16384  # so that nothing as large as the embeddings exists beside them

ZEROS, NOT_FINITE = "is all zeros", "holds NaN or infinity"


def unit_rows(embeddings: Floats) -> Unit:
    """``embeddings`` ``(N, D)`` as float32 rows of length 1.

    Raises ValueError naming the first row that has no direction: one with NaN or infinity, or all zeros.
    """
    if embeddings.ndim != 2:
        raise ValueError(f"embeddings must be (N, D), got {embeddings.shape = }")
    unit = np.empty(embeddings.shape, dtype=np.float32)
    _fill(unit, embeddings)
    return unit


def turn_into_unit(rows: Unit) -> Unit:
    """``unit_rows`` in the place of float32 ``rows``, where there is no memory for both; returns them."""
    _fill(rows, rows)
    return rows


def row_digests(rows: npt.NDArray[np.float32]) -> npt.NDArray[np.uint64]:
    """64 bits ``(N,)`` for each row ``(N, D)`` that tell whether it holds the same numbers as before.

    Not meant against malice.

    Each row's bits, 32 at a time, by random odd factors, summed modulo 2^64 (Dietzfelbinger et al. 1997).
    """
    factors = np.random.default_rng(_DIGEST_SEED).integers(1 << 63, size=rows.shape[1], dtype=np.uint64)
    factors = factors * np.uint64(2) + np.uint64(1)
    digests = np.empty(len(rows), dtype=np.uint64)
    for start in range(0, len(rows), _DIGEST_ROWS):
        words = np.ascontiguousarray(rows[start : start + _DIGEST_ROWS]).view(np.uint32)
        digests[start : start + _DIGEST_ROWS] = (words * factors).sum(axis=1, dtype=np.uint64)
    return digests


def faults_of_rows(embeddings: Floats) -> list[str]:
    """Returns for each row of ``(N, D)`` why it has no direction; empty for a sound one."""
    finite = np.asarray(np.isfinite(embeddings).all(axis=1))
    has_any = np.asarray(embeddings.any(axis=1))
    return np.where(finite, np.where(has_any, "", ZEROS), NOT_FINITE).tolist()


def faulty_row(embeddings: Floats) -> tuple[int, str] | None:
    """The first row of ``(N, D)`` that has no direction, and what is wrong with it; None if all are sound."""
    for start in range(0, len(embeddings), _BLOCK_ROWS):
        block = embeddings[start : start + _BLOCK_ROWS]
        finite = np.asarray(np.isfinite(block).all(axis=1))
        sound = finite & block.any(axis=1)
        if not sound.all():
            row = int(np.argmin(sound))
            return start + row, ZEROS if finite[row] else NOT_FINITE
    return None


def round_scores(scores: Floats) -> npt.NDArray[np.float64]:
    """Scores to 6 digits, as they are before any threshold or ranking: float32 noise is below that."""
    return np.round(scores.astype(np.float64), 6)


def _fill(unit: Unit, embeddings: Floats) -> None:
    fault = faulty_row(embeddings)
    if fault is not None:
        raise ValueError(f"row {fault[0]} of the embeddings {fault[1]}")
    for start in range(0, len(unit), _BLOCK_ROWS):
        unit[start : start + _BLOCK_ROWS] = _unit(embeddings[start : start + _BLOCK_ROWS])


def _unit(block: Floats) -> Floats:
    """Rows whose squares could overflow or vanish are divided by their largest entry first."""
    wide = block.astype(np.promote_types(block.dtype, np.float32), copy=False)
    with np.errstate(over="ignore", under="ignore"):
        squares = np.einsum("nd,nd->n", wide, wide)
    if ((squares < _SMALL) | (squares > 1 / _SMALL)).any():
        wide = wide / np.abs(wide).max(axis=1, keepdims=True)
        squares = np.einsum("nd,nd->n", wide, wide)
    return wide / np.sqrt(squares)[:, None]

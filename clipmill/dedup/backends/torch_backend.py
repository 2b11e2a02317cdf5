"""Products on torch: on a GPU where it sees one, else on the CPU. Only the extra ``models`` installs it."""

# pyright: reportMissingImports=false

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch

from clipmill.dedup.vectors import Indices, Unit

MARGIN = 0.02
"""More than twice what bfloat16 moves a similarity of at most 1 by rounding both rows and it: 3 * 2^-9."""

_SCALE = 1e6  # scores are whole millionths, as in ``pairwise``


def has_gpu() -> bool:
    """Whether torch can compute on a GPU here."""
    return torch.cuda.is_available()


def nearest_few(
    unit: Unit, directions: Unit, *, count: int, block_rows: int
) -> tuple[Indices, npt.NDArray[np.float32]]:
    """As ``select.NearestFew``, in float32 throughout."""
    labels = np.empty((len(unit), count), dtype=np.intp)
    scores = np.empty((len(unit), count), dtype=np.float32)
    across = _put(directions).T
    for start in range(0, len(unit), block_rows):
        rows = slice(start, start + block_rows)
        found = (_put(unit[rows]) @ across).topk(count, dim=1)
        labels[rows], scores[rows] = found.indices.cpu().numpy(), found.values.cpu().numpy()
    return labels, scores


def nearest_earlier(unit: Unit, *, batch_size: int) -> tuple[Indices, npt.NDArray[np.float64]]:
    """As ``pairwise.nearest_earlier``: products in bfloat16 propose, float32 decides.

    Of each row all earlier ones are compared in float32 that bfloat16 sees within ``MARGIN`` of the best: the
    best is among them. Memory beyond the rows is a few tiles of ``batch_size`` squared.
    """
    rows = _put(unit)
    coarse = rows.to(torch.bfloat16)
    index, score = np.arange(len(unit), dtype=np.intp), np.zeros(len(unit))
    for start in range(0, len(unit), batch_size):
        own = slice(start, start + batch_size)
        best, found = _best_of_block(rows, coarse, own, batch_size=batch_size)
        has = (best > 0).cpu().numpy()
        score[own] = np.where(has, np.minimum(best.cpu().numpy() / _SCALE, 1.0), 0.0)
        index[own] = np.where(has, found.cpu().numpy(), index[own])
    return index, score


def _best_of_block(
    rows: torch.Tensor, coarse: torch.Tensor, own: slice, *, batch_size: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Millionths, float64 ``(B,)``, and index of the most similar earlier row, the first of equals."""
    num_rows = len(rows[own])
    best = torch.zeros(num_rows, dtype=torch.float64, device=rows.device)
    index = torch.zeros(num_rows, dtype=torch.int64, device=rows.device)
    for row, other in _candidates(coarse, own, batch_size=batch_size):
        products = (rows[own][row].double() * rows[other].double()).sum(dim=1)
        score = torch.round(products * _SCALE)
        top = best.scatter_reduce(0, row, score, "amax")
        is_best = (score == top[row]) & (score > best[row])
        first = torch.full_like(index, len(rows)).scatter_reduce(0, row[is_best], other[is_best], "amin")
        index = torch.where(first < len(rows), first, index)
        best = top
    return best, index


def _candidates(
    coarse: torch.Tensor, own: slice, *, batch_size: int
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Rows of the block and earlier rows that may be their best, tile by tile from the first."""
    best = torch.zeros(len(coarse[own]), device=coarse.device)
    for earlier in range(0, own.start + 1, batch_size):
        tile = (coarse[own] @ coarse[earlier : earlier + batch_size].T).float()
        if earlier == own.start:
            tile = tile.tril(-1)
        best = torch.maximum(best, tile.amax(dim=1))
        row, column = torch.nonzero((tile >= best[:, None] - MARGIN) & (tile > -MARGIN), as_tuple=True)
        is_earlier = column + earlier < row + own.start
        yield row[is_earlier], column[is_earlier] + earlier


def _put(rows: Unit) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(rows)).to("cuda" if has_gpu() else "cpu")

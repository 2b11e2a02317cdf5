"""The nearest directions by faiss, on all cores and with the same bits on any number."""

from concurrent.futures import ThreadPoolExecutor

import faiss
import numpy as np
import numpy.typing as npt

from clipmill.dedup.vectors import Indices, Unit
from clipmill.machine import num_cores


def nearest_few(
    unit: Unit, directions: Unit, *, count: int, block_rows: int
) -> tuple[Indices, npt.NDArray[np.float32]]:
    """As ``select.NearestFew``.

    faiss merges the product and the search, so that no ``(N, K)`` exists. A product's bits change with the
    number of threads that share it: here a block belongs to one thread, and blocks run side by side.
    Otherwise k-means, which amplifies the last bit, would give other clusters on another number of cores.
    """
    blocks = [unit[start : start + block_rows] for start in range(0, len(unit), block_rows)]
    if len(blocks) == 1:
        return _nearest_of_block(unit, directions, count)
    with ThreadPoolExecutor(max(1, min(len(blocks), num_cores()))) as pool:
        found = list(pool.map(lambda block: _nearest_of_block(block, directions, count), blocks))
    labels = np.concatenate([np.zeros((0, count), dtype=np.intp), *(index for index, _ in found)])
    return labels, np.concatenate([np.zeros((0, count), dtype=np.float32), *(score for _, score in found)])


def _nearest_of_block(
    block: Unit, directions: Unit, count: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)  # OpenMP keeps this per calling thread, and it may be the caller's own
    try:
        scores, indices = faiss.knn(block, directions, count, metric=faiss.METRIC_INNER_PRODUCT)
    finally:
        faiss.omp_set_num_threads(before)
    return indices, scores

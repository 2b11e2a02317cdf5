"""How much time clips cover, counted once where they overlap. Pure."""

import numpy as np
import pyarrow as pa


def covered_by_source(clips: pa.Table) -> dict[str, float]:
    """Source URI -> seconds of it that are in a clip, whatever became of the clip."""
    sources = clips["source_uri"].combine_chunks().dictionary_encode()
    codes = sources.indices.to_numpy()
    start_s, end_s = (clips[name].to_numpy() for name in ("start_s", "end_s"))
    order = np.lexsort((end_s, start_s, codes))
    codes, start_s, end_s = codes[order], start_s[order], end_s[order]
    start_s = np.maximum(start_s, _reached(codes, end_s))
    seconds = np.maximum(end_s - start_s, 0.0)
    covered = np.bincount(codes, weights=seconds, minlength=len(sources.dictionary))
    return dict(zip(sources.dictionary.to_pylist(), covered.tolist(), strict=True))


def _reached(codes: np.ndarray, end_s: np.ndarray) -> np.ndarray:
    """The end of the latest clip of the same source before each clip; minus infinity before the first.

    ``codes`` are ascending. Ends are nearly always ascending too: only other sources are walked through.
    """
    before = np.full(len(end_s), -np.inf)
    is_same = codes[1:] == codes[:-1]
    before[1:][is_same] = end_s[:-1][is_same]
    for code in np.unique(codes[1:][is_same & (end_s[1:] < end_s[:-1])]):
        first, stop = np.searchsorted(codes, [code, code + 1])
        before[first + 1 : stop] = np.maximum.accumulate(end_s[first : stop - 1])
    return before

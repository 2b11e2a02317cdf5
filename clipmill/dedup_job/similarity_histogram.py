"""How alike clips are, as counts: what a threshold is chosen by."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from clipmill import layout
from clipmill.dedup_job import step_io
from clipmill.dedup_job.step_io import Similarities
from clipmill.storage import store

BINS_PER_UNIT = 1000


def similarities_uri(output: str) -> str:
    """Where the counts lie."""
    return layout.join(layout.dedup_dir(output), "similarities.json")


def read_similarities(output: str) -> Similarities | None:
    """The counts of the last run; None where there was none."""
    uri = similarities_uri(output)
    return step_io.read(uri, Similarities) if store.exists(uri) else None


def count_links(links: pa.Table) -> tuple[int, ...]:
    """Clips by the similarity of their link, in bins of a thousandth from 0; the last holds 1.0."""
    scores = links["cosine_sim_score"].to_numpy().astype(np.float64)
    bins = np.floor(np.round(scores * BINS_PER_UNIT, 3)).astype(np.intp)
    return tuple(np.bincount(bins, minlength=BINS_PER_UNIT + 1).tolist())


def added(counts: Sequence[int], more: Sequence[int]) -> tuple[int, ...]:
    """Counts of two sets of clips together."""
    return tuple(one + other for one, other in zip(counts, more, strict=True))

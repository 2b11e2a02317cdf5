from pathlib import Path

import pyarrow.parquet as pq
import pytest

from clipmill.specs import DedupSpec
from tests.support.runs.dedup_runs import ADDING, add_copies, at_least, removed, run


@pytest.mark.parametrize("eps", [0.3, 0.1, 0.002])
def test_counts_say_how_many_go_at_another_threshold(embeddings: Path, output: Path, eps: float) -> None:
    run(embeddings, output, DedupSpec(eps=0.05, n_clusters=4))
    counted = at_least(output, 1 - eps)
    assert counted == len(pq.read_table(run(embeddings, output, DedupSpec(eps=eps, n_clusters=4))))


def test_counts_of_an_addition_are_those_of_all_clips(embeddings: Path, output: Path) -> None:
    run(embeddings, output, ADDING)
    add_copies(embeddings)
    duplicates = removed(run(embeddings, output, ADDING))
    assert at_least(output, 0.9) == len(duplicates)
    run(embeddings, output, ADDING)
    assert at_least(output, 0.9) == len(duplicates)

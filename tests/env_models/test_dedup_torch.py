"""torch as the backend of deduplication, beside numpy and faiss."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from clipmill.dedup import pairwise
from clipmill.dedup.backends import faiss_backend, numpy_backend, torch_backend
from clipmill.dedup.vectors import Unit, unit_rows
from clipmill.dedup_job import steps
from clipmill.specs import DedupSpec


def alike_rows(*, num_films: int = 40, each: int = 4, dim: int = 32, seed: int = 0) -> Unit:
    rng = np.random.default_rng(seed)
    films = rng.standard_normal((num_films, 1, dim))
    return unit_rows((films + 0.2 * rng.standard_normal((num_films, each, dim))).reshape(-1, dim))


@pytest.mark.parametrize("count", [1, 2])
def test_the_nearest_directions_are_those_of_the_other_backends(count: int) -> None:
    rows, directions = alike_rows(), alike_rows(num_films=9, each=1, seed=1)
    found = [
        one.nearest_few(rows, directions, count=count, block_rows=64)
        for one in (torch_backend, numpy_backend, faiss_backend)
    ]
    for labels, scores in found[1:]:
        assert labels.tolist() == found[0][0].tolist()
        assert scores == pytest.approx(found[0][1], abs=1e-5)


@pytest.mark.parametrize("batch_size", [16, 64, 1000])
def test_pairs_that_bfloat16_proposed_are_those_of_float32(batch_size: int) -> None:
    rows = alike_rows()
    index, score = torch_backend.nearest_earlier(rows, batch_size=batch_size)
    expected_index, expected = pairwise.nearest_earlier(rows, batch_size=batch_size)
    assert index.tolist() == expected_index.tolist()
    assert score == pytest.approx(expected, abs=1e-5)


def test_of_equal_copies_the_earliest_is_named() -> None:
    rows = np.repeat(alike_rows(num_films=1, each=1, dim=300), 40, axis=0)
    assert torch_backend.nearest_earlier(rows, batch_size=16)[0].tolist() == [0] * 40


def test_negative_similarity_names_the_row_itself() -> None:
    index, score = torch_backend.nearest_earlier(np.array([[1, 0], [-1, 0]], dtype=np.float32), batch_size=4)
    assert (index.tolist(), score.tolist()) == ([0, 1], [0.0, 0.0])


def test_a_run_by_torch_finds_what_one_by_faiss_finds(tmp_path: Path) -> None:
    rows = alike_rows(num_films=30)
    (tmp_path / "in").mkdir()
    ids = [f"clip{row:03}" for row in range(len(rows))]
    pq.write_table(pa.table({"id": ids, "embedding": list(rows)}), tmp_path / "in" / "a.parquet")
    found: list[list[str]] = []
    for backend in ("faiss", "torch"):
        spec = DedupSpec.model_validate({"eps": 0.1, "n_clusters": 5, "backend": backend})
        output = str(tmp_path / backend)
        fitted = steps.fit_clusters(str(tmp_path / "in"), output, spec)
        assigned = [steps.assign_clusters(shard) for shard in steps.embedding_shards(fitted)]
        parts = [steps.find_duplicates(group) for group in steps.cluster_groups(fitted, assigned, spec)]
        uri = steps.select_keepers(parts, output, spec, algorithm="perceptual")
        found.append(pq.read_table(uri)["clip_id"].to_pylist())
    assert len(found[0]) == len(found[1]) > 60


@pytest.mark.gpu
def test_a_gpu_gives_what_the_cpu_gives() -> None:
    assert torch.cuda.is_available()
    rows = alike_rows(num_films=500)
    index, score = torch_backend.nearest_earlier(rows, batch_size=1024)
    expected_index, expected = pairwise.nearest_earlier(rows)
    assert index.tolist() == expected_index.tolist()
    assert score == pytest.approx(expected, abs=1e-5)

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clipmill.dedup_job import fit, steps
from clipmill.dedup_job.assign import as_lists
from clipmill.dedup_job.previous import rows
from clipmill.dedup_job.previous.rows import KeptRows, read_part, rows_of_clusters, write_part
from clipmill.dedup_job.previous.run import read_known
from clipmill.errors import StoreError
from clipmill.specs import DedupSpec
from clipmill.storage import store
from tests.support.runs.dedup_runs import SPEC, copies, documented, mtimes, run, tree, write, write_copies

pytestmark = pytest.mark.integration


def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fit, "ROWS_PER_GROUP", 5)
    monkeypatch.setattr(fit, "FILES_PER_SHARD", 1)


def test_a_rerun_touches_no_file(embeddings: Path, output: Path) -> None:
    run(embeddings, output)
    before = mtimes(output)
    run(embeddings, output)
    assert mtimes(output) == before


def test_another_eps_repeats_neither_clustering_nor_pairs(embeddings: Path, output: Path) -> None:
    run(embeddings, output)
    before = mtimes(output)
    run(embeddings, output, DedupSpec(eps=1e-6))
    changed = {path for path, mtime in mtimes(output).items() if before.get(path) != mtime}
    (noted,) = (output / "dedup" / "known").glob("duplicates-*")
    assert {Path(path).name for path in changed} == {
        noted.name,
        "part-0.parquet",
        "semantic_duplicates.parquet",
        "known.json",
        "similarities.json",
        next((output / "work" / "dedup_read").iterdir()).name,
    }
    assert {Path(path).parent.name for path in changed} == {"duplicates", "dedup", "dedup_read", "known"}


def test_parts_and_groups_do_not_change_the_result(
    embeddings: Path, output: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(embeddings, output)
    write_copies(tmp_path / "other", num_files=7)
    small_parts(monkeypatch)
    fitted = steps.fit_clusters(str(tmp_path / "other"), str(tmp_path / "out2"), SPEC)
    assert len(steps.embedding_shards(fitted)) == 7
    run(tmp_path / "other", tmp_path / "out2")
    assert documented(output / "dedup") == documented(tmp_path / "out2" / "dedup")


def test_groups_are_at_most_as_many_as_asked_for(
    embeddings: Path, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_parts(monkeypatch)
    spec = DedupSpec(eps=0.1, n_clusters=6, max_groups=2)
    fitted = steps.fit_clusters(str(embeddings), str(output), spec)
    assigned = [steps.assign_clusters(shard) for shard in steps.embedding_shards(fitted)]
    assert len(steps.cluster_groups(fitted, assigned, spec)) == 2


@pytest.mark.parametrize("sample", [{"fit_sample": 20}, {"fit_data_fraction": 0.55}], ids=["rows", "share"])
def test_a_sample_of_the_rows_can_be_fitted(embeddings: Path, output: Path, sample: dict[str, float]) -> None:
    spec = DedupSpec.model_validate({"eps": 0.1, "n_clusters": 3, **sample})
    table = pq.read_table(run(embeddings, output, spec))
    rows = [pq.ParquetFile(path).read() for path in (output / "dedup" / "kmeans_results").rglob("*.parquet")]
    assert sum(len(part) for part in rows) == 36
    assert len(table) > 18


def test_clusters_of_an_earlier_run_go(embeddings: Path, output: Path, tmp_path: Path) -> None:
    run(embeddings, output, DedupSpec(eps=0.1, n_clusters=9))
    run(embeddings, output, DedupSpec(eps=0.1, n_clusters=2))
    run(embeddings, tmp_path / "fresh", DedupSpec(eps=0.1, n_clusters=2))
    assert tree(output / "dedup") == tree(tmp_path / "fresh" / "dedup")


def test_work_of_an_earlier_run_goes_when_the_next_is_done(embeddings: Path, output: Path) -> None:
    run(embeddings, output, DedupSpec(eps=0.1, n_clusters=9))
    first = set(tree(output / "work"))
    run(embeddings, output, DedupSpec(eps=0.1, n_clusters=2))
    assert first.isdisjoint(tree(output / "work"))


ADDING_TO_NINE = DedupSpec(eps=0.1, n_clusters=9, mode="incremental")


def test_nothing_is_replaced_before_the_result_is_known(embeddings: Path, output: Path) -> None:
    run(embeddings, output, DedupSpec(eps=0.1, n_clusters=9))
    before = documented(output / "dedup"), read_known(str(output), ADDING_TO_NINE)
    spec = DedupSpec(eps=0.1, n_clusters=2)
    fitted = steps.fit_clusters(str(embeddings), str(output), spec)
    assigned = [steps.assign_clusters(shard) for shard in steps.embedding_shards(fitted)]
    found = [steps.find_duplicates(group) for group in steps.cluster_groups(fitted, assigned, spec)]
    pairs = next(Path(fitted).parent.rglob("pairwise_results/*.parquet"))
    pairs.write_bytes(b"cut off")
    with pytest.raises(StoreError, match="not a readable table"):
        steps.select_keepers(found, str(output), spec, algorithm="perceptual")
    assert (documented(output / "dedup"), read_known(str(output), ADDING_TO_NINE)) == before


def test_a_shard_that_was_not_assigned_is_an_error(embeddings: Path, output: Path) -> None:
    fitted = steps.fit_clusters(str(embeddings), str(output), SPEC)
    with pytest.raises(ValueError, match="1 shards, 0 were assigned"):
        steps.cluster_groups(fitted, [], SPEC)


def test_changed_embeddings_are_clustered_again(embeddings: Path, output: Path) -> None:
    assert len(pq.read_table(run(embeddings, output))) > 0
    write(embeddings / "0.parquet", ["x"], [np.eye(24)[0]])
    write(embeddings / "1.parquet", ["y"], [np.eye(24)[1]])
    assert len(pq.read_table(run(embeddings, output))) == 0


def test_runs_on_an_object_store() -> None:
    ids, rows = copies(num_films=3)
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"id": ids, "embedding": [list(row) for row in rows]}), sink)
    store.put_bytes("memory://bucket/in/a.parquet", sink.getvalue().to_pybytes())
    uri = run("memory://bucket/in", "memory://bucket/out", DedupSpec(eps=0.1, n_clusters=1))
    assert len(pq.read_table(pa.BufferReader(store.read_bytes(uri)))) == 6
    again = run("memory://bucket/in", "memory://bucket/out", DedupSpec(eps=0.1, n_clusters=2))
    assert {file.uri.split("/")[-2] for file in store.find("memory://bucket/out/dedup/kmeans_results")} == {
        "centroid=0",
        "centroid=1",
    }
    assert again == uri == "memory://bucket/out/dedup/semantic_duplicates.parquet"


def test_clusters_that_are_asked_for_again_are_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those used longest ago go when memory is short; rows are the same either way."""
    unit = np.random.default_rng(0).standard_normal((9, 4)).astype(np.float32)
    clusters = pa.array(np.repeat(np.arange(3, dtype=np.int32), 3))
    ids, digests = pa.array([f"{row}" for row in range(9)]), pa.array(np.zeros(9, np.uint64))
    table = pa.table({"id": ids, "cluster": clusters, "digest": digests, "embedding": as_lists(unit)})
    plain = read_part(f"{tmp_path}/{write_part(str(tmp_path), table).name}")
    part, read = replace(plain, kept=KeptRows()), list[tuple[int, int]]()
    whole = store.read_range

    def counted(uri: str, start: int, end: int) -> bytes:
        read.append((start // 16, end // 16))
        return whole(uri, start, end)

    monkeypatch.setattr(store, "read_range", counted)
    monkeypatch.setattr(rows, "_KEPT_BYTES", 2 * 3 * 16)

    def asked(*clusters: int) -> list[tuple[int, int]]:
        read.clear()
        found = list(rows_of_clusters(part, clusters, dimensions=4))
        assert [(one.cluster, one.first_row) for one in found] == [(one, 3 * one) for one in clusters]
        assert all(np.array_equal(one.unit, unit[one.first_row : one.first_row + 3]) for one in found)
        return list(read)

    assert [asked(1), asked(0, 1), asked(0, 1)] == [[(3, 6)], [(0, 3)], []]
    assert [asked(2), asked(1), asked(0)] == [[(6, 9)], [], [(0, 3)]]

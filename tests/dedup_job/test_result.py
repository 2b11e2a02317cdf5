"""The duplicates of one run: kept apart from those of other runs, and of exactly its clips."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clipmill import layout
from clipmill.dedup_job import steps
from clipmill.dedup_job.result import RunDuplicates, export_ids, read_result
from clipmill.errors import StaleDuplicates
from clipmill.specs import DedupSpec
from tests.support.runs.dedup_runs import ADDING, SPEC, add_copies, run, write_copies

pytestmark = pytest.mark.integration

RUN = "20261129T210000.123456Z-1f2e3d4c"


def found(embeddings: Path, output: Path, spec: DedupSpec = SPEC) -> list[str]:
    fitted = steps.fit_clusters(str(embeddings), str(output), spec)
    assigned = [steps.assign_clusters(shard) for shard in steps.embedding_shards(fitted)]
    return [steps.find_duplicates(group) for group in steps.cluster_groups(fitted, assigned, spec)]


def handed_over(embeddings: Path, output: Path, spec: DedupSpec = SPEC, *, ids_uri: str = "") -> str:
    folder = layout.run_folder(str(output), RUN)
    ids_uri = ids_uri or export_ids(str(embeddings), folder)
    return steps.hand_over_duplicates(
        found(embeddings, output, spec), str(output), spec, algorithm="perceptual", ids_uri=ids_uri
    )


def clip_ids(result: RunDuplicates) -> set[str]:
    return set(result.table["clip_id"].to_pylist())


def test_a_run_keeps_its_own_duplicates_when_another_one_replaces_the_tree(
    embeddings: Path, output: Path, tmp_path: Path
) -> None:
    uri = handed_over(embeddings, output)
    before = read_result(uri)
    write_copies(tmp_path / "few", num_films=1)
    run(tmp_path / "few", output)
    after = read_result(uri)
    assert after.table == before.table
    assert len(after.table) == 24
    assert len(after.compared) == 36


def test_the_duplicates_of_another_runs_clips_are_refused(
    embeddings: Path, output: Path, tmp_path: Path
) -> None:
    """The embeddings were replaced between the export and the comparison."""
    ids_uri = export_ids(str(embeddings), layout.run_folder(str(output), RUN))
    write_copies(tmp_path / "few", num_films=1)
    with pytest.raises(StaleDuplicates, match="compared 3 clips, which are not the 36 of this run"):
        handed_over(tmp_path / "few", output, ids_uri=ids_uri)


def test_more_clips_than_the_runs_are_refused_too(embeddings: Path, output: Path, tmp_path: Path) -> None:
    write_copies(tmp_path / "few", num_films=1)
    ids_uri = export_ids(str(tmp_path / "few"), layout.run_folder(str(output), RUN))
    with pytest.raises(StaleDuplicates, match="compared 36 clips, which are not the 3 of this run"):
        handed_over(embeddings, output, ids_uri=ids_uri)


def test_a_run_that_adds_compares_with_the_clips_of_earlier_ones(embeddings: Path, output: Path) -> None:
    handed_over(embeddings, output, ADDING)
    add_copies(embeddings)
    result = read_result(handed_over(embeddings, output, ADDING))
    assert len(result.compared) > 36
    assert clip_ids(result) == set(
        pq.read_table(output / "dedup" / "semantic_duplicates.parquet")["clip_id"].to_pylist()
    )


def test_nothing_new_to_compare_is_handed_over_as_well(embeddings: Path, output: Path) -> None:
    first = read_result(handed_over(embeddings, output, ADDING))
    again = read_result(handed_over(embeddings, output, ADDING))
    assert again.table == first.table


@pytest.mark.parametrize("name", ["duplicates.parquet", "compared_ids.parquet"])
def test_a_file_that_is_no_longer_what_was_written_is_refused(
    embeddings: Path, output: Path, name: str
) -> None:
    uri = handed_over(embeddings, output)
    table = pq.read_table(Path(uri).parent / name)
    pq.write_table(table.slice(1), Path(uri).parent / name)
    with pytest.raises(StaleDuplicates, match=name):
        read_result(uri)


def test_kept_clips_that_were_not_compared_are_refused(embeddings: Path, output: Path) -> None:
    result = read_result(handed_over(embeddings, output))
    result.check_kept(pa.chunked_array([["film00-0", "film01-0"]]))
    result.check_kept(pa.chunked_array([pa.array([], pa.string())]))
    with pytest.raises(StaleDuplicates, match="1 clips, as new-0, were not compared"):
        result.check_kept(pa.chunked_array([["film00-0", "new-0"]]))

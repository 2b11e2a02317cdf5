from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clipmill.dedup_job.tables.embedding_files import Rows, embedding_files, read_files
from clipmill.errors import BadEmbeddings, SourceError
from clipmill.specs import DedupSpec
from tests.support.runs.dedup_runs import SPEC, copies, run, write


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        ("embedding", pa.list_(pa.float32(), 3)),
        ("embedding", pa.list_(pa.float64())),
        ("embeddings", pa.large_list(pa.float32())),
        ("embeddings", pa.list_(pa.float16())),
    ],
    ids=["ours", "reference writer", "reference dedup", "half"],
)
def test_reads_every_form_of_embeddings(tmp_path: Path, column: str, kind: pa.DataType) -> None:
    rows = np.array(
        [[1, 2, 3], [4, 5, 6]], dtype=np.float16 if kind.value_type == pa.float16() else np.float64
    )
    write(tmp_path / "a.parquet", ["b", "a"], rows, column=column, kind=kind)
    ids, found = read_embeddings(tmp_path)
    assert (ids, found.tolist(), found.dtype) == (["a", "b"], [[4, 5, 6], [1, 2, 3]], np.float32)


def read_embeddings(folder: Path) -> tuple[list[str], Rows]:
    return read_files([file.uri for file in embedding_files(str(folder))])


def test_rows_are_sorted_by_id_over_all_files(tmp_path: Path) -> None:
    write(tmp_path / "z.parquet", ["c", "a"], [[1, 0], [2, 0]])
    write(tmp_path / "sub" / "y.parquet", ["b"], [[3, 0]])
    ids, rows = read_embeddings(tmp_path)
    assert (ids, rows[:, 0].tolist()) == (["a", "b", "c"], [2, 3, 1])


def test_an_empty_file_among_others_counts_nothing(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", [], [])
    write(tmp_path / "b.parquet", ["x"], [[1, 2]])
    assert read_embeddings(tmp_path)[0] == ["x"]


def test_files_without_names_give_no_embeddings() -> None:
    ids, rows = read_files([])
    assert (ids, rows.shape) == ([], (0, 0))


def reference_output(root: Path, *, name: str = "ce1_embd_parquet") -> None:
    """A tree as the reference's writer leaves it, with other tables beside the embeddings."""
    ids, rows = copies(num_films=4)
    write(root / name / "video0.parquet", ids[:6], rows[:6])
    write(root / name / "video1.parquet", ids[6:], rows[6:])
    (root / "metas" / "v0").mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"clip": ["x"]}), root / "metas" / "v0" / "clips.parquet")


def test_a_whole_output_of_the_reference_is_deduplicated(tmp_path: Path, output: Path) -> None:
    reference_output(tmp_path / "theirs")
    table = pq.read_table(run(tmp_path / "theirs", output, DedupSpec(eps=0.1, n_clusters=2)))
    assert len(table) == 8


def test_an_output_with_two_embeddings_leaves_a_choice(tmp_path: Path) -> None:
    reference_output(tmp_path / "theirs")
    reference_output(tmp_path / "theirs", name="iv2_embd_parquet")
    with pytest.raises(SourceError, match=r"several embeddings \(ce1_embd_parquet, iv2_embd_parquet\)"):
        read_embeddings(tmp_path / "theirs")


def test_our_own_output_is_read_as_well(embeddings: Path, output: Path) -> None:
    embeddings.rename(embeddings.parent / "perceptual_embd_parquet")
    run(embeddings.parent / "perceptual_embd_parquet", embeddings.parent, SPEC)
    assert len(read_embeddings(embeddings.parent)[0]) == 36


def test_integer_ids_become_text(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", [2, 1], [[1, 0], [0, 1]])
    assert read_embeddings(tmp_path)[0] == ["1", "2"]


@pytest.mark.parametrize(
    ("ids", "rows", "cause"),
    [
        (["a", "b"], [[1, 2], [1, np.nan]], r"bad.parquet: row 1 \(id b\) holds NaN"),
        (["a", "b"], [[0, 0], [1, 1]], r"bad.parquet: row 0 \(id a\) is all zeros"),
        (["a", "b"], [[1, 2], [1e300, 1]], r"bad.parquet: row 1 \(id b\) holds NaN or infinity"),
        (["a", "b"], [[1, 2], [1, 2, 3]], "bad.parquet: row 1 has 3 numbers, row 0 has 2"),
        (["a", "b"], [[1, 2], None], "bad.parquet: row 1 has no embedding"),
        (["a", None], [[1, 2], [1, 2]], "bad.parquet: row 1 has no id"),
        (["a", "a"], [[1, 2], [1, 2]], "bad.parquet: row 1 has the id a of row 0 of .*bad.parquet"),
    ],
    ids=["nan", "zeros", "too large", "mixed", "no embedding", "no id", "repeated"],
)
def test_a_faulty_row_is_named(tmp_path: Path, ids: list[str], rows: list[list[float]], cause: str) -> None:
    write(tmp_path / "bad.parquet", ids, rows)
    with pytest.raises(BadEmbeddings, match=cause):
        read_embeddings(tmp_path)


def test_files_of_different_dimensions_are_named(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", ["a"], [[1, 2]])
    write(tmp_path / "b.parquet", ["b"], [[1, 2, 3]])
    with pytest.raises(BadEmbeddings, match=r"b.parquet: row 0 has 3 numbers, those of .*a.parquet have 2"):
        read_embeddings(tmp_path)


def test_an_id_that_is_in_two_files_is_named(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", ["x", "y"], [[1, 2], [2, 1]])
    write(tmp_path / "b.parquet", ["z", "y"], [[1, 2], [2, 1]])
    with pytest.raises(BadEmbeddings, match=r"b.parquet: row 1 has the id y of row 1 of .*a.parquet"):
        read_embeddings(tmp_path)


@pytest.mark.parametrize(
    ("columns", "cause"),
    [
        ({"embedding": [[1.0]]}, "no column id, only embedding"),
        ({"id": ["a"], "vector": [[1.0]]}, "no column embedding or embeddings, only id, vector"),
        ({"id": ["a"], "embedding": ["text"]}, "column embedding holds string, not lists of numbers"),
    ],
    ids=["no id", "no embedding", "no lists"],
)
def test_a_table_of_other_columns_is_named(
    tmp_path: Path, columns: dict[str, list[object]], cause: str
) -> None:
    pq.write_table(pa.table(columns), tmp_path / "bad.parquet")
    with pytest.raises(BadEmbeddings, match=f"bad.parquet: {cause}"):
        read_embeddings(tmp_path)


def test_a_file_that_is_no_table_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.parquet").write_bytes(b"no table")
    with pytest.raises(BadEmbeddings, match=r"bad.parquet: not a readable table"):
        read_embeddings(tmp_path)

"""Embeddings that cannot be compared: counted in the error, or left out and listed."""

import logging
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clipmill.dedup_job.tables.bad_rows import bad_rows
from clipmill.errors import BadEmbeddings
from clipmill.specs import DedupSpec
from tests.support.runs.dedup_runs import copies, run, tree, write

NAN = float("nan")
SKIP = DedupSpec(on_bad_rows="skip")


def write_lists(path: Path, ids: list[str | None], lists: list[list[float] | None]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = {"id": pa.array(ids, pa.string()), "embedding": pa.array(lists, pa.list_(pa.float32()))}
    pq.write_table(pa.table(columns), path)


@pytest.fixture
def embeddings(tmp_path: Path) -> Path:
    """Sound copies in one file, and two files that hold six rows that are none, among sound ones."""
    ids, rows = copies()
    write(tmp_path / "in" / "a.parquet", ids, rows)
    sound = [float(number) for number in np.arange(24)]
    write_lists(
        tmp_path / "in" / "b.parquet",
        ["nan", "fine", "zeros", None],
        [[NAN, *sound[1:]], sound, [0.0] * 24, sound],
    )
    write_lists(
        tmp_path / "in" / "c.parquet",
        ["short", "none", ids[0], "fine too"],
        [[1.0], None, sound, sound[::-1]],
    )
    return tmp_path / "in"


BAD = [
    ("b.parquet", 0, "nan", "holds NaN or infinity"),
    ("b.parquet", 2, "zeros", "is all zeros"),
    ("b.parquet", 3, None, "has no id"),
    ("c.parquet", 0, "short", "has 1 numbers instead of 24"),
    ("c.parquet", 1, "none", "has no embedding"),
]


def test_every_bad_row_is_named_with_its_cause(embeddings: Path) -> None:
    *found, last = bad_rows([str(path) for path in sorted(embeddings.iterdir())])
    assert [(Path(one.file).name, one.row, one.id, one.cause) for one in found] == BAD
    again = (Path(last.file).name, last.row, last.cause)
    assert again == ("c.parquet", 2, "has an id that was there before")


def test_an_error_counts_all_bad_rows(embeddings: Path, tmp_path: Path) -> None:
    with pytest.raises(BadEmbeddings) as raised:
        run(embeddings, tmp_path / "out")
    said = str(raised.value)
    assert said.startswith(str(embeddings / "b.parquet"))
    assert said.endswith("6 rows in 2 files cannot be compared: dedup.on_bad_rows: skip leaves them out")
    assert not (tmp_path / "out" / "dedup").exists()


def test_skipped_rows_are_listed_and_change_nothing_else(
    embeddings: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = tree(embeddings)
    with caplog.at_level(logging.WARNING):
        run(embeddings, tmp_path / "out", SKIP)
    assert "6 rows of embeddings are left out: dedup/bad_rows.parquet lists them" in caplog.text
    listed = pq.read_table(tmp_path / "out" / "dedup" / "bad_rows.parquet").to_pylist()
    assert [row["row"] for row in listed] == [0, 2, 3, 0, 1, 2]
    assert tree(embeddings) == before

    ids, rows = copies()
    write(tmp_path / "sound" / "a.parquet", ids, rows)
    sound = [float(number) for number in np.arange(24)]
    write_lists(tmp_path / "sound" / "b.parquet", ["fine"], [sound])
    write_lists(tmp_path / "sound" / "c.parquet", ["fine too"], [sound[::-1]])
    run(tmp_path / "sound", tmp_path / "alone", SKIP)
    expected = tree(tmp_path / "alone" / "dedup")
    found = tree(tmp_path / "out" / "dedup")
    differing = {name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name)}
    assert {name for name in differing if "duplicates" in name or "kmeans" in name} == set()


def test_a_second_run_without_bad_rows_takes_the_list_away(embeddings: Path, tmp_path: Path) -> None:
    run(embeddings, tmp_path / "out", SKIP)
    for name in ("b.parquet", "c.parquet"):
        (embeddings / name).unlink()
    run(embeddings, tmp_path / "out", SKIP)
    assert not (tmp_path / "out" / "dedup" / "bad_rows.parquet").exists()

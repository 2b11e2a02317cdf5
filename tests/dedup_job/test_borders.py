from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from clipmill.specs import DedupSpec
from tests.support.runs.dedup_runs import copies, run, write

pytestmark = pytest.mark.integration


def cut_film(folder: Path) -> None:
    """Two clouds of clips on a circle, and a pair of copies on either side of the line between them."""
    degrees = [*range(0, 40, 4), *range(104, 144, 4), 69.6, 70.4]
    angles = np.radians(degrees)
    ids = [f"clip{degree:05.1f}" for degree in degrees]
    write(folder / "a.parquet", ids, np.stack([np.cos(angles), np.sin(angles)], axis=1))


@pytest.mark.parametrize("which", ["best", "hard", "easy", "random"])
def test_copies_in_two_clusters_are_found(tmp_path: Path, output: Path, which: str) -> None:
    cut_film(tmp_path / "in")
    spec = DedupSpec(eps=0.001, n_clusters=2, which_to_keep=which)
    rows = pq.read_table(run(tmp_path / "in", output, spec)).to_pylist()
    assert [{row["clip_id"], row["duplicate_of"]} for row in rows] == [{"clip069.6", "clip070.4"}]
    assert (rows[0]["method"], rows[0]["similarity"]) == ("cross_border", pytest.approx(0.9999025, abs=2e-6))
    tree_rows = pq.ParquetFile(
        output / "dedup" / "kmeans_results" / f"centroid={rows[0]['cluster']}" / "part-0.parquet"
    )
    assert rows[0]["clip_id"] in tree_rows.read()["id"].to_pylist()


def test_without_a_border_width_copies_in_two_clusters_stay(tmp_path: Path, output: Path) -> None:
    cut_film(tmp_path / "in")
    spec = DedupSpec(eps=0.001, n_clusters=2, border_width=0)
    assert len(pq.read_table(run(tmp_path / "in", output, spec))) == 0


def test_a_guest_is_in_the_tree_of_its_own_cluster_only(tmp_path: Path, output: Path) -> None:
    cut_film(tmp_path / "in")
    run(tmp_path / "in", output, DedupSpec(eps=0.001, n_clusters=2, border_width=2))
    tables = [
        pq.ParquetFile(path).read() for path in (output / "dedup" / "kmeans_results").rglob("*.parquet")
    ]
    pairs = [pq.read_table(path) for path in (output / "dedup" / "pairwise_results").rglob("*.parquet")]
    assert sum(map(len, tables)) == sum(map(len, pairs)) == 22


def test_borders_raise_recall_over_many_clusters(tmp_path: Path, output: Path) -> None:
    ids, rows = copies(num_films=60, each=2, noise=0.05)
    write(tmp_path / "in" / "a.parquet", ids, rows)
    found = [
        len(
            pq.read_table(run(tmp_path / "in", output, DedupSpec(eps=0.1, n_clusters=24, border_width=width)))
        )
        for width in (0.0, 0.2)
    ]
    assert found[0] < found[1] <= 60

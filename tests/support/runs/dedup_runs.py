"""Embeddings of drawn films in parquet, and whole runs of deduplication over them, step by step."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from clipmill.dedup.vectors import unit_rows
from clipmill.dedup_job import steps
from clipmill.dedup_job.similarity_histogram import read_similarities
from clipmill.specs import DedupSpec

SPEC = DedupSpec(eps=0.1)
ADDING = DedupSpec(eps=0.1, n_clusters=4, mode="incremental")


def write(
    path: Path,
    ids: Sequence[str | int | None],
    rows: object,
    *,
    column: str = "embedding",
    kind: pa.DataType | None = None,
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    lists = [None if row is None else list(row) for row in rows]
    pq.write_table(pa.table({"id": ids, column: pa.array(lists, kind or pa.list_(pa.float64()))}), path)


def copies(
    *, num_films: int = 12, each: int = 3, noise: float = 0.02, seed: int = 0
) -> tuple[list[str], np.ndarray]:
    """``each`` nearly equal rows for every film; ids tell film and copy."""
    rng = np.random.default_rng(seed)
    films = unit_rows(rng.standard_normal((num_films, 24)))
    rows = films[:, None, :] + rng.standard_normal((num_films, each, 24)) * noise
    ids = [f"film{film:02}-{copy}" for film in range(num_films) for copy in range(each)]
    return ids, rows.reshape(-1, 24)


def write_copies(folder: Path, *, num_files: int = 2, num_films: int = 12) -> None:
    ids, rows = copies(num_films=num_films)
    for part in range(num_files):
        write(folder / f"{part}.parquet", ids[part::num_files], rows[part::num_files])


def run(embeddings: str | Path, output: str | Path, spec: DedupSpec = SPEC, *, columns: str = "") -> str:
    fitted = steps.fit_clusters(str(embeddings), str(output), spec, columns_uri=columns)
    assigned = [steps.assign_clusters(shard) for shard in steps.embedding_shards(fitted)]
    groups = steps.cluster_groups(fitted, assigned, spec, columns_uri=columns)
    found = [steps.find_duplicates(group) for group in groups]
    return steps.select_keepers(found, str(output), spec, algorithm="perceptual", columns_uri=columns)


def tree(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def documented(root: Path) -> dict[str, bytes]:
    """What is in ``dedup/`` but for what later runs compare with: that lies in parts, one for each group."""
    names = ("known.json", "known/")
    return {name: data for name, data in tree(root).items() if not name.startswith(names)}


def mtimes(root: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()}


def unlike(*, num_films: int, seed: int, dim: int = 24) -> tuple[list[str], np.ndarray]:
    rng = np.random.default_rng(seed)
    return [f"new{row:03}" for row in range(num_films)], rng.standard_normal((num_films, dim))


def add_copies(embeddings: Path) -> None:
    """One more copy of each film, two of a new film, in a file of their own."""
    ids, rows = copies(each=4)
    new_ids, new = unlike(num_films=1, seed=9)
    write(
        embeddings / "later.parquet",
        [*(f"{name}x" for name in ids[3::4]), *new_ids, "newcopy"],
        np.concatenate([rows[3::4], new, new * 1.01]),
    )


def removed(uri: str) -> dict[str, str]:
    rows = pq.read_table(uri).to_pylist()
    return {row["clip_id"]: row["duplicate_of"] for row in rows}


def at_least(output: Path, similarity: float) -> int:
    found = read_similarities(str(output))
    assert found is not None
    return sum(found.counts[round(similarity * 1000) :])

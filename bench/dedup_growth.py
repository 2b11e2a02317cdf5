"""How deduplication grows, each run in a fresh process: ``python -m bench.dedup_growth``.

Embeddings are drawn into parquet, 100,000 to a file: clips in clouds around themes, one in twenty a near copy
of another of its file. First 99 in 100 of them are deduplicated, then the rest is added. "CPU-s" are all of
the process but its start; memory is its peak.
"""

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench import machine
from bench.dedup import EPS, NUM_THEMES, ROUNDS, copies_of, recall, run
from bench.process_meter import Peak, isolated
from bench.tables import table
from clipmill.dedup.vectors import unit_rows
from clipmill.dedup_job.assign import as_lists
from clipmill.specs import DedupSpec

ROWS_PER_FILE = 100_000
ADDED_SHARE = 0.01


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description="Measure how deduplication grows.")
    sizes = ["10000x256", "100000x256"]
    parser.add_argument("--sizes", nargs="+", default=sizes, metavar="ROWSxDIM")
    options = parser.parse_args(arguments)
    header = (
        "embeddings", "CPU-s", "s", "peak MB", "copies found",
        "1 % added: CPU-s", "to all", "peak MB", "copies found",
    )  # fmt: skip
    print(*machine.notes(), sep="\n", end="\n\n")
    print(table(header, [growth_row(size) for size in options.sizes]))


def growth_row(size: str) -> list[str]:
    """One size, drawn and deduplicated below a temporary folder."""
    rows, dim = map(int, size.split("x"))
    with TemporaryDirectory() as folder:
        isolated(draw_files, folder, rows, dim)
        (first, first_peak), (more, more_peak) = _both_runs(Path(folder))
        return [
            f"{rows:,} x {dim}",
            f"{first[0]:.2f}", f"{first[1]:.0f}", _megabytes(first_peak), f"{first[2]:.3f}",
            f"{more[0]:.2f}", f"{more[0] / first[0]:.3f}", _megabytes(more_peak), f"{more[2]:.3f}",
        ]  # fmt: skip


def draw_files(folder: str, num_rows: int, dim: int) -> None:
    """Write ``first`` and ``rest`` below ``folder``, and the ids of the copies in both, and in ``first``."""
    rng = np.random.default_rng(0)
    themes = rng.standard_normal((NUM_THEMES, dim), dtype=np.float32)
    pairs: list[tuple[str, str]] = []
    early: list[tuple[str, str]] = []
    for part, start in enumerate(range(0, num_rows, ROWS_PER_FILE)):
        size = min(ROWS_PER_FILE, num_rows - start)
        rows = unit_rows(themes[rng.integers(NUM_THEMES, size=size)] + rng.standard_normal((size, dim)))
        originals, copies = copies_of(rows, rng)
        ids = [f"clip{start + row:010}" for row in range(size)]
        edge = size - round(size * ADDED_SHARE)
        _write(Path(folder) / "first" / f"{part}.parquet", ids[:edge], rows[:edge])
        _write(Path(folder) / "rest" / f"{part}.parquet", ids[edge:], rows[edge:])
        pairs += [(ids[a], ids[b]) for a, b in zip(originals, copies, strict=True)]
        early += [(ids[a], ids[b]) for a, b in zip(originals, copies, strict=True) if max(a, b) < edge]
    for name, those in (("pairs", pairs), ("early", early)):
        (Path(folder) / f"{name}.json").write_text(json.dumps(those))


def deduplicate(folder: str, name: str) -> tuple[float, float, float]:
    """CPU and wall seconds of a run over what lies in ``in``, and the share found of the copies ``name``."""
    start, start_cpu_s = time.monotonic(), time.process_time()
    spec = DedupSpec(eps=EPS, max_iter=ROUNDS, mode="incremental")
    removed = run(Path(folder) / "in", Path(folder) / "out", spec)
    taken = time.process_time() - start_cpu_s, time.monotonic() - start
    return *taken, recall(removed, json.loads((Path(folder) / f"{name}.json").read_text()))


def _both_runs(folder: Path) -> list[tuple[tuple[float, float, float], Peak]]:
    (folder / "in").mkdir()
    runs: list[tuple[tuple[float, float, float], Peak]] = []
    for part, name in (("first", "early"), ("rest", "pairs")):
        (folder / part).rename(folder / "in" / part)
        runs.append(isolated(deduplicate, str(folder), name))
    return runs


def _write(path: Path, ids: Sequence[str], rows: np.ndarray) -> None:
    path.parent.mkdir(exist_ok=True)
    lists = as_lists(np.ascontiguousarray(rows))
    pq.write_table(pa.table({"id": ids, "embedding": lists}), path, use_dictionary=["id"])  # pyright: ignore[reportArgumentType] the stub knows no lists


def _megabytes(peak: Peak) -> str:
    return f"{peak.rss_bytes / 1e6:.0f}"


if __name__ == "__main__":
    main()

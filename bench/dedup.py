"""What deduplication costs beside its floor, and what it finds: ``python -m bench.dedup``.

Embeddings are drawn (``--seed``): clips in clouds around themes, one in twenty a near copy of another
(cosine similarity about 0.95). Costs are CPU seconds, so that a busy machine counts little; every ratio is of
one run.

- k-means: ours beside the spherical k-means of faiss and beside the bare matrix products of as many rounds;
- pairs: ours beside the products of the same tiles, and beside whole rows at once with a triangular mask;
- borders: share of the planted copies found without and with the second-nearest cluster;
- additions: one clip in a hundred added to the others, beside a full run over all.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import faiss
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from bench import machine
from bench.process_meter import isolated, timed
from bench.tables import table
from clipmill.dedup import kmeans
from clipmill.dedup.kmeans_init import Start
from clipmill.dedup.nearest import BLOCK_ROWS
from clipmill.dedup.pairwise import nearest_earlier
from clipmill.dedup.vectors import Unit, unit_rows
from clipmill.dedup_job import steps
from clipmill.specs import DedupSpec

ROUNDS = 10
NUM_THEMES = 200
COPY_SHARE = 0.05
ADDED_SHARE = 0.01
EPS = 0.1
ONE_PRODUCT_ROWS = 1024
CLUSTER_ROWS = (4096, 1024, 100)
PARTS = ("kmeans", "pairs", "runs")


@dataclass(frozen=True)
class Drawn:
    """Embeddings float32 ``(N, D)``; row ``copies[i]`` is a near copy of row ``originals[i]``."""

    rows: Unit
    originals: npt.NDArray[np.intp]
    copies: npt.NDArray[np.intp]

    @property
    def ids(self) -> list[str]:
        """Names of the rows, in their order."""
        return [f"clip{row:08}" for row in range(len(self.rows))]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description="Measure deduplication.")
    parser.add_argument("--sizes", nargs="+", default=["20000x256", "100000x128"], metavar="ROWSxDIM")
    parser.add_argument("--clusters", type=int, help="clusters of k-means instead of the square root")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="what to measure")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    sizes = [tuple(map(int, size.split("x"))) for size in options.sizes]
    drawn = [draw(rows, dim, seed=options.seed) for rows, dim in sizes]
    print(*machine.notes(), sep="\n", end="\n\n")
    tables = {
        "kmeans": lambda: kmeans_table(drawn, clusters=options.clusters, seed=options.seed),
        "pairs": lambda: pairs_table(drawn[0]),
        "runs": lambda: runs_table(drawn),
    }
    for part in options.only:
        print(tables[part](), end="\n\n", flush=True)


def kmeans_table(drawn: Sequence[Drawn], *, clusters: int | None, seed: int) -> str:
    """K-means of each size, into so many ``clusters`` or as many as a run would make."""
    header = (
        "embeddings", "clusters", "CPU-s", "to faiss", "to products", "mean distance, to faiss",
        "peak MB beside the rows", "faiss's",
    )  # fmt: skip
    wanted = [clusters or kmeans.auto_num_clusters(len(one.rows)) for one in drawn]
    rows = [kmeans_row(one, clusters=num, seed=seed) for one, num in zip(drawn, wanted, strict=True)]
    return table(header, rows)


def pairs_table(drawn: Drawn) -> str:
    """Pairs of clusters of some sizes."""
    header = ("rows of a cluster", "CPU-s per 10^9 products", "to products", "to whole rows")
    return table(header, [pairs_row(drawn, rows) for rows in CLUSTER_ROWS])


def runs_table(drawn: Sequence[Drawn]) -> str:
    """Whole runs of each size."""
    header = (
        "embeddings", "copies", "found within", "with borders", "CPU, to within",
        "1 % added: CPU, to full", "recall, to full",
    )  # fmt: skip
    return table(header, [whole_row(one) for one in drawn])


def draw(num_rows: int, dim: int, *, seed: int) -> Drawn:
    """Clips around themes, then copies of some of them in random places among all."""
    rng = np.random.default_rng(seed)
    themes = rng.standard_normal((NUM_THEMES, dim), dtype=np.float32)
    rows = themes[rng.integers(NUM_THEMES, size=num_rows)]
    rows = unit_rows(rows + rng.standard_normal(rows.shape, dtype=np.float32))
    return Drawn(rows, *copies_of(rows, rng))


def copies_of(rows: Unit, rng: np.random.Generator) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Turn some of ``rows`` into near copies of others, in place: which are copied, and the copies."""
    num_copies = round(len(rows) * COPY_SHARE)
    places = rng.permutation(len(rows))
    originals, copies = places[:num_copies], places[num_copies : 2 * num_copies]
    noise = rng.standard_normal((num_copies, rows.shape[1]), dtype=np.float32)
    rows[copies] = unit_rows(rows[originals] + noise * np.float32(0.32 / np.sqrt(rows.shape[1])))
    return originals, copies


def kmeans_row(drawn: Drawn, *, clusters: int, seed: int) -> list[str]:
    """One size: our k-means beside faiss's and beside the products alone."""
    rows = drawn.rows
    fitted: list[Unit] = []
    ours = _cpu_s(lambda: fitted.append(_fit(rows, clusters, seed)))
    theirs = _cpu_s(lambda: fitted.append(_fit_of_faiss(rows, clusters, seed)))
    products = _cpu_s(lambda: _products(rows, fitted[0], times=ROUNDS))
    distance = [float(kmeans.assign(rows, one)[1].mean()) for one in fitted]
    memory = [isolated(_peak_mb, fit, rows.shape, clusters, seed)[0] for fit in (_fit, _fit_of_faiss)]
    return [
        _shape(rows), str(clusters), f"{ours:.2f}", f"{ours / theirs:.2f}", f"{ours / products:.2f}",
        f"{distance[0] / distance[1]:.4f}", *(f"{one:.0f}" for one in memory),
    ]  # fmt: skip


def _fit(rows: Unit, clusters: int, seed: int) -> Unit:
    start = Start(oversampling_factor=2.0, max_samples_per_batch=32_768)
    return kmeans.fit_directions(
        rows, num_clusters=clusters, max_iter=ROUNDS, tol=0.0, seed=seed, start=start
    )


def _fit_of_faiss(rows: Unit, clusters: int, seed: int) -> Unit:
    other = faiss.Kmeans(
        rows.shape[1],
        clusters,
        niter=ROUNDS,
        spherical=True,
        seed=seed + 1,
        max_points_per_centroid=len(rows),
    )
    other.train(rows)
    assert other.centroids is not None
    return other.centroids


def _peak_mb(
    fit: Callable[[Unit, int, int], Unit], shape: tuple[int, int], clusters: int, seed: int
) -> float:
    """Peak of this process while it fits, beside what it had before."""
    rows = draw(*shape, seed=seed).rows
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    before = _status_kb("VmRSS")
    fit(rows, clusters, seed)
    return (_status_kb("VmHWM") - before) / 1000


def _status_kb(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:"))


def pairs_row(drawn: Drawn, num_rows: int) -> list[str]:
    """Clusters of one size: ours beside the products of the tiles and beside whole rows with a mask."""
    times = max(1, round(4 * (4096 / num_rows) ** 1.5))
    unit = np.ascontiguousarray(drawn.rows[:num_rows])
    ours = _cpu_s(lambda: [nearest_earlier(unit) for _ in range(times)])
    products = _cpu_s(lambda: [_tiles(unit) for _ in range(times)])
    masked = _cpu_s(lambda: [_masked(unit) for _ in range(times)])
    work = times * num_rows**2 * unit.shape[1] / 2e9
    return [str(num_rows), f"{ours / work:.3f}", f"{ours / products:.2f}", f"{ours / masked:.2f}"]


def whole_row(drawn: Drawn) -> list[str]:
    """One size through parquet: what borders find and cost, and what an addition finds and costs."""
    with TemporaryDirectory() as folder:
        root = Path(folder)
        num_added = round(len(drawn.rows) * ADDED_SHARE)
        first, rest = np.split(np.arange(len(drawn.rows)), [len(drawn.rows) - num_added])
        write(root / "in" / "first.parquet", drawn, first)
        spec = DedupSpec(eps=EPS, max_iter=ROUNDS, mode="incremental")
        run(root / "in", root / "added", spec)
        write(root / "in" / "rest.parquet", drawn, rest)
        found: dict[str, set[str]] = {}
        costs = {
            name: _cpu_s(
                lambda name=name, spec=spec: found.update({name: run(root / "in", root / name, spec)})
            )
            for name, spec in {
                "added": spec,
                "full": DedupSpec(eps=EPS, max_iter=ROUNDS),
                "within": DedupSpec(eps=EPS, max_iter=ROUNDS, border_width=0.0),
            }.items()
        }
        ids = drawn.ids
        added_ids = {ids[row] for row in rest}
        pairs = [(ids[a], ids[b]) for a, b in zip(drawn.originals, drawn.copies, strict=True)]
        of_new = [pair for pair in pairs if added_ids & set(pair)]
        return [
            _shape(drawn.rows), str(len(pairs)), f"{recall(found['within'], pairs):.3f}",
            f"{recall(found['full'], pairs):.3f}", f"{costs['full'] / costs['within']:.2f}",
            f"{costs['added'] / costs['full']:.3f}",
            f"{recall(found['added'], of_new) / recall(found['full'], of_new):.3f} of {len(of_new)}",
        ]  # fmt: skip


def run(embeddings: Path, output: Path, spec: DedupSpec) -> set[str]:
    """Deduplicate step by step in this process; the ids that go."""
    fitted = steps.fit_clusters(str(embeddings), str(output), spec)
    assigned = [steps.assign_clusters(shard) for shard in steps.embedding_shards(fitted)]
    found = [steps.find_duplicates(group) for group in steps.cluster_groups(fitted, assigned, spec)]
    uri = steps.select_keepers(found, str(output), spec, algorithm="drawn")
    return set(pq.read_table(uri, columns=["clip_id"])["clip_id"].to_pylist())


def recall(removed: set[str], pairs: Sequence[tuple[str, str]]) -> float:
    """Share of the copies of which one is removed."""
    return sum(bool(removed & set(pair)) for pair in pairs) / len(pairs)


def write(path: Path, drawn: Drawn, chosen: npt.NDArray[np.intp]) -> None:
    path.parent.mkdir(exist_ok=True)
    rows = np.ascontiguousarray(drawn.rows[chosen])
    lists = pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), rows.shape[1])
    ids = drawn.ids
    pq.write_table(pa.table({"id": [ids[row] for row in chosen], "embedding": lists}), path)


def _products(rows: Unit, centroids: Unit, *, times: int) -> None:
    for _ in range(times):
        for start in range(0, len(rows), BLOCK_ROWS):
            np.matmul(rows[start : start + BLOCK_ROWS], centroids.T)


def _tiles(unit: Unit) -> None:
    for start in range(0, len(unit), ONE_PRODUCT_ROWS):
        for earlier in range(0, start + 1, ONE_PRODUCT_ROWS):
            np.matmul(unit[start : start + ONE_PRODUCT_ROWS], unit[earlier : earlier + ONE_PRODUCT_ROWS].T)


def _masked(unit: Unit) -> None:
    for start in range(0, len(unit), ONE_PRODUCT_ROWS):
        products = np.triu(unit @ unit[start : start + ONE_PRODUCT_ROWS].T, 1 - start)
        products.max(axis=0)
        products.argmax(axis=0)


def _cpu_s(work: Callable[[], object]) -> float:
    with timed() as taken:
        work()
    return max(taken[0], 0.01)


def _shape(rows: Unit) -> str:
    return f"{len(rows):,} x {rows.shape[1]}"


if __name__ == "__main__":
    main()

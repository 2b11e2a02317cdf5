"""How tight our clusters are beside scikit-learn's, which is in no environment of the project.

::

    pip install --no-deps --target ../scikit-learn scikit-learn joblib threadpoolctl narwhals
    PYTHONPATH=../scikit-learn .venv/bin/python -m bench.dedup_sklearn --sizes 20000x128

Both start by themselves, take ``--rounds`` rounds from ``--seeds`` seeds, and are compared by the mean cosine
distance of the rows to their centroid's direction.
"""

# pyright: reportMissingImports=false

import argparse
from collections.abc import Sequence

from sklearn.cluster import KMeans

from bench import machine
from bench.dedup import draw
from bench.process_meter import timed
from bench.tables import table
from clipmill.dedup import kmeans
from clipmill.dedup.kmeans_init import Start
from clipmill.dedup.vectors import Floats, Unit


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description="Compare k-means with scikit-learn's.")
    parser.add_argument("--sizes", nargs="+", default=["20000x128"], metavar="ROWSxDIM")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--clusters", type=int, help="instead of the square root of the rows")
    options = parser.parse_args(arguments)
    print(*machine.notes(), sep="\n", end="\n\n")
    header = (
        "embeddings",
        "clusters",
        "seed",
        "mean distance",
        "scikit-learn's",
        "ours to theirs",
        "CPU, to theirs",
    )
    sizes = [tuple(map(int, size.split("x"))) for size in options.sizes]
    rows = [draw(*size, seed=0).rows for size in sizes]
    print(table(header, [
        compared(one, clusters=options.clusters, seed=seed, rounds=options.rounds)
        for one in rows for seed in range(options.seeds)
    ]))  # fmt: skip


def compared(rows: Unit, *, clusters: int | None, seed: int, rounds: int) -> list[str]:
    """One start of both."""
    clusters = clusters or kmeans.auto_num_clusters(len(rows))
    start = Start(oversampling_factor=2.0, max_samples_per_batch=32_768)
    with timed() as ours_taken:
        ours = kmeans.fit(rows, num_clusters=clusters, max_iter=rounds, tol=0.0, seed=seed, start=start)
    with timed() as theirs_taken:
        model = KMeans(clusters, max_iter=rounds, tol=0.0, n_init=1, random_state=seed).fit(rows)
    distance, other = (_distance(rows, centroids) for centroids in (ours, model.cluster_centers_))
    return [
        f"{len(rows):,} x {rows.shape[1]}", str(clusters), str(seed), f"{distance:.4f}", f"{other:.4f}",
        f"{distance / other:.4f}", f"{ours_taken[0] / max(theirs_taken[0], 0.01):.2f}",
    ]  # fmt: skip


def _distance(rows: Unit, centroids: Floats) -> float:
    return float(kmeans.assign(rows, centroids)[1].mean())


if __name__ == "__main__":
    main()

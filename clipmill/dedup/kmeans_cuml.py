"""k-means by cuML on a GPU, under the documented parameters. Only the extra ``cuml`` installs it."""

# pyright: reportMissingImports=false

import numpy as np
from cuml.cluster import KMeans

from clipmill.dedup.kmeans_init import Start
from clipmill.dedup.vectors import Unit

_INIT = {"k-means||": "scalable-k-means++", "random": "random"}


def fit(unit: Unit, *, num_clusters: int, max_iter: int, tol: float, seed: int, start: Start) -> Unit:
    """Centroids, float32 ``(K, D)``, of rows of unit length, of which there are at least ``num_clusters``."""
    model = KMeans(
        n_clusters=num_clusters, max_iter=max_iter, tol=tol, random_state=seed, init=_INIT[start.init],
        n_init=start.n_init, oversampling_factor=start.oversampling_factor,
        max_samples_per_batch=start.max_samples_per_batch, output_type="numpy",
    )  # fmt: skip
    return np.asarray(model.fit(unit).cluster_centers_, dtype=np.float32)

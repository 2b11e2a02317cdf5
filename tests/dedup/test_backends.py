import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from clipmill.dedup import kmeans
from clipmill.dedup.backends import faiss_backend, numpy_backend, select
from clipmill.dedup.kmeans_init import Start
from clipmill.dedup.vectors import Unit, unit_rows
from clipmill.errors import SpecError


def rows(num_rows: int, dim: int = 16, *, seed: int = 0) -> Unit:
    return unit_rows(np.random.default_rng(seed).standard_normal((num_rows, dim)))


@pytest.mark.parametrize("count", [1, 2, 3])
def test_numpy_finds_what_faiss_finds(count: int) -> None:
    ours, theirs = (
        one.nearest_few(rows(300), rows(20, seed=1), count=count, block_rows=64)
        for one in (numpy_backend, faiss_backend)
    )
    assert ours[0].tolist() == theirs[0].tolist()
    assert ours[1] == pytest.approx(theirs[1], abs=1e-6)


def test_k_means_by_numpy_is_as_tight_as_by_faiss() -> None:
    tightness = [
        kmeans.assign(
            rows(600),
            kmeans.fit(rows(600), num_clusters=12, max_iter=20, tol=0, seed=1, start=Start(backend=name)),
        )[1].mean()
        for name in ("numpy", "faiss")
    ]
    assert tightness[0] == pytest.approx(tightness[1], rel=0.02)


@pytest.mark.parametrize(("name", "extra"), [("torch", "models"), ("cuml", "cuml")])
def test_a_backend_that_is_not_installed_is_named(
    name: select.DedupBackend, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(select.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(
        SpecError, match=f"dedup.backend: {name} needs {name}, which the extra {extra} installs"
    ):
        select.resolve(name)


def test_without_a_gpu_auto_is_faiss(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(select, "_GPU", tmp_path / "none")
    assert select.resolve("auto") == "faiss"


class FakeKMeans:
    """cuML's as far as it is used: says what it was given."""

    given: dict[str, object]

    def __init__(self, **fields: object) -> None:
        FakeKMeans.given = fields
        self.cluster_centers_ = np.zeros((0, 0))

    def fit(self, unit: Unit) -> "FakeKMeans":
        self.cluster_centers_ = unit[: int(str(self.given["n_clusters"]))].astype(np.float64)
        return self


def test_cuml_is_given_the_documented_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("cuml", "cuml.cluster"):
        module = ModuleType(name)
        module.__spec__ = ModuleSpec(name, None)
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(sys.modules["cuml.cluster"], "KMeans", FakeKMeans, raising=False)
    monkeypatch.delitem(sys.modules, "clipmill.dedup.kmeans_cuml", raising=False)
    start = Start(oversampling_factor=2.0, max_samples_per_batch=100, backend="cuml")
    centroids = kmeans.fit(rows(9), num_clusters=4, max_iter=7, tol=1e-3, seed=5, start=start)
    assert (centroids.shape, centroids.dtype) == ((4, 16), np.float32)
    assert FakeKMeans.given == {
        "n_clusters": 4, "max_iter": 7, "tol": 1e-3, "random_state": 5, "init": "scalable-k-means++",
        "n_init": 1, "oversampling_factor": 2.0, "max_samples_per_batch": 100, "output_type": "numpy",
    }  # fmt: skip
    sys.modules.pop("clipmill.dedup.kmeans_cuml", None)

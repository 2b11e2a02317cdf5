import numpy as np
import pytest

from clipmill.dedup import kmeans
from clipmill.dedup.backends import faiss_backend
from clipmill.dedup.kmeans_init import Start, draw_seeds
from clipmill.dedup.vectors import Floats, Unit, unit_rows


def blobs(*, num_blobs: int, rows_each: int, dim: int = 16, spread: float = 0.05, seed: int = 0) -> Unit:
    rng = np.random.default_rng(seed)
    centres = unit_rows(rng.standard_normal((num_blobs, dim)))
    noise = rng.standard_normal((num_blobs, rows_each, dim)) * spread
    return unit_rows((centres[:, None, :] + noise).reshape(-1, dim))


def fit(rows: Floats, num_clusters: int, *, max_iter: int = 50, seed: int = 42) -> Unit:
    return kmeans.fit(rows, num_clusters=num_clusters, max_iter=max_iter, tol=1e-6, seed=seed)


def mean_cosine_distance(rows: Floats, centroids: Floats) -> float:
    return float(kmeans.assign(rows, centroids)[1].mean())


@pytest.mark.parametrize(
    ("num_rows", "expected"),
    [(0, 1), (1, 1), (256, 1), (257, 16), (20_000, 141), (10**10, 50_000)],
)
def test_auto_num_clusters_is_the_clamped_root_of_many_rows(num_rows: int, expected: int) -> None:
    assert kmeans.auto_num_clusters(num_rows) == expected


def test_every_blob_becomes_one_cluster() -> None:
    rows = blobs(num_blobs=8, rows_each=40)
    labels, _, _ = kmeans.assign(rows, fit(rows, 8))
    of_blob = labels.reshape(8, 40)
    assert (of_blob == of_blob[:, :1]).all()
    assert len(set(of_blob[:, 0])) == 8


def test_the_same_rows_and_seed_give_the_same_bits() -> None:
    rows = np.random.default_rng(1).standard_normal((500, 12))
    assert fit(rows, 20).tobytes() == fit(rows.copy(), 20).tobytes()


def test_another_seed_starts_elsewhere() -> None:
    rows = np.random.default_rng(1).standard_normal((500, 12))
    assert fit(rows, 20, seed=1).tobytes() != fit(rows, 20, seed=2).tobytes()


def test_one_core_and_two_give_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.random.default_rng(2).standard_normal((40_000, 8), dtype=np.float32)
    fitted: list[bytes] = []
    for cpus in (1, 2):
        monkeypatch.setattr(faiss_backend, "num_cores", lambda cpus=cpus: cpus)
        fitted.append(fit(rows, 30, max_iter=3).tobytes())
    assert fitted[0] == fitted[1]


def test_length_of_rows_does_not_count() -> None:
    rows = blobs(num_blobs=3, rows_each=10)
    lengths = np.linspace(0.01, 1000, len(rows))[:, None]
    assert np.allclose(fit(rows, 3), fit(rows * lengths, 3), atol=1e-5)


def test_labels_are_the_nearest_centroid_by_cosine() -> None:
    rng = np.random.default_rng(3)
    rows, centroids = rng.standard_normal((300, 7)), rng.standard_normal((11, 7)) * 5
    labels, distance, _ = kmeans.assign(rows, centroids)
    cosine = unit_rows(rows) @ unit_rows(centroids).T
    assert (labels == cosine.argmax(axis=1)).all()
    assert np.allclose(distance, 1 - cosine.max(axis=1), atol=1e-6)


def test_l2_distance_is_to_the_centroid_as_given() -> None:
    rng = np.random.default_rng(4)
    rows, centroids = rng.standard_normal((50, 5)), rng.standard_normal((4, 5)) * 0.3
    labels, _, l2_distance = kmeans.assign(rows, centroids)
    assert np.allclose(l2_distance, np.linalg.norm(unit_rows(rows) - centroids[labels], axis=1), atol=1e-5)


def test_a_centroid_is_the_mean_of_its_rows_directions() -> None:
    rows = blobs(num_blobs=4, rows_each=25)
    centroids = fit(rows * 7, 4)
    labels, _, _ = kmeans.assign(rows, centroids)
    means = np.stack([rows[labels == label].mean(axis=0) for label in range(4)])
    assert np.allclose(centroids, means, atol=1e-6)


def test_rounds_improve_on_the_seeds() -> None:
    rows = np.random.default_rng(5).standard_normal((2000, 10))
    assert mean_cosine_distance(rows, fit(rows, 40)) < 0.97 * mean_cosine_distance(
        rows, fit(rows, 40, max_iter=1)
    )


def test_seeds_find_every_distant_blob_even_in_rounds_of_several() -> None:
    rows = blobs(num_blobs=100, rows_each=5, dim=64, spread=0.001)
    seeds = draw_seeds(rows, num_clusters=200, seed=0)
    assert set(seeds // 5) == set(range(100))


def test_more_starts_are_never_looser() -> None:
    rows = np.random.default_rng(8).standard_normal((400, 6))
    one, many = (
        kmeans.fit(rows, num_clusters=25, max_iter=20, tol=1e-6, seed=42, start=Start(n_init=starts))
        for starts in (1, 6)
    )
    assert mean_cosine_distance(rows, many) <= mean_cosine_distance(rows, one) + 1e-6


def test_candidates_find_every_distant_blob() -> None:
    rows = blobs(num_blobs=100, rows_each=30, dim=64, spread=0.001)
    seeds = draw_seeds(rows, num_clusters=100, seed=0, start=Start(oversampling_factor=2.0))
    any_seeds = draw_seeds(rows, num_clusters=100, seed=0, start=Start(init="random"))
    assert len(set(seeds // 30)) > 95 > len(set(any_seeds // 30))
    assert len(seeds) == len(set(any_seeds)) == 100


@pytest.mark.parametrize(
    "fields", [{"n_init": 0}, {"oversampling_factor": 0.0}, {"max_samples_per_batch": 0}]
)
def test_an_impossible_start_does_not_construct(fields: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="at least one start"):
        Start(**fields)


def test_seeds_are_distinct_rows() -> None:
    rows = np.repeat(np.eye(4, dtype=np.float32), 10, axis=0)
    assert len(set(draw_seeds(rows, num_clusters=30, seed=0) // 10)) == 4


def test_fewer_rows_than_clusters_gives_a_cluster_for_each_row() -> None:
    rows = np.random.default_rng(6).standard_normal((5, 8))
    centroids = fit(rows, 50)
    assert sorted(kmeans.assign(rows, centroids)[0]) == [0, 1, 2, 3, 4]


def test_repeated_rows_give_no_empty_cluster() -> None:
    rows = np.repeat(np.eye(3), 20, axis=0)
    assert len(fit(rows, 10)) == 3


def test_opposite_rows_keep_a_direction() -> None:
    rows = np.array([[1.0, 0.0], [-1.0, 0.0]])
    centroids = fit(rows, 1)
    assert np.allclose(np.linalg.norm(centroids, axis=1), 1.0)


def test_one_row_is_its_own_centroid() -> None:
    assert np.allclose(fit(np.array([[3.0, 4.0]]), 7), [[0.6, 0.8]])


def test_no_rows_give_no_centroids() -> None:
    centroids = fit(np.zeros((0, 9)), 3)
    assert centroids.shape == (0, 9)
    assert [part.shape for part in kmeans.assign(np.zeros((0, 9)), centroids)] == [(0,), (0,), (0,)]


def test_rows_without_centroids_are_refused() -> None:
    with pytest.raises(ValueError, match="cannot join"):
        kmeans.assign(np.ones((2, 3)), np.zeros((0, 3)))


@pytest.mark.parametrize(
    ("value", "message"),
    [(0.0, "row 2 of the embeddings is all zeros"), (np.nan, "row 2 of the embeddings holds NaN")],
    ids=["zeros", "nan"],
)
def test_a_row_without_direction_is_named(value: float, message: str) -> None:
    rows = np.ones((4, 3))
    rows[2] = value
    with pytest.raises(ValueError, match=message):
        fit(rows, 2)


def test_vectors_that_are_no_rows_are_refused() -> None:
    with pytest.raises(ValueError, match=r"must be \(N, D\)"):
        fit(np.ones(5), 1)


@pytest.mark.parametrize("scale", [1e-30, 1e30], ids=["tiny", "huge"])
def test_rows_at_the_ends_of_float32_keep_their_direction(scale: float) -> None:
    rows = np.array([[3.0, 4.0]], dtype=np.float32) * np.float32(scale)
    assert np.allclose(unit_rows(rows), [[0.6, 0.8]])


def beyond(embeddings: np.ndarray, centroids: np.ndarray, *, width: float) -> np.ndarray:
    found = kmeans.assign_directions(unit_rows(embeddings), centroids, border_width=width)
    return found.beyond[:, 0]


@pytest.mark.parametrize("eps", [0.01, 0.1])
def test_of_two_alike_rows_in_two_clusters_one_is_near_the_border(eps: float) -> None:
    rng = np.random.default_rng(11)
    rows = unit_rows(rng.standard_normal((3000, 3)))
    centroids = rng.standard_normal((2, 3))
    labels, _, _ = kmeans.assign(rows, centroids)
    near = beyond(rows, centroids, width=np.sqrt(eps / 2)) >= 0
    one, other = np.nonzero(np.triu(rows @ rows.T >= 1 - eps, 1) & (labels[:, None] != labels))
    assert len(one) > 20
    assert (near[one] | near[other]).all()
    assert not near.all()


def test_the_cluster_beyond_the_border_is_the_second_nearest() -> None:
    rng = np.random.default_rng(12)
    rows, centroids = rng.standard_normal((100, 4)), rng.standard_normal((9, 4))
    second = np.argsort(-unit_rows(rows) @ unit_rows(centroids).T, axis=1)[:, 1]
    assert beyond(rows, centroids, width=2.0).tolist() == second.tolist()


@pytest.mark.parametrize(("num_clusters", "width"), [(1, 2.0), (4, 0.0)], ids=["one cluster", "no width"])
def test_without_a_border_nothing_is_near_it(num_clusters: int, width: float) -> None:
    rows = np.random.default_rng(13).standard_normal((10, 4))
    assert (beyond(rows, rows[:num_clusters], width=width) == -1).all()

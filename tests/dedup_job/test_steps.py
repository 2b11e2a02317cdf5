from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clipmill.base_columns import DUPLICATES
from clipmill.dataset.exports.embeddings import export_no_embeddings
from clipmill.dedup.backends import faiss_backend
from clipmill.dedup.vectors import unit_rows
from clipmill.dedup_job import fit, steps
from clipmill.errors import SourceError, SpecError
from clipmill.specs import DedupSpec
from tests.support.runs.dedup_runs import SPEC, copies, documented, run, tree, write

pytestmark = pytest.mark.integration


def test_every_copy_but_one_is_a_duplicate_of_its_film(embeddings: Path, output: Path) -> None:
    table = pq.read_table(run(embeddings, output, SPEC.model_copy(update={"n_clusters": 4})))
    assert table.schema == DUPLICATES
    films = [(row["clip_id"][:6], row["duplicate_of"][:6]) for row in table.to_pylist()]
    assert sorted(films) == sorted((f"film{film:02}",) * 2 for film in range(12) for _ in range(2))


def test_rows_of_the_table_say_how_the_copy_was_found(embeddings: Path, output: Path) -> None:
    rows = pq.read_table(run(embeddings, output, SPEC.model_copy(update={"n_clusters": 4}))).to_pylist()
    ids, vectors = copies()
    unit = dict(zip(ids, unit_rows(vectors), strict=True))
    for row in rows:
        assert row["similarity"] == pytest.approx(
            float(unit[row["clip_id"]] @ unit[row["duplicate_of"]]), abs=2e-6
        )
        assert (row["method"], row["scope"]) == ("semantic", "clip")
    assert len({row["group_id"] for row in rows}) == len({row["duplicate_of"] for row in rows}) == 12
    assert [row["clip_id"] for row in rows] == sorted(row["clip_id"] for row in rows)


def test_the_documented_tree(embeddings: Path, output: Path) -> None:
    run(embeddings, output, SPEC.model_copy(update={"n_clusters": 3}))
    assert sorted(documented(output / "dedup")) == [
        "centroids.npy",
        "duplicates/part-0.parquet",
        *(f"kmeans_results/centroid={k}/part-0.parquet" for k in range(3)),
        *(f"pairwise_results/cluster_{k}.parquet" for k in range(3)),
        "semantic_duplicates.parquet",
        "similarities.json",
    ]


def test_columns_of_the_documented_tree(embeddings: Path, output: Path) -> None:
    run(embeddings, output, SPEC.model_copy(update={"n_clusters": 1, "which_to_keep": "hard"}))
    root = output / "dedup"
    rows = pq.ParquetFile(root / "kmeans_results" / "centroid=0" / "part-0.parquet").read()
    pairs = pq.read_table(root / "pairwise_results" / "cluster_0.parquet")
    names = pq.read_table(root / "duplicates" / "part-0.parquet")
    assert rows.column_names == ["id", "embedding", "l2_dist_to_cent", "cosine_dist_to_cent"]
    assert rows.schema.field("embedding").type == pa.list_(pa.float32(), 24)
    assert pairs.column_names == ["id", "max_id", "cosine_sim_score"]
    assert (names.column_names, names["id"].to_pylist()) == (["id"], sorted(names["id"].to_pylist()))
    assert set(names["id"].to_pylist()) == {
        row["id"] for row in pairs.to_pylist() if row["cosine_sim_score"] >= np.float32(0.9)
    }


def test_pairs_lie_in_rank_order(embeddings: Path, output: Path) -> None:
    run(embeddings, output, SPEC.model_copy(update={"n_clusters": 1, "which_to_keep": "hard"}))
    root = output / "dedup"
    rows = pq.ParquetFile(root / "kmeans_results" / "centroid=0" / "part-0.parquet").read().to_pylist()
    distance = {row["id"]: row["cosine_dist_to_cent"] for row in rows}
    ids = pq.read_table(root / "pairwise_results" / "cluster_0.parquet")["id"].to_pylist()
    assert ids == sorted(ids, key=lambda name: -distance[name])


KEPT_BECAUSE = {"easy": "nearer to the centre of its cluster", "random": "first by chance"}


@pytest.mark.parametrize("which", ["easy", "random"])
def test_another_ranking_keeps_other_clips(embeddings: Path, output: Path, which: str) -> None:
    hard = pq.read_table(run(embeddings, output, DedupSpec(eps=0.1, which_to_keep="hard")))[
        "duplicate_of"
    ].to_pylist()
    other = pq.read_table(run(embeddings, output, DedupSpec(eps=0.1, which_to_keep=which)))
    assert set(other["duplicate_of"].to_pylist()) != set(hard)
    assert set(other["kept_because"].to_pylist()) == {KEPT_BECAUSE[which]}


def test_columns_decide_which_copy_stays(embeddings: Path, output: Path, tmp_path: Path) -> None:
    ids, _ = copies()
    clips = tmp_path / "clips.parquet"
    pq.write_table(pa.table({"clip_id": ids, "width": [int(name[-1]) for name in ids]}), clips)
    spec = DedupSpec(eps=0.1, n_clusters=1, which_to_keep="columns", rank_columns=["width"])
    kept = pq.read_table(run(embeddings, output, spec, columns=str(clips)))["duplicate_of"].to_pylist()
    assert {name[-1] for name in kept} == {"2"}
    spec = spec.model_copy(update={"ascending": [True]})
    kept = pq.read_table(run(embeddings, output, spec, columns=str(clips)))["duplicate_of"].to_pylist()
    assert {name[-1] for name in kept} == {"0"}


@pytest.mark.parametrize(
    ("column", "cause"),
    [("height", "has no column height"), ("codec", "column codec of .* holds string")],
)
def test_a_column_that_cannot_rank_is_named(
    embeddings: Path, output: Path, tmp_path: Path, column: str, cause: str
) -> None:
    pq.write_table(pa.table({"clip_id": ["x"], "codec": ["h264"]}), tmp_path / "clips.parquet")
    spec = DedupSpec(which_to_keep="columns", rank_columns=[column])
    with pytest.raises(SpecError, match=cause):
        run(embeddings, output, spec, columns=str(tmp_path / "clips.parquet"))


@pytest.mark.parametrize(
    "fields",
    [
        {"which_to_keep": "columns"},
        {"rank_columns": ("width",)},
        {"which_to_keep": "columns", "rank_columns": ("width",), "ascending": (True, False)},
    ],
    ids=["no columns", "no use for columns", "one direction too many"],
)
def test_a_ranking_by_columns_is_whole(fields: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="rank_columns"):
        DedupSpec.model_validate(fields)


def test_a_connected_chain_has_one_keeper(tmp_path: Path, output: Path) -> None:
    angles = np.radians([0.0, 20.0, 40.0, 130.0])
    write(tmp_path / "in" / "a.parquet", list("abcd"), np.stack([np.cos(angles), np.sin(angles)], axis=1))
    clips = tmp_path / "clips.parquet"
    pq.write_table(pa.table({"id": list("abcd"), "place": [0, 1, 2, 3]}), clips)
    spec = DedupSpec(
        eps=0.1, n_clusters=1, which_to_keep="columns", rank_columns=["place"], ascending=[True],
        group_linkage="connected",
    )  # fmt: skip
    rows = pq.read_table(run(tmp_path / "in", output, spec, columns=str(clips))).to_pylist()
    found = [(row["clip_id"], row["duplicate_of"], row["similarity"]) for row in rows]
    assert found == [("b", "a", pytest.approx(0.939693)), ("c", "a", pytest.approx(0.766044))]


def test_complete_groups_keep_what_is_only_alike_to_a_copy(tmp_path: Path, output: Path) -> None:
    angles = np.radians([0.0, 20.0, 40.0, 130.0])
    write(tmp_path / "in" / "a.parquet", list("abcd"), np.stack([np.cos(angles), np.sin(angles)], axis=1))
    clips = tmp_path / "clips.parquet"
    pq.write_table(pa.table({"id": list("abcd"), "place": [0, 1, 2, 3]}), clips)
    spec = DedupSpec(eps=0.1, n_clusters=1, which_to_keep="columns", rank_columns=["place"], ascending=[True])
    rows = pq.read_table(run(tmp_path / "in", output, spec, columns=str(clips))).to_pylist()
    assert [(row["clip_id"], row["duplicate_of"]) for row in rows] == [("b", "a")]


@pytest.mark.parametrize(("eps", "expected"), [(0.2, 4), (0.001, 2)], ids=["wide", "narrow"])
def test_eps_decides(tmp_path: Path, output: Path, eps: float, expected: int) -> None:
    vectors = np.array([[1, 2, 3], [4, 5, 1], [1, 2, 3], [4, 5, 1], [5, 5, 1]], dtype=np.float64)
    vectors = np.concatenate([vectors, [[-1, 0, 0], [1, 1, 2]]])
    write(tmp_path / "in" / "a.parquet", [f"{row}" for row in range(7)], vectors)
    spec = DedupSpec(eps=eps, n_clusters=1)
    assert len(pq.read_table(run(tmp_path / "in", output, spec))) == expected


def test_without_eps_the_embedding_decides(
    embeddings: Path, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(steps, "eps_for", lambda algorithm: asked.append(algorithm) or 1e-6)
    assert len(pq.read_table(run(embeddings, output, DedupSpec()))) == 0
    assert asked == ["perceptual"]


def test_a_folder_without_embeddings_is_an_error_that_names_it(tmp_path: Path, output: Path) -> None:
    with pytest.raises(SourceError, match="missing does not exist"):
        run(tmp_path / "missing", output)
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match="empty holds no embeddings"):
        run(tmp_path / "empty", output)


def test_no_embeddings_give_no_duplicates(tmp_path: Path, output: Path) -> None:
    folder = export_no_embeddings(str(tmp_path))
    table = pq.read_table(run(Path(folder), output))
    assert (len(table), table.schema) == (0, DUPLICATES)
    names = sorted(tree(output / "dedup"))
    assert names.pop(3).startswith("known/duplicates-")
    assert names == [
        "centroids.npy",
        "duplicates/part-0.parquet",
        "known.json",
        "semantic_duplicates.parquet",
        "similarities.json",
    ]


def test_one_clip_is_no_duplicate(tmp_path: Path, output: Path) -> None:
    write(tmp_path / "in" / "a.parquet", ["only"], [[1, 2]])
    assert len(pq.read_table(run(tmp_path / "in", output, DedupSpec(n_clusters=50)))) == 0


def test_the_reference_result_on_blobs(tmp_path: Path, output: Path) -> None:
    """1500 rows in five tight blobs leave one row or a few per blob."""
    rng = np.random.default_rng(42)
    centres = rng.uniform(-10, 10, (5, 3))
    rows = (centres[:, None, :] + rng.standard_normal((5, 300, 3)) * 0.1).reshape(-1, 3)
    write(tmp_path / "in" / "a.parquet", [f"{row:04}" for row in range(1500)], rows)
    table = pq.read_table(run(tmp_path / "in", output, DedupSpec(eps=0.01, n_clusters=5)))
    assert len(table) == 1495


@pytest.mark.parametrize(
    "fields",
    [
        {"init": "random"},
        {"n_init": 5},
        {"oversampling_factor": 1.0},
        {"fit_data_fraction": 0.5},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_a_parameter_of_the_fit_changes_the_centroids(
    tmp_path: Path, output: Path, fields: dict[str, object]
) -> None:
    rows = np.random.default_rng(3).standard_normal((300, 24))
    write(tmp_path / "in" / "a.parquet", [f"{row:03}" for row in range(300)], rows)
    common = {"n_clusters": 12, "max_iter": 3}
    fits = [
        steps.fit_clusters(str(tmp_path / "in"), str(output), DedupSpec.model_validate({**common, **more}))
        for more in ({}, fields)
    ]
    first, second = (fit.read_centroids(str(Path(uri).parent / "centroids.npy")) for uri in fits)
    assert first.tobytes() != second.tobytes()


def test_no_more_rows_than_asked_for_share_a_product(
    embeddings: Path, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    knn = faiss_backend.faiss.knn

    def counting(block: np.ndarray, *rest: object, **named: object) -> tuple[np.ndarray, np.ndarray]:
        sizes.append(len(block))
        return knn(block, *rest, **named)

    monkeypatch.setattr(faiss_backend.faiss, "knn", counting)
    steps.fit_clusters(str(embeddings), str(output), DedupSpec(max_samples_per_batch=7))
    assert max(sizes) == 7


def test_the_metric_names_the_distance_that_ranks(tmp_path: Path, output: Path) -> None:
    spec = DedupSpec(n_clusters=3, sim_metric="l2", which_to_keep="hard")
    rows = np.random.default_rng(4).standard_normal((60, 24))
    write(tmp_path / "in" / "a.parquet", [f"{row:03}" for row in range(60)], rows)
    run(tmp_path / "in", output, spec)
    for cluster in range(3):
        table = pq.ParquetFile(output / "dedup" / "kmeans_results" / f"centroid={cluster}" / "part-0.parquet")
        distance = {row["id"]: row["l2_dist_to_cent"] for row in table.read().to_pylist()}
        ranked = pq.read_table(output / "dedup" / "pairwise_results" / f"cluster_{cluster}.parquet")["id"]
        assert ranked.to_pylist() == sorted(distance, key=lambda name: -distance[name])

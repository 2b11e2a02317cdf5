"""NeMo Curator's steps of deduplication, each in a pipeline, and a ranking by distance to the centroid."""

import logging
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from clipmill.errors import SpecError
from clipmill.pipeline import Pipeline
from clipmill.stages.deduplication.semantic import IdentifyDuplicatesStage, RankingStrategy
from clipmill.stages.deduplication.semantic.kmeans import (
    COSINE_DIST_TO_CENT_COL,
    L2_DIST_TO_CENT_COL,
    KMeansStage,
)
from clipmill.stages.deduplication.semantic.pairwise import PairwiseStage
from clipmill.stages.deduplication.semantic.workflow import SemanticDeduplicationWorkflow
from clipmill.stages.video.io.video_reader import VideoReader

pytestmark = pytest.mark.integration

NUM_ROWS, NUM_GROUPS = 60, 4
CENTROID_COLUMNS = {"name", "vector", "score", L2_DIST_TO_CENT_COL, COSINE_DIST_TO_CENT_COL}


@pytest.fixture(scope="module")
def embeddings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four groups of near copies in two files; a row's noise grows with its number, as does its score."""
    rng = np.random.default_rng(5)
    centres = rng.normal(size=(NUM_GROUPS, 16))
    noise = rng.normal(size=(NUM_ROWS, 16)) * np.linspace(0.001, 0.2, NUM_ROWS)[:, None]
    vectors = (centres[np.arange(NUM_ROWS) % NUM_GROUPS] + noise).astype(np.float32) * 3
    names = [f"clip-{number:02d}" for number in range(NUM_ROWS)]
    table = pa.table({"name": names, "vector": list(vectors), "score": np.arange(NUM_ROWS) // NUM_GROUPS})
    folder = tmp_path_factory.mktemp("embeddings")
    pq.write_table(table.slice(0, 25), folder / "a.parquet")
    pq.write_table(table.slice(25), folder / "b.parquet")
    return folder


def steps(embeddings: Path, out: Path, *, eps: float = 0.1, **pairwise: Any) -> Pipeline:  # noqa: ANN401 - parameters of the stage
    names: Any = {"id_field": "name", "embedding_field": "vector"}
    pipe = Pipeline(name="semantic_dedup")
    pipe.add_stage(
        KMeansStage(
            **names,
            n_clusters=NUM_GROUPS,
            input_path=str(embeddings),
            output_path=str(out / "kmeans"),
            metadata_fields=["score"],
            cache_path=str(out / "cache"),
            embedding_dim=16,
        )
    )
    pipe.add_stage(
        PairwiseStage(**names, input_path=str(out / "kmeans"), output_path=str(out / "pairs"), **pairwise)
    )
    return pipe.add_stage(IdentifyDuplicatesStage(output_path=str(out / "duplicates"), eps=eps))


def rows_below(folder: Path) -> pa.Table:
    """Without the column that a reader makes of a folder's name."""
    return pa.concat_tables([pq.ParquetFile(path).read() for path in folder.rglob("*.parquet")])


def duplicates(out: Path) -> list[str]:
    return pq.read_table(out / "duplicates")["id"].to_pylist()


def test_each_step_leaves_what_its_readers_expect(embeddings: Path, tmp_path: Path) -> None:
    steps(embeddings, tmp_path).run()
    folders = sorted(path.name for path in (tmp_path / "kmeans").iterdir())
    assert folders == [f"centroid={number}" for number in range(NUM_GROUPS)]
    clusters = [rows_below(tmp_path / "kmeans" / folder) for folder in folders]
    assert all(set(cluster.column_names) == CENTROID_COLUMNS for cluster in clusters)
    groups = [{int(name[-2:]) % NUM_GROUPS for name in one["name"].to_pylist()} for one in clusters]
    assert sorted(groups, key=min) == [{0}, {1}, {2}, {3}]
    lengths = np.linalg.norm(np.stack(clusters[0]["vector"].to_numpy(zero_copy_only=False)), axis=1)
    assert lengths == pytest.approx(1, abs=1e-6)
    assert np.load(tmp_path / "cache" / "kmeans_centroids.npy").shape == (NUM_GROUPS, 16)
    pairs = pq.read_table(tmp_path / "pairs")
    assert pairs.column_names == ["id", "max_id", "cosine_sim_score"]
    assert sorted(path.name for path in (tmp_path / "pairs").iterdir())[0] == "cluster_0.parquet"
    assert duplicates(tmp_path) == sorted(pairs.filter(pc.field("cosine_sim_score") >= 0.9)["id"].to_pylist())
    assert len(duplicates(tmp_path)) == NUM_ROWS - NUM_GROUPS


def kept(out: Path) -> list[int]:
    """The numbers of the rows that are no duplicate."""
    gone = set(duplicates(out))
    return [number for number in range(NUM_ROWS) if f"clip-{number:02d}" not in gone]


@pytest.mark.parametrize(
    ("ranking", "expected"),
    [
        ({"which_to_keep": "easy"}, "inner"),
        ({"which_to_keep": "hard", "sim_metric": "l2"}, "outer"),
        ({"ranking_strategy": RankingStrategy.metadata_based(["score"])}, "first"),
        ({"ranking_strategy": RankingStrategy.metadata_based(["score"], ascending=[False])}, "last"),
        ({"ranking_strategy": RankingStrategy.metadata_based(["cosine_dist_to_cent", "name"])}, "inner"),
    ],
)
def test_the_ranking_says_which_row_of_a_group_stays(
    embeddings: Path, tmp_path: Path, ranking: dict[str, Any], expected: str
) -> None:
    steps(embeddings, tmp_path, **ranking).run()
    numbers = kept(tmp_path)
    clusters = rows_below(tmp_path / "kmeans")
    distance = dict(
        zip(clusters["name"].to_pylist(), clusters["cosine_dist_to_cent"].to_pylist(), strict=True)
    )
    best = PairwiseStage("name", "vector", "in", "out", **ranking).ranking
    first = best.rank_cluster(clusters, id_field="name")["name"][0].as_py()
    assert int(first[-2:]) in numbers
    for group, number in enumerate(sorted(numbers, key=lambda one: one % NUM_GROUPS)):
        members = [one for one in range(NUM_ROWS) if one % NUM_GROUPS == group]
        far = {one: distance[f"clip-{one:02d}"] for one in members}
        extremes = {"inner": min(far, key=far.__getitem__), "outer": max(far, key=far.__getitem__)}
        assert number == {**extremes, "first": members[0], "last": members[-1]}[expected]


@pytest.mark.parametrize("metric", ["cosine", "l2"])
def test_the_workflow_keeps_outliers_by_either_distance(
    embeddings: Path, tmp_path: Path, metric: Literal["cosine", "l2"]
) -> None:
    workflow = SemanticDeduplicationWorkflow(
        str(embeddings), str(tmp_path), NUM_GROUPS, id_field="name", embedding_field="vector", eps=0.1,
        which_to_keep="hard", distance_metric=metric,
    )  # fmt: skip
    workflow.run()
    steps(embeddings, tmp_path / "steps", which_to_keep="hard", sim_metric=metric).run()
    assert duplicates(tmp_path) == duplicates(tmp_path / "steps")


def test_embeddings_are_stored_in_numbers_of_the_type_asked_for(
    embeddings: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (embeddings / "notes.pq").write_bytes(b"other files do not count")
    names: Any = {"id_field": "name", "embedding_field": "vector", "verbose": True}
    paths = {"input_path": str(embeddings), "output_path": str(tmp_path / "kmeans")}
    with caplog.at_level(logging.INFO):
        KMeansStage(
            4, **names, **paths, embedding_output_dtype="float16", input_file_extensions=["a.parquet"]
        ).run("")
    rows = rows_below(tmp_path / "kmeans")
    assert (rows.num_rows, str(rows["vector"].type.value_type)) == (25, "halffloat")
    pairs = PairwiseStage(**names, input_path=str(tmp_path / "kmeans"), output_path=str(tmp_path / "pairs"))
    with caplog.at_level(logging.INFO):
        found = IdentifyDuplicatesStage(str(tmp_path / "out"), 0.1, verbose=True).run(pairs.run(""))
    assert pq.read_table(found).num_rows == 25 - NUM_GROUPS
    assert caplog.messages == [
        "KMeansStage: 4 clusters of 1 files", "PairwiseStage: compares the rows of 4 clusters",
        "IdentifyDuplicatesStage: 21 of 25 rows are duplicates",
    ]  # fmt: skip
    with caplog.at_level(logging.WARNING):
        KMeansStage(1000, **names, **paths).run("")
    assert "KMeansStage: n_clusters 1000 is more than the rows" in caplog.text
    with pytest.raises(ValueError, match="is 'int8'; it is float32 or float16"):
        KMeansStage(4, **names, **paths, embedding_output_dtype="int8")


def test_a_second_run_replaces_the_first(embeddings: Path, tmp_path: Path) -> None:
    for cluster in (7, 8):
        (tmp_path / "kmeans" / f"centroid={cluster}").mkdir(parents=True)
        (tmp_path / "kmeans" / f"centroid={cluster}" / "part-0.parquet").write_bytes(b"of an earlier run")
    (tmp_path / "kmeans" / "notes.parquet").write_bytes(b"the user's own")
    steps(embeddings, tmp_path).run()
    steps(embeddings, tmp_path, eps=1e-9, which_to_keep="random", random_seed=3).run()
    assert duplicates(tmp_path) == []
    assert (tmp_path / "kmeans" / "notes.parquet").exists()


def test_the_workflow_ranks_by_distance_and_by_columns(embeddings: Path, tmp_path: Path) -> None:
    ranking = RankingStrategy.metadata_based(["cosine_dist_to_cent", "score"], ascending=[False, True])
    workflow = SemanticDeduplicationWorkflow(
        str(embeddings), str(tmp_path), NUM_GROUPS, id_field="name", embedding_field="vector", eps=0.1,
        ranking_strategy=ranking,
    )  # fmt: skip
    assert workflow.run().get_metadata("num_duplicates") == NUM_ROWS - NUM_GROUPS
    steps(embeddings, tmp_path / "steps", which_to_keep="hard").run()
    assert duplicates(tmp_path) == duplicates(tmp_path / "steps")
    assert pq.read_table(workflow.pairwise_output_path).num_rows == NUM_ROWS
    workflow.eps = None
    assert workflow.run().get_metadata("num_duplicates") == 0


def test_what_cannot_be_is_named(embeddings: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(SpecError, match="reads what a PairwiseStage writes"):
        Pipeline("p", stages=[IdentifyDuplicatesStage(str(tmp_path), 0.1)]).run()
    with pytest.raises(SpecError, match="to a pipeline of its own"):
        Pipeline(
            "p", stages=[VideoReader(input_video_path="v"), steps(embeddings, tmp_path).folder_stages[0]]
        ).run()
    with pytest.raises(SpecError, match="clusters have no column motion; they have name"):
        steps(embeddings, tmp_path, ranking_strategy=RankingStrategy.metadata_based(["motion"])).run()
    with pytest.raises(SpecError, match="holds no centroid=<k> folders; run KMeansStage"):
        PairwiseStage("id", "embedding", str(tmp_path / "none"), str(tmp_path / "out")).run("")
    with pytest.raises(ValueError, match="eps is 2; it lies between 0 and 1"):
        IdentifyDuplicatesStage(str(tmp_path), 2)
    with caplog.at_level(logging.WARNING):
        PairwiseStage("id", "e", "in", "out", read_kwargs={"storage_options": {}}, compute_dtype="float16")
    assert "PairwiseStage: compute_dtype has no effect here" in caplog.text
    assert "  KMeansStage" in steps(embeddings, tmp_path).describe()

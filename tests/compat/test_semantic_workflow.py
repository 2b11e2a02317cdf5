"""NeMo Curator's deduplication workflow: its parameters, its inputs, and what it leaves."""

import json
import logging
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clipmill.errors import SpecError
from clipmill.stages.deduplication.semantic import RankingStrategy, SemanticDeduplicationWorkflow

pytestmark = pytest.mark.integration

NAMES = list("abcdef")
VECTORS = np.eye(8, dtype=np.float32)[[0, 0, 1, 1, 2, 3]]
SCORES = [1.0, 2.0, 4.0, 3.0, 9.0, 0.0]
"""a and b are copies, and c and d."""


def write(folder: Path, rows: slice = slice(None), *, embedding: str = "embeddings") -> str:
    folder.mkdir(parents=True)
    vectors = pa.array(list(VECTORS[rows]))
    table = pa.table({"id": NAMES[rows], embedding: vectors, "score": SCORES[rows]})
    pq.write_table(table, folder / "part.parquet")
    return str(folder)


def removed(workflow: SemanticDeduplicationWorkflow) -> list[str]:
    done = workflow.run()
    ids = pq.read_table(workflow.duplicates_output_path)["id"].to_pylist()
    assert done.get_metadata("num_duplicates") == len(ids)
    return sorted(ids)


def test_the_tree_of_results_has_the_documented_columns(tmp_path: Path) -> None:
    workflow = SemanticDeduplicationWorkflow(write(tmp_path / "in"), str(tmp_path / "out"), 2, eps=0.1)
    assert len(removed(workflow)) == 2
    kmeans = pq.read_table(workflow.kmeans_output_path)
    assert {"id", "embedding", "l2_dist_to_cent", "cosine_dist_to_cent"} <= set(kmeans.column_names)
    pairs = pq.read_table(workflow.pairwise_output_path)
    assert pairs.select(["id", "max_id", "cosine_sim_score"]).num_rows == 6


def test_a_ranking_by_columns_keeps_the_best(tmp_path: Path) -> None:
    source = write(tmp_path / "in", embedding="embedding")
    best = RankingStrategy.metadata_based(["score"], ascending=False)
    worst = RankingStrategy(metadata_cols=["score"], ascending=True, strategy="sort")
    found = [
        removed(SemanticDeduplicationWorkflow(source, str(tmp_path / name), 2, eps=0.1, ranking_strategy=one))
        for name, one in (("best", best), ("worst", worst))
    ]
    assert found == [["a", "d"], ["b", "c"]]
    assert RankingStrategy.random(7).random_seed == 7
    with pytest.raises(ValueError, match="ascending has 2 values for 1"):
        RankingStrategy.metadata_based(["score"], [True, False])


def test_several_folders_and_lines_of_json_are_read(tmp_path: Path) -> None:
    folders = [write(tmp_path / "one", slice(0, 1)), write(tmp_path / "two", slice(1, 6))]
    several = SemanticDeduplicationWorkflow(
        input_path=folders, output_path=str(tmp_path / "out"), n_clusters=2, eps=0.1
    )
    rows = [{"name": name, "vector": vector.tolist()} for name, vector in zip(NAMES, VECTORS, strict=True)]
    (tmp_path / "lines").mkdir()
    (tmp_path / "lines" / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    lines = SemanticDeduplicationWorkflow(
        str(tmp_path / "lines"), str(tmp_path / "json"), 2,
        id_field="name", embedding_field="vector", input_filetype="jsonl", eps=0.1,
        input_file_extensions=[".jsonl"],
    )  # fmt: skip
    (tmp_path / "lines" / "notes.json").write_text("no rows")
    assert removed(several) == removed(lines)
    (tmp_path / "lines" / "rows.jsonl").write_text('{"name": "a"}\n')
    with pytest.raises(SpecError, match=r"rows\.jsonl line 1 has no column vector; it has name"):
        lines.run()


def test_without_eps_only_similarities_are_written(tmp_path: Path) -> None:
    workflow = SemanticDeduplicationWorkflow(write(tmp_path / "in"), str(tmp_path / "out"), 2, eps=None)
    assert workflow.run().get_metadata("num_duplicates") == 0
    assert not Path(workflow.duplicates_output_path).exists()
    assert Path(workflow.pairwise_output_path).exists()


def test_the_tree_lies_in_the_cache_and_a_run_may_add_to_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out, cache = tmp_path / "out", tmp_path / "cache"

    def added(rows: slice, **more: bool) -> list[str]:
        source = write(tmp_path / str(rows), rows)
        places = {"output_path": str(out), "cache_path": str(cache)}
        return removed(SemanticDeduplicationWorkflow(source, **places, n_clusters=2, eps=0.1, **more))

    with caplog.at_level(logging.DEBUG):
        assert added(slice(0, 3), verbose=True) == ["a"]
    assert [one.message for one in caplog.records if one.name == "clipmill.stages.dedup"][-1:] == [
        "2 clusters, eps 0.1: 1 duplicates"
    ]
    assert (cache / "dedup" / "kmeans_results").is_dir()
    assert sorted(path.name for path in out.iterdir()) == ["duplicates"]
    assert added(slice(2, 6), clear_output=False) == ["a", "c"]
    assert added(slice(3, 6)) == []


def test_what_has_no_effect_is_named_and_what_is_unknown_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        SemanticDeduplicationWorkflow(
            "in",
            str(tmp_path),
            2,
            read_kwargs={"storage_options": None},
            cache_kwargs={"compression": "gzip"},
        )
    assert [record.message for record in caplog.records] == [
        "SemanticDeduplicationWorkflow: cache_kwargs has no effect here"
    ]
    with pytest.raises(SpecError, match="no parameter epsilon"):
        SemanticDeduplicationWorkflow("in", str(tmp_path), 2, epsilon=0.1)
    with pytest.raises(SpecError, match="input_filetype is 'csv'; it is parquet or jsonl"):
        SemanticDeduplicationWorkflow("in", str(tmp_path), 2, input_filetype="csv")  # pyright: ignore[reportArgumentType] a user's mistake
    source = write(tmp_path / "plain")
    with pytest.raises(SpecError, match=r"part\.parquet has no column motion; it has id, embeddings, score"):
        SemanticDeduplicationWorkflow(source, str(tmp_path / "out"), 2, metadata_fields=["motion"]).run()
    with pytest.raises(SpecError, match="n_clusters"):
        SemanticDeduplicationWorkflow(write(tmp_path / "in"), str(tmp_path / "out"), 0).run()

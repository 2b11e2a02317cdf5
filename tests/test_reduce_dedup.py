import itertools
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clipmill.dedup import on_faiss
from clipmill.dedup.vectors import unit_rows
from clipmill.errors import BadEmbeddings, SourceError, SpecError, StoreError
from clipmill.reduce import dedup, fit
from clipmill.reduce import embeddings as embeddings_module
from clipmill.reduce.embeddings import read_embeddings, read_files
from clipmill.reduce.evidence import read_similarities
from clipmill.reduce.known import read_known
from clipmill.snapshot.embeddings import export_no_embeddings
from clipmill.specs import DedupSpec
from clipmill.storage import store
from clipmill.storage.tables import DUPLICATES

SPEC = DedupSpec(eps=0.1)


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
    fitted = dedup.fit_clusters(str(embeddings), str(output), spec)
    assigned = [dedup.assign_clusters(shard) for shard in dedup.embedding_shards(fitted)]
    groups = dedup.cluster_groups(fitted, assigned, spec, columns_uri=columns)
    found = [dedup.find_duplicates(group) for group in groups]
    return dedup.select_keepers(found, str(output), spec, algorithm="perceptual")


def tree(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def documented(root: Path) -> dict[str, bytes]:
    """What is in ``dedup/`` but for what later runs compare with: that lies in parts, one for each group."""
    names = ("known.json", "known/")
    return {name: data for name, data in tree(root).items() if not name.startswith(names)}


def mtimes(root: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()}


@pytest.fixture
def embeddings(tmp_path: Path) -> Path:
    folder = tmp_path / "embeddings"
    write_copies(folder)
    return folder


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "output"


# Reading


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        ("embedding", pa.list_(pa.float32(), 3)),
        ("embedding", pa.list_(pa.float64())),
        ("embeddings", pa.large_list(pa.float32())),
        ("embeddings", pa.list_(pa.float16())),
    ],
    ids=["ours", "reference writer", "reference dedup", "half"],
)
def test_reads_every_form_of_embeddings(tmp_path: Path, column: str, kind: pa.DataType) -> None:
    rows = np.array(
        [[1, 2, 3], [4, 5, 6]], dtype=np.float16 if kind.value_type == pa.float16() else np.float64
    )
    write(tmp_path / "a.parquet", ["b", "a"], rows, column=column, kind=kind)
    ids, found = read_embeddings(str(tmp_path))
    assert (ids, found.tolist(), found.dtype) == (["a", "b"], [[4, 5, 6], [1, 2, 3]], np.float32)


def test_rows_are_sorted_by_id_over_all_files(tmp_path: Path) -> None:
    write(tmp_path / "z.parquet", ["c", "a"], [[1, 0], [2, 0]])
    write(tmp_path / "sub" / "y.parquet", ["b"], [[3, 0]])
    ids, rows = read_embeddings(str(tmp_path))
    assert (ids, rows[:, 0].tolist()) == (["a", "b", "c"], [2, 3, 1])


def test_an_empty_file_among_others_counts_nothing(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", [], [])
    write(tmp_path / "b.parquet", ["x"], [[1, 2]])
    assert read_embeddings(str(tmp_path))[0] == ["x"]


def test_files_without_names_give_no_embeddings() -> None:
    ids, rows = read_files([])
    assert (ids, rows.shape) == ([], (0, 0))


def reference_output(root: Path, *, name: str = "ce1_embd_parquet") -> None:
    """A tree as the reference's writer leaves it, with other tables beside the embeddings."""
    ids, rows = copies(num_films=4)
    write(root / name / "video0.parquet", ids[:6], rows[:6])
    write(root / name / "video1.parquet", ids[6:], rows[6:])
    (root / "metas" / "v0").mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"clip": ["x"]}), root / "metas" / "v0" / "clips.parquet")


def test_a_whole_output_of_the_reference_is_deduplicated(tmp_path: Path, output: Path) -> None:
    reference_output(tmp_path / "theirs")
    table = pq.read_table(run(tmp_path / "theirs", output, DedupSpec(eps=0.1, n_clusters=2)))
    assert len(table) == 8


def test_an_output_with_two_embeddings_leaves_a_choice(tmp_path: Path) -> None:
    reference_output(tmp_path / "theirs")
    reference_output(tmp_path / "theirs", name="iv2_embd_parquet")
    with pytest.raises(SourceError, match=r"several embeddings \(ce1_embd_parquet, iv2_embd_parquet\)"):
        read_embeddings(str(tmp_path / "theirs"))


def test_our_own_output_is_read_as_well(embeddings: Path, output: Path) -> None:
    embeddings.rename(embeddings.parent / "perceptual_embd_parquet")
    run(embeddings.parent / "perceptual_embd_parquet", embeddings.parent, SPEC)
    assert len(read_embeddings(str(embeddings.parent))[0]) == 36


def test_integer_ids_become_text(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", [2, 1], [[1, 0], [0, 1]])
    assert read_embeddings(str(tmp_path))[0] == ["1", "2"]


@pytest.mark.parametrize(
    ("ids", "rows", "cause"),
    [
        (["a", "b"], [[1, 2], [1, np.nan]], r"bad.parquet: row 1 \(id b\) holds NaN"),
        (["a", "b"], [[0, 0], [1, 1]], r"bad.parquet: row 0 \(id a\) is all zeros"),
        (["a", "b"], [[1, 2], [1e300, 1]], r"bad.parquet: row 1 \(id b\) holds NaN or infinity"),
        (["a", "b"], [[1, 2], [1, 2, 3]], "bad.parquet: row 1 has 3 numbers, row 0 has 2"),
        (["a", "b"], [[1, 2], None], "bad.parquet: row 1 has no embedding"),
        (["a", None], [[1, 2], [1, 2]], "bad.parquet: row 1 has no id"),
        (["a", "a"], [[1, 2], [1, 2]], "bad.parquet: row 1 has the id a of row 0 of .*bad.parquet"),
    ],
    ids=["nan", "zeros", "too large", "mixed", "no embedding", "no id", "repeated"],
)
def test_a_faulty_row_is_named(tmp_path: Path, ids: list[str], rows: list[list[float]], cause: str) -> None:
    write(tmp_path / "bad.parquet", ids, rows)
    with pytest.raises(BadEmbeddings, match=cause):
        read_embeddings(str(tmp_path))


def test_files_of_different_dimensions_are_named(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", ["a"], [[1, 2]])
    write(tmp_path / "b.parquet", ["b"], [[1, 2, 3]])
    with pytest.raises(BadEmbeddings, match=r"b.parquet: row 0 has 3 numbers, those of .*a.parquet have 2"):
        read_embeddings(str(tmp_path))


def test_an_id_that_is_in_two_files_is_named(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", ["x", "y"], [[1, 2], [2, 1]])
    write(tmp_path / "b.parquet", ["z", "y"], [[1, 2], [2, 1]])
    with pytest.raises(BadEmbeddings, match=r"b.parquet: row 1 has the id y of row 1 of .*a.parquet"):
        read_embeddings(str(tmp_path))


@pytest.mark.parametrize(
    ("columns", "cause"),
    [
        ({"embedding": [[1.0]]}, "no column id, only embedding"),
        ({"id": ["a"], "vector": [[1.0]]}, "no column embedding or embeddings, only id, vector"),
        ({"id": ["a"], "embedding": ["text"]}, "column embedding holds string, not lists of numbers"),
    ],
    ids=["no id", "no embedding", "no lists"],
)
def test_a_table_of_other_columns_is_named(
    tmp_path: Path, columns: dict[str, list[object]], cause: str
) -> None:
    pq.write_table(pa.table(columns), tmp_path / "bad.parquet")
    with pytest.raises(BadEmbeddings, match=f"bad.parquet: {cause}"):
        read_embeddings(str(tmp_path))


def test_a_file_that_is_no_table_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.parquet").write_bytes(b"no table")
    with pytest.raises(BadEmbeddings, match=r"bad.parquet: not a readable table"):
        read_embeddings(str(tmp_path))


# The whole line


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
    run(embeddings, output, SPEC.model_copy(update={"n_clusters": 1}))
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
    run(embeddings, output, SPEC.model_copy(update={"n_clusters": 1}))
    root = output / "dedup"
    rows = pq.ParquetFile(root / "kmeans_results" / "centroid=0" / "part-0.parquet").read().to_pylist()
    distance = {row["id"]: row["cosine_dist_to_cent"] for row in rows}
    ids = pq.read_table(root / "pairwise_results" / "cluster_0.parquet")["id"].to_pylist()
    assert ids == sorted(ids, key=lambda name: -distance[name])


@pytest.mark.parametrize("which", ["easy", "random"])
def test_another_ranking_keeps_other_clips(embeddings: Path, output: Path, which: str) -> None:
    hard = pq.read_table(run(embeddings, output))["duplicate_of"].to_pylist()
    other = pq.read_table(run(embeddings, output, DedupSpec(eps=0.1, which_to_keep=which)))
    assert set(other["duplicate_of"].to_pylist()) != set(hard)


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


def test_a_chain_has_one_keeper(tmp_path: Path, output: Path) -> None:
    angles = np.radians([0.0, 20.0, 40.0, 130.0])
    write(tmp_path / "in" / "a.parquet", list("abcd"), np.stack([np.cos(angles), np.sin(angles)], axis=1))
    clips = tmp_path / "clips.parquet"
    pq.write_table(pa.table({"id": list("abcd"), "place": [0, 1, 2, 3]}), clips)
    spec = DedupSpec(eps=0.1, n_clusters=1, which_to_keep="columns", rank_columns=["place"], ascending=[True])
    rows = pq.read_table(run(tmp_path / "in", output, spec, columns=str(clips))).to_pylist()
    found = [(row["clip_id"], row["duplicate_of"], row["similarity"]) for row in rows]
    assert found == [("b", "a", pytest.approx(0.939693)), ("c", "a", pytest.approx(0.766044))]


def test_complete_groups_keep_what_is_only_alike_to_a_copy(tmp_path: Path, output: Path) -> None:
    angles = np.radians([0.0, 20.0, 40.0, 130.0])
    write(tmp_path / "in" / "a.parquet", list("abcd"), np.stack([np.cos(angles), np.sin(angles)], axis=1))
    clips = tmp_path / "clips.parquet"
    pq.write_table(pa.table({"id": list("abcd"), "place": [0, 1, 2, 3]}), clips)
    spec = DedupSpec(
        eps=0.1, n_clusters=1, which_to_keep="columns", rank_columns=["place"], ascending=[True],
        group_linkage="complete",
    )  # fmt: skip
    rows = pq.read_table(run(tmp_path / "in", output, spec, columns=str(clips))).to_pylist()
    assert [(row["clip_id"], row["duplicate_of"]) for row in rows] == [("b", "a")]


# Across the borders of clusters


def cut_film(folder: Path) -> None:
    """Two clouds of clips on a circle, and a pair of copies on either side of the line between them."""
    degrees = [*range(0, 40, 4), *range(104, 144, 4), 69.6, 70.4]
    angles = np.radians(degrees)
    ids = [f"clip{degree:05.1f}" for degree in degrees]
    write(folder / "a.parquet", ids, np.stack([np.cos(angles), np.sin(angles)], axis=1))


@pytest.mark.parametrize("which", ["hard", "easy", "random"])
def test_copies_in_two_clusters_are_found(tmp_path: Path, output: Path, which: str) -> None:
    cut_film(tmp_path / "in")
    spec = DedupSpec(eps=0.001, n_clusters=2, which_to_keep=which)
    rows = pq.read_table(run(tmp_path / "in", output, spec)).to_pylist()
    assert [{row["clip_id"], row["duplicate_of"]} for row in rows] == [{"clip069.6", "clip070.4"}]
    assert (rows[0]["method"], rows[0]["similarity"]) == ("cross_border", pytest.approx(0.9999025, abs=2e-6))
    tree_rows = pq.ParquetFile(
        output / "dedup" / "kmeans_results" / f"centroid={rows[0]['cluster']}" / "part-0.parquet"
    )
    assert rows[0]["clip_id"] in tree_rows.read()["id"].to_pylist()


def test_without_a_border_width_copies_in_two_clusters_stay(tmp_path: Path, output: Path) -> None:
    cut_film(tmp_path / "in")
    spec = DedupSpec(eps=0.001, n_clusters=2, border_width=0)
    assert len(pq.read_table(run(tmp_path / "in", output, spec))) == 0


def test_a_guest_is_in_the_tree_of_its_own_cluster_only(tmp_path: Path, output: Path) -> None:
    cut_film(tmp_path / "in")
    run(tmp_path / "in", output, DedupSpec(eps=0.001, n_clusters=2, border_width=2))
    tables = [
        pq.ParquetFile(path).read() for path in (output / "dedup" / "kmeans_results").rglob("*.parquet")
    ]
    pairs = [pq.read_table(path) for path in (output / "dedup" / "pairwise_results").rglob("*.parquet")]
    assert sum(map(len, tables)) == sum(map(len, pairs)) == 22


def test_borders_raise_recall_over_many_clusters(tmp_path: Path, output: Path) -> None:
    ids, rows = copies(num_films=60, each=2, noise=0.05)
    write(tmp_path / "in" / "a.parquet", ids, rows)
    found = [
        len(
            pq.read_table(run(tmp_path / "in", output, DedupSpec(eps=0.1, n_clusters=24, border_width=width)))
        )
        for width in (0.0, 0.2)
    ]
    assert found[0] < found[1] <= 60


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
    monkeypatch.setattr(dedup, "eps_for", lambda algorithm: asked.append(algorithm) or 1e-6)
    assert len(pq.read_table(run(embeddings, output, DedupSpec()))) == 0
    assert asked == ["perceptual"]


def test_a_folder_without_embeddings_is_an_error_that_names_it(tmp_path: Path, output: Path) -> None:
    with pytest.raises(SourceError, match="missing holds no embeddings"):
        run(tmp_path / "missing", output)


def test_no_embeddings_give_no_duplicates(tmp_path: Path, output: Path) -> None:
    folder = export_no_embeddings(str(tmp_path))
    table = pq.read_table(run(Path(folder), output))
    assert (len(table), table.schema) == (0, DUPLICATES)
    assert sorted(tree(output / "dedup")) == [
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
        dedup.fit_clusters(str(tmp_path / "in"), str(output), DedupSpec.model_validate({**common, **more}))
        for more in ({}, fields)
    ]
    first, second = (fit.read_centroids(str(Path(uri).parent / "centroids.npy")) for uri in fits)
    assert first.tobytes() != second.tobytes()


def test_no_more_rows_than_asked_for_share_a_product(
    embeddings: Path, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    knn = on_faiss.faiss.knn

    def counting(block: np.ndarray, *rest: object, **named: object) -> tuple[np.ndarray, np.ndarray]:
        sizes.append(len(block))
        return knn(block, *rest, **named)

    monkeypatch.setattr(on_faiss.faiss, "knn", counting)
    dedup.fit_clusters(str(embeddings), str(output), DedupSpec(max_samples_per_batch=7))
    assert max(sizes) == 7


def test_the_metric_names_the_distance_that_ranks(tmp_path: Path, output: Path) -> None:
    spec = DedupSpec(n_clusters=3, sim_metric="l2")
    rows = np.random.default_rng(4).standard_normal((60, 24))
    write(tmp_path / "in" / "a.parquet", [f"{row:03}" for row in range(60)], rows)
    run(tmp_path / "in", output, spec)
    for cluster in range(3):
        table = pq.ParquetFile(output / "dedup" / "kmeans_results" / f"centroid={cluster}" / "part-0.parquet")
        distance = {row["id"]: row["l2_dist_to_cent"] for row in table.read().to_pylist()}
        ranked = pq.read_table(output / "dedup" / "pairwise_results" / f"cluster_{cluster}.parquet")["id"]
        assert ranked.to_pylist() == sorted(distance, key=lambda name: -distance[name])


# Evidence


def at_least(output: Path, similarity: float) -> int:
    found = read_similarities(str(output))
    assert found is not None
    return sum(found.counts[round(similarity * 1000) :])


@pytest.mark.parametrize("eps", [0.3, 0.1, 0.002])
def test_counts_say_how_many_go_at_another_threshold(embeddings: Path, output: Path, eps: float) -> None:
    run(embeddings, output, DedupSpec(eps=0.05, n_clusters=4))
    counted = at_least(output, 1 - eps)
    assert counted == len(pq.read_table(run(embeddings, output, DedupSpec(eps=eps, n_clusters=4))))


def test_counts_of_an_addition_are_those_of_all_clips(embeddings: Path, output: Path) -> None:
    run(embeddings, output, ADDING)
    add_copies(embeddings)
    duplicates = removed(run(embeddings, output, ADDING))
    assert at_least(output, 0.9) == len(duplicates)
    run(embeddings, output, ADDING)
    assert at_least(output, 0.9) == len(duplicates)


# Adding to earlier runs


def unlike(*, num_films: int, seed: int, dim: int = 24) -> tuple[list[str], np.ndarray]:
    rng = np.random.default_rng(seed)
    return [f"new{row:03}" for row in range(num_films)], rng.standard_normal((num_films, dim))


ADDING = DedupSpec(eps=0.1, n_clusters=4, mode="incremental")


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


def test_new_copies_go_and_earlier_survivors_stay(embeddings: Path, output: Path) -> None:
    before = removed(run(embeddings, output, ADDING))
    add_copies(embeddings)
    after = removed(run(embeddings, output, ADDING))
    new = {name: keeper for name, keeper in after.items() if name not in before}
    assert {name: after[name] for name in before} == before
    assert len(new) == 13
    assert all(keeper in set(before.values()) for name, keeper in new.items() if name.startswith("film"))
    assert {name[:3] for name in new if name not in before} == {"fil", "new"}


def test_a_folder_of_only_new_clips_is_added_as_well(embeddings: Path, output: Path, tmp_path: Path) -> None:
    run(embeddings, output, ADDING)
    add_copies(embeddings)
    together = removed(run(embeddings, output, ADDING))
    other = tmp_path / "other"
    write_copies(tmp_path / "first")
    run(tmp_path / "first", other, ADDING)
    (tmp_path / "second").mkdir()
    (embeddings / "later.parquet").rename(tmp_path / "second" / "later.parquet")
    assert removed(run(tmp_path / "second", other, ADDING)) == together


def test_only_new_clips_are_assigned_and_kept_parts_stay(embeddings: Path, output: Path) -> None:
    run(embeddings, output, ADDING)
    kept = mtimes(output / "dedup" / "kmeans_results")
    add_copies(embeddings)
    run(embeddings, output, ADDING)
    now = mtimes(output / "dedup" / "kmeans_results")
    assert {path: now[path] for path in kept} == kept
    added = [pq.ParquetFile(path).read() for path in set(now) - set(kept)]
    assert sum(map(len, added)) == 14
    pairs = [pq.read_table(path) for path in (output / "dedup" / "pairwise_results").rglob("*.parquet")]
    ids = [name for table in pairs for name in table["id"].to_pylist()]
    assert len(ids) == len(set(ids)) == 50


def test_a_run_without_new_clips_changes_nothing(embeddings: Path, output: Path) -> None:
    run(embeddings, output, ADDING)
    before = mtimes(output / "dedup")
    run(embeddings, output, ADDING)
    assert mtimes(output / "dedup") == before


@pytest.mark.parametrize(
    "spec",
    [ADDING.model_copy(update={"mode": "full"}), ADDING.model_copy(update={"eps": 0.05})],
    ids=["asked for", "other parameters"],
)
def test_a_full_run_clusters_everything_again(
    embeddings: Path, output: Path, tmp_path: Path, spec: DedupSpec
) -> None:
    run(embeddings, output, ADDING)
    add_copies(embeddings)
    run(embeddings, output, spec)
    run(embeddings, tmp_path / "fresh", spec)
    assert tree(output / "dedup") == tree(tmp_path / "fresh" / "dedup")


def test_an_interrupted_addition_is_repeated_to_the_same_end(
    embeddings: Path, output: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(embeddings, output, ADDING)
    run(embeddings, tmp_path / "fresh", ADDING)
    add_copies(embeddings)
    put, calls = store.put_if_changed, [0]

    def failing(uri: str, data: bytes) -> bool:
        calls[0] += "/dedup/known" in uri
        if calls[0]:
            raise StoreError(uri, "no room")
        return put(uri, data)

    with monkeypatch.context() as patch:
        patch.setattr(store, "put_if_changed", failing)
        with pytest.raises(StoreError, match="no room"):
            run(embeddings, output, ADDING)
    run(embeddings, output, ADDING)
    run(embeddings, tmp_path / "fresh", ADDING)
    assert tree(output / "dedup") == tree(tmp_path / "fresh" / "dedup")


def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files of embeddings that are opened from now on."""
    opened: list[str] = []
    source = embeddings_module.pa.OSFile

    def counting(path: str) -> pa.NativeFile:
        opened.append(Path(path).name)
        return source(path)

    monkeypatch.setattr(embeddings_module.pa, "OSFile", counting)
    return opened


def test_files_that_were_read_before_are_not_read_again(
    embeddings: Path, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(embeddings, output, ADDING)
    add_copies(embeddings)
    opened = reads(monkeypatch)
    run(embeddings, output, ADDING)
    assert not {"0.parquet", "1.parquet"} & set(opened)
    assert "later.parquet" in opened
    opened.clear()
    run(embeddings, output, ADDING)
    assert not {"0.parquet", "1.parquet", "later.parquet"} & set(opened)


def test_without_the_list_of_files_all_are_read_to_the_same_end(
    embeddings: Path, output: Path, tmp_path: Path
) -> None:
    for folder in (output, tmp_path / "fresh"):
        run(embeddings, folder, ADDING)
    shutil.rmtree(output / "work")
    add_copies(embeddings)
    for folder in (output, tmp_path / "fresh"):
        run(embeddings, folder, ADDING)
    assert tree(output / "dedup") == tree(tmp_path / "fresh" / "dedup")


def test_a_file_written_again_adds_its_new_clips_only(embeddings: Path, output: Path) -> None:
    before = removed(run(embeddings, output, ADDING))
    ids, rows = copies()
    new_ids, new = unlike(num_films=1, seed=9)
    write(embeddings / "0.parquet", [*ids[0::2], *new_ids, "newcopy"], np.concatenate([rows[0::2], new, new]))
    after = removed(run(embeddings, output, ADDING))
    assert len(after) == len(before) + 1


def test_an_embedding_changed_under_an_old_id_compares_all_clips_again(
    embeddings: Path, output: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run(embeddings, output, ADDING)
    ids, rows = copies()
    rows[0] = unlike(num_films=1, seed=5)[1][0]
    write(embeddings / "0.parquet", ids[0::2], rows[0::2])
    run(embeddings, output, ADDING)
    assert f"the embeddings of 1 clips, as {ids[0]}, are not those of earlier runs" in caplog.text
    run(embeddings, tmp_path / "fresh", ADDING)
    assert tree(output / "dedup") == tree(tmp_path / "fresh" / "dedup")


def test_what_another_version_left_is_not_added_to(
    embeddings: Path, output: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run(embeddings, output, ADDING)
    (output / "dedup" / "known.json").write_text('{"parameters": "x", "kmeans_names": {}}')
    run(embeddings, output, ADDING)
    assert "is of another version" in caplog.text
    run(embeddings, tmp_path / "fresh", ADDING)
    assert tree(output / "dedup") == tree(tmp_path / "fresh" / "dedup")


@pytest.mark.parametrize(
    ("linkage", "expected"), [("connected", {"b": "a", "c": "a"}), ("complete", {"b": "a"})]
)
def test_a_copy_of_a_clip_that_went_goes_where_chains_count(
    tmp_path: Path, output: Path, linkage: str, expected: dict[str, str]
) -> None:
    rows = [[np.cos(angle), np.sin(angle)] for angle in np.radians([0.0, 20.0, 40.0])]
    clips = tmp_path / "clips.parquet"
    pq.write_table(pa.table({"id": list("abc"), "place": [0, 1, 2]}), clips)
    spec = DedupSpec.model_validate({
        "eps": 0.1, "n_clusters": 1, "which_to_keep": "columns", "rank_columns": ["place"],
        "ascending": [True], "mode": "incremental", "group_linkage": linkage,
    })  # fmt: skip
    write(tmp_path / "in" / "first.parquet", ["a", "b"], rows[:2])
    assert removed(run(tmp_path / "in", output, spec, columns=str(clips))) == {"b": "a"}
    write(tmp_path / "in" / "second.parquet", ["c"], rows[2:])
    uri = run(tmp_path / "in", output, spec, columns=str(clips))
    assert removed(uri) == expected
    similarity = {row["clip_id"]: row["similarity"] for row in pq.read_table(uri).to_pylist()}
    assert similarity.get("c", 0.766044) == pytest.approx(0.766044, abs=2e-6)


def test_a_part_of_known_rows_that_is_cut_off_is_named(embeddings: Path, output: Path) -> None:
    run(embeddings, output, ADDING)
    for part in (output / "dedup" / "known").glob("*.f32"):
        part.write_bytes(part.read_bytes()[:100])
    add_copies(embeddings)
    with pytest.raises(StoreError, match=r"f32: ends before row"):
        run(embeddings, output, ADDING)


def test_new_clips_of_another_size_are_named(embeddings: Path, output: Path) -> None:
    run(embeddings, output, ADDING)
    write(embeddings / "later.parquet", ["a"], [[1, 2]])
    with pytest.raises(BadEmbeddings, match="row 0 has 2 numbers, earlier runs had 24"):
        run(embeddings, output, ADDING)


def test_a_run_of_additions_finds_nearly_what_a_full_run_finds(tmp_path: Path, output: Path) -> None:
    ids, rows = copies(num_films=120, each=2, noise=0.03)
    edges = [0, 216, 228, 240]
    order = np.random.default_rng(0).permutation(240)
    for part, (start, end) in enumerate(itertools.pairwise(edges)):
        chosen = order[start:end]
        write(tmp_path / "in" / f"{part}.parquet", [ids[row] for row in chosen], rows[chosen])
        uri = run(tmp_path / "in", output, ADDING.model_copy(update={"n_clusters": 12}))
    at_once = run(tmp_path / "in", tmp_path / "full", DedupSpec(eps=0.1, n_clusters=12))
    assert len(removed(uri)) >= 0.99 * len(removed(at_once))


# Reruns, partitions, interruption


def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fit, "ROWS_PER_GROUP", 5)
    monkeypatch.setattr(fit, "FILES_PER_SHARD", 1)


def test_a_rerun_touches_no_file(embeddings: Path, output: Path) -> None:
    run(embeddings, output)
    before = mtimes(output)
    run(embeddings, output)
    assert mtimes(output) == before


def test_another_eps_repeats_neither_clustering_nor_pairs(embeddings: Path, output: Path) -> None:
    run(embeddings, output)
    before = mtimes(output)
    run(embeddings, output, DedupSpec(eps=1e-6))
    changed = {path for path, mtime in mtimes(output).items() if before.get(path) != mtime}
    assert {Path(path).name for path in changed} == {
        "part-0.parquet",
        "semantic_duplicates.parquet",
        "known.json",
        "similarities.json",
        next((output / "work" / "dedup_read").iterdir()).name,
    }
    assert {Path(path).parent.name for path in changed} == {"duplicates", "dedup", "dedup_read"}


def test_parts_and_groups_do_not_change_the_result(
    embeddings: Path, output: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(embeddings, output)
    write_copies(tmp_path / "other", num_files=7)
    small_parts(monkeypatch)
    fitted = dedup.fit_clusters(str(tmp_path / "other"), str(tmp_path / "out2"), SPEC)
    assert len(dedup.embedding_shards(fitted)) == 7
    run(tmp_path / "other", tmp_path / "out2")
    assert documented(output / "dedup") == documented(tmp_path / "out2" / "dedup")


def test_groups_are_at_most_as_many_as_asked_for(
    embeddings: Path, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_parts(monkeypatch)
    spec = DedupSpec(eps=0.1, max_groups=2)
    fitted = dedup.fit_clusters(str(embeddings), str(output), spec)
    assigned = [dedup.assign_clusters(shard) for shard in dedup.embedding_shards(fitted)]
    assert len(dedup.cluster_groups(fitted, assigned, spec)) == 2


@pytest.mark.parametrize("sample", [{"fit_sample": 20}, {"fit_data_fraction": 0.55}], ids=["rows", "share"])
def test_a_sample_of_the_rows_can_be_fitted(embeddings: Path, output: Path, sample: dict[str, float]) -> None:
    spec = DedupSpec.model_validate({"eps": 0.1, "n_clusters": 3, **sample})
    table = pq.read_table(run(embeddings, output, spec))
    rows = [pq.ParquetFile(path).read() for path in (output / "dedup" / "kmeans_results").rglob("*.parquet")]
    assert sum(len(part) for part in rows) == 36
    assert len(table) > 18


def test_clusters_of_an_earlier_run_go(embeddings: Path, output: Path, tmp_path: Path) -> None:
    run(embeddings, output, DedupSpec(eps=0.1, n_clusters=9))
    run(embeddings, output, DedupSpec(eps=0.1, n_clusters=2))
    run(embeddings, tmp_path / "fresh", DedupSpec(eps=0.1, n_clusters=2))
    assert tree(output / "dedup") == tree(tmp_path / "fresh" / "dedup")


def test_work_of_an_earlier_run_goes_when_the_next_is_done(embeddings: Path, output: Path) -> None:
    run(embeddings, output, DedupSpec(eps=0.1, n_clusters=9))
    first = set(tree(output / "work"))
    run(embeddings, output, DedupSpec(eps=0.1, n_clusters=2))
    assert first.isdisjoint(tree(output / "work"))


ADDING_TO_NINE = DedupSpec(eps=0.1, n_clusters=9, mode="incremental")


def test_nothing_is_replaced_before_the_result_is_known(embeddings: Path, output: Path) -> None:
    run(embeddings, output, DedupSpec(eps=0.1, n_clusters=9))
    before = documented(output / "dedup"), read_known(str(output), ADDING_TO_NINE)
    spec = DedupSpec(eps=0.1, n_clusters=2)
    fitted = dedup.fit_clusters(str(embeddings), str(output), spec)
    assigned = [dedup.assign_clusters(shard) for shard in dedup.embedding_shards(fitted)]
    found = [dedup.find_duplicates(group) for group in dedup.cluster_groups(fitted, assigned, spec)]
    pairs = next(Path(fitted).parent.rglob("pairwise_results/*.parquet"))
    pairs.write_bytes(b"cut off")
    with pytest.raises(StoreError, match="not a readable table"):
        dedup.select_keepers(found, str(output), spec, algorithm="perceptual")
    assert (documented(output / "dedup"), read_known(str(output), ADDING_TO_NINE)) == before


def test_a_shard_that_was_not_assigned_is_an_error(embeddings: Path, output: Path) -> None:
    fitted = dedup.fit_clusters(str(embeddings), str(output), SPEC)
    with pytest.raises(ValueError, match="1 shards, 0 were assigned"):
        dedup.cluster_groups(fitted, [], SPEC)


def test_changed_embeddings_are_clustered_again(embeddings: Path, output: Path) -> None:
    assert len(pq.read_table(run(embeddings, output))) > 0
    write(embeddings / "0.parquet", ["x"], [np.eye(24)[0]])
    write(embeddings / "1.parquet", ["y"], [np.eye(24)[1]])
    assert len(pq.read_table(run(embeddings, output))) == 0


def test_runs_on_an_object_store() -> None:
    ids, rows = copies(num_films=3)
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"id": ids, "embedding": [list(row) for row in rows]}), sink)
    store.put_bytes("memory://bucket/in/a.parquet", sink.getvalue().to_pybytes())
    uri = run("memory://bucket/in", "memory://bucket/out", DedupSpec(eps=0.1, n_clusters=1))
    assert len(pq.read_table(pa.BufferReader(store.read_bytes(uri)))) == 6
    again = run("memory://bucket/in", "memory://bucket/out", DedupSpec(eps=0.1, n_clusters=2))
    assert {file.uri.split("/")[-2] for file in store.find("memory://bucket/out/dedup/kmeans_results")} == {
        "centroid=0",
        "centroid=1",
    }
    assert again == uri == "memory://bucket/out/dedup/semantic_duplicates.parquet"

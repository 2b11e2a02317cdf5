import itertools
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clipmill.dedup_job.tables import embedding_files as embeddings_module
from clipmill.errors import BadEmbeddings, StoreError
from clipmill.specs import DedupSpec
from clipmill.storage import store
from tests.support.runs.dedup_runs import (
    ADDING,
    add_copies,
    copies,
    mtimes,
    removed,
    run,
    tree,
    unlike,
    write,
    write_copies,
)

pytestmark = pytest.mark.integration


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


@pytest.mark.parametrize("linkage", ["connected", "complete"])
@pytest.mark.parametrize("kept", ["random", "columns", "easy", "hard", "best"])
def test_one_clip_of_a_group_stays_and_it_is_that_of_a_full_run(
    embeddings: Path, output: Path, tmp_path: Path, kept: str, linkage: str
) -> None:
    """New clips that rank first stay, and what stayed before goes with all that went for it."""
    names = [name for name, _ in zip(*copies(each=4), strict=True)]
    clips = tmp_path / "clips.parquet"
    pq.write_table(pa.table({"id": [*names, *(f"{name}x" for name in names)], "place": range(96)}), clips)
    fields = {"which_to_keep": kept, "rank_columns": ["place"] * (kept == "columns"), "n_clusters": 1}
    spec = ADDING.model_copy(update={**fields, "group_linkage": linkage})
    before = removed(run(embeddings, output, spec, columns=str(clips)))
    add_copies(embeddings)
    after = removed(run(embeddings, output, spec, columns=str(clips)))
    assert not set(after.values()) & set(after)
    assert len(set(after.values())) == 13
    assert len({(name[:6], keeper) for name, keeper in after.items()}) == 13
    if kept in ("random", "columns"):
        assert set(before.values()) - set(after.values())
    if kept in ("random", "columns", "best"):
        whole = spec.model_copy(update={"mode": "full"})
        assert after == removed(run(embeddings, tmp_path / "full", whole, columns=str(clips)))


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

"""Deduplication of embeddings that have sketches beside them."""

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clipmill.dedup.copies.fingerprints import Sketch, encode
from clipmill.dedup.ranking import rank_random
from clipmill.dedup_job.similarity_histogram import read_similarities
from clipmill.errors import BadEmbeddings
from clipmill.specs import DedupSpec
from tests.support.films.sketches import detailed, directions, pictures, sketched, towards, write_sketched
from tests.support.runs.dedup_runs import removed, run, tree

pytestmark = pytest.mark.integration


ADDING = DedupSpec(n_clusters=1, mode="incremental")
FILM, OTHER, THIRD = directions(3)
WHOLE, TRIMMED = sketched(pictures(0)), sketched(pictures(0, from_step=2.5, num_steps=9.5))
ELSEWHERE, SAME_PLACE = sketched(pictures(5)), sketched(pictures(0, thing=1))
FAR = 0.45
"""Similarity of embeddings that are candidates, and by themselves no duplicates."""


def pair(
    folder: Path,
    *,
    similarity: float,
    one: Sketch | bytes | None = WHOLE,
    other: Sketch | bytes | None = TRIMMED,
) -> Path:
    """Two clips whose embeddings have this similarity."""
    rows = [FILM, towards(FILM, similarity, seed=1)]
    write_sketched(folder / "clips.parquet", ["a", "b"], rows, [one, other])
    return folder


def found(embeddings: Path, output: Path) -> set[str]:
    return set(removed(run(embeddings, output, DedupSpec(n_clusters=1))))


def test_a_trimmed_copy_whose_embedding_is_far_goes(tmp_path: Path) -> None:
    assert len(found(pair(tmp_path / "in", similarity=FAR), tmp_path)) == 1


def test_the_table_has_the_verified_similarity(tmp_path: Path) -> None:
    uri = run(pair(tmp_path / "in", similarity=FAR), tmp_path, DedupSpec(n_clusters=1))
    assert pq.read_table(uri)["similarity"].to_pylist()[0] > 0.78


@pytest.mark.parametrize("other", [ELSEWHERE, SAME_PLACE], ids=["another place", "another thing in it"])
def test_another_shot_with_nearly_the_same_embedding_stays(tmp_path: Path, other: Sketch) -> None:
    assert not found(pair(tmp_path / "in", similarity=0.95, other=other), tmp_path)


def test_a_copy_whose_embedding_says_nothing_goes_by_its_pictures(tmp_path: Path) -> None:
    assert found(pair(tmp_path / "in", similarity=0.1, other=WHOLE), tmp_path) == {"b"}


@pytest.mark.parametrize("similarity", [0.95, FAR])
def test_of_a_clip_without_sketch_the_embedding_decides(tmp_path: Path, similarity: float) -> None:
    assert bool(found(pair(tmp_path / "in", similarity=similarity, other=None), tmp_path)) is (
        similarity > 0.9
    )


def test_files_with_and_without_the_column_go_together(tmp_path: Path) -> None:
    pair(tmp_path / "in", similarity=FAR)
    rows = [OTHER, OTHER]
    write_sketched(tmp_path / "in" / "older.parquet", ["c", "d"], rows, [None, None])
    older = pq.read_table(tmp_path / "in" / "older.parquet").drop_columns(["sketch"])
    pq.write_table(older, tmp_path / "in" / "older.parquet")
    assert len(found(tmp_path / "in", tmp_path)) == 2


def test_a_column_without_any_sketch_changes_nothing(tmp_path: Path) -> None:
    pair(tmp_path / "with", similarity=0.9, one=None, other=None)
    table = pq.read_table(tmp_path / "with").drop_columns(["sketch"])
    (tmp_path / "without").mkdir()
    pq.write_table(table, tmp_path / "without" / "clips.parquet")
    run(tmp_path / "with", tmp_path / "one", DedupSpec(n_clusters=1))
    run(tmp_path / "without", tmp_path / "other", DedupSpec(n_clusters=1))
    assert tree(tmp_path / "one" / "dedup") == tree(tmp_path / "other" / "dedup")


def test_a_copy_beyond_a_border_goes(tmp_path: Path) -> None:
    rows = [FILM, towards(FILM, 0.72, seed=1), FILM, towards(FILM, 0.72, seed=1)]
    sketches = [WHOLE, TRIMMED, ELSEWHERE, sketched(pictures(9))]
    write_sketched(tmp_path / "in" / "a.parquet", ["a", "b", "c", "d"], rows, sketches)
    uri = run(tmp_path / "in", tmp_path, DedupSpec(n_clusters=2))
    assert [(row["method"], row["clip_id"] in "ab") for row in pq.read_table(uri).to_pylist()] == [
        ("cross_border", True)
    ]


def test_evidence_counts_verified_similarities(tmp_path: Path) -> None:
    found(pair(tmp_path / "in", similarity=0.95, other=ELSEWHERE), tmp_path)
    similarities = read_similarities(str(tmp_path))
    assert similarities is not None
    assert sum(similarities.counts) == 1
    assert not any(similarities.counts[780:])


def test_complete_linkage_asks_the_sketches_about_the_keeper(tmp_path: Path) -> None:
    first, middle, last = (sketched(pictures(0, from_step=start, num_steps=9)) for start in (0, 4, 8))
    rows = [FILM, towards(FILM, 0.9, seed=1), towards(FILM, 0.9, seed=2)]
    write_sketched(tmp_path / "in" / "a.parquet", ["a", "b", "c"], rows, [first, middle, last])
    spec = DedupSpec(n_clusters=1, which_to_keep="random", random_state=_in_order("abc"))
    complete = removed(run(tmp_path / "in", tmp_path / "x", spec))
    spec = spec.model_copy(update={"group_linkage": "connected"})
    connected = removed(run(tmp_path / "in", tmp_path / "y", spec))
    assert connected == {"b": "a", "c": "a"}
    assert complete == {"b": "a"}


@pytest.mark.parametrize("linkage", ["connected", "complete"])
def test_the_best_copy_of_a_group_stays_until_a_better_one_comes(tmp_path: Path, linkage: str) -> None:
    spec = ADDING.model_copy(update={"group_linkage": linkage})
    copies = {
        "a enlarged": detailed(WHOLE, height_px=720), "b original": detailed(WHOLE),
        "c small": detailed(WHOLE, height_px=180, lost=0.3), "d trimmed": detailed(TRIMMED),
    }  # fmt: skip
    rows = [towards(FILM, 0.95, seed=seed) for seed in range(len(copies))]
    write_sketched(tmp_path / "in" / "a.parquet", list(copies), rows, list(copies.values()))
    lengths = {"b original": 6.0, "d trimmed": 4.75}
    clips = pa.table({"clip_id": list(lengths), "start_s": [0.0, 0.0], "end_s": list(lengths.values())})
    pq.write_table(clips, tmp_path / "clips.parquet")
    uri = run(tmp_path / "in", tmp_path, spec, columns=str(tmp_path / "clips.parquet"))
    assert because(uri) == {
        "a enlarged": ("b original", "as sharp without being enlarged"),
        "c small": ("b original", "larger picture"),
        "d trimmed": ("b original", "longer"),
    }
    assert {(row["cluster"], row["method"]) for row in pq.read_table(uri).to_pylist()} == {(0, "semantic")}
    better = detailed(WHOLE, lost=-0.3)
    write_sketched(tmp_path / "in" / "b.parquet", ["e"], [towards(FILM, 0.95, seed=9)], [better])
    clips = str(tmp_path / "clips.parquet")
    later = because(run(tmp_path / "in", tmp_path, spec, columns=clips))
    assert {name: why for name, (keeper, why) in later.items() if keeper == "e"} == {
        "a enlarged": "sharper", "b original": "sharper", "c small": "larger picture", "d trimmed": "sharper",
    }  # fmt: skip
    gone = [row["id"] for part in (tmp_path / "dedup" / "duplicates").iterdir() for row in rows_of(part)]
    assert sorted(gone) == sorted(later)
    whole = spec.model_copy(update={"mode": "full"})
    assert because(run(tmp_path / "in", tmp_path / "full", whole, columns=clips)) == later


def test_a_better_copy_goes_where_earlier_keepers_are_to_stay(tmp_path: Path) -> None:
    spec = ADDING.model_copy(update={"replace_keepers": False})
    for name, lost in (("a", 0.0), ("b", -0.3)):
        row = [towards(FILM, 0.95, seed=ord(name))]
        write_sketched(tmp_path / "in" / f"{name}.parquet", [name], row, [detailed(WHOLE, lost=lost)])
        uri = run(tmp_path / "in", tmp_path, spec)
    assert because(uri) == {"b": ("a", "kept in an earlier run")}


def rows_of(path: Path) -> list[dict[str, str]]:
    return pq.read_table(path).to_pylist()


@pytest.mark.parametrize("kept", ["best", "random"])
def test_what_is_a_part_of_a_longer_clip_goes_and_never_the_longer_clip(tmp_path: Path, kept: str) -> None:
    """Where the part is sharper, too; by another ranking both stay where the part comes first."""
    whole = detailed(sketched(pictures(0, num_steps=20)), lost=0.3)
    part = detailed(sketched(pictures(0, from_step=13, num_steps=6)))
    spec = DedupSpec.model_validate({"n_clusters": 1, "which_to_keep": kept})
    rows = [FILM, towards(FILM, FAR, seed=1)]
    for names in ("ab", "ba"):
        write_sketched(tmp_path / "in" / "clips.parquet", list(names), rows, [whole, part])
        part_first = kept == "random" and rank_random(list(names), seed=spec.random_state)[0] == 1
        gone = {} if part_first else {names[1]: names[0]}
        assert removed(run(tmp_path / "in", tmp_path / names, spec)) == gone


LONG, PART = sketched(pictures(0, num_steps=20)), sketched(pictures(0, from_step=13, num_steps=6))


def test_a_part_goes_though_the_embedding_says_nothing_of_it(tmp_path: Path) -> None:
    """The embedding of the longer clip is that of the other things that it shows."""
    rows = [FILM, OTHER, THIRD]
    other = sketched(pictures(5, num_steps=6))
    write_sketched(tmp_path / "in" / "clips.parquet", ["long", "other", "part"], rows, [LONG, other, PART])
    assert removed(run(tmp_path / "in", tmp_path, DedupSpec(n_clusters=1))) == {"part": "long"}


@pytest.mark.parametrize(
    ("spec", "height_px", "goes"),
    [
        ({}, 360, "part"),
        ({}, 180, ""),
        ({"which_to_keep": "easy"}, 360, ""),
        ({"replace_keepers": False}, 360, ""),
    ],
)
def test_a_longer_clip_that_comes_later_replaces_a_part_of_it(
    tmp_path: Path, spec: dict[str, object], height_px: int, goes: str
) -> None:
    """As a full run would choose; where it cannot, both stay: the longer one never goes for its part."""
    adding = DedupSpec.model_validate({"n_clusters": 1, "mode": "incremental", **spec})
    write_sketched(tmp_path / "in" / "a.parquet", ["part"], [FILM], [detailed(PART, height_px=360)])
    run(tmp_path / "in", tmp_path, adding)
    for place, row in (("near", towards(FILM, FAR, seed=1)), ("far", OTHER)):
        shutil.copytree(tmp_path / "dedup", tmp_path / place / "dedup")
        shutil.copytree(tmp_path / "in", tmp_path / place / "in")
        later = tmp_path / place / "in" / "b.parquet"
        write_sketched(later, ["long"], [row], [detailed(LONG, height_px=height_px)])
        found = removed(run(tmp_path / place / "in", tmp_path / place, adding))
        assert found == ({goes: "long"} if goes else {})


def because(uri: str) -> dict[str, tuple[str, str]]:
    rows = pq.read_table(uri).to_pylist()
    return {row["clip_id"]: (row["duplicate_of"], row["kept_because"]) for row in rows}


def _in_order(names: str) -> int:
    """A seed by which clips of these names rank in this order."""
    return next(
        seed for seed in range(1000) if rank_random(list(names), seed=seed).tolist() == [*range(len(names))]
    )


def test_a_copy_added_later_goes(tmp_path: Path) -> None:
    write_sketched(tmp_path / "in" / "a.parquet", ["a", "b"], [FILM, OTHER], [WHOLE, ELSEWHERE])
    assert not removed(run(tmp_path / "in", tmp_path, ADDING))
    rows = [towards(FILM, FAR, seed=1), towards(FILM, 0.95, seed=2)]
    write_sketched(tmp_path / "in" / "b.parquet", ["c", "d"], rows, [TRIMMED, SAME_PLACE])
    assert removed(run(tmp_path / "in", tmp_path, ADDING)) == {"c": "a"}


def test_copies_of_each_other_that_are_added_together_leave_one(tmp_path: Path) -> None:
    write_sketched(tmp_path / "in" / "a.parquet", ["a"], [OTHER], [ELSEWHERE])
    run(tmp_path / "in", tmp_path, ADDING)
    rows = [FILM, towards(FILM, FAR, seed=1)]
    write_sketched(tmp_path / "in" / "b.parquet", ["c", "d"], rows, [WHOLE, TRIMMED])
    assert len(removed(run(tmp_path / "in", tmp_path, ADDING))) == 1


def test_a_copy_of_a_clip_that_went_joins_the_one_that_stayed(tmp_path: Path) -> None:
    rows = [FILM, towards(FILM, FAR, seed=1)]
    write_sketched(tmp_path / "in" / "a.parquet", ["a", "b"], rows, [WHOLE, TRIMMED])
    ((gone, kept),) = removed(run(tmp_path / "in", tmp_path, ADDING)).items()
    row = rows["ab".index(gone)]
    write_sketched(tmp_path / "in" / "b.parquet", ["c"], [row], [[WHOLE, TRIMMED]["ab".index(gone)]])
    assert removed(run(tmp_path / "in", tmp_path, ADDING)) == {gone: kept, "c": kept}


def test_another_sketch_under_an_old_id_compares_all_clips_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pair(tmp_path / "in", similarity=FAR)
    assert len(removed(run(tmp_path / "in", tmp_path, ADDING))) == 1
    pair(tmp_path / "in", similarity=FAR, other=ELSEWHERE)
    assert not removed(run(tmp_path / "in", tmp_path, ADDING))
    assert "all clips are compared again" in caplog.text


@pytest.mark.parametrize(
    "data", [b"", encode(WHOLE)[:-1], b"\x05\x01" + bytes(1728)], ids=["empty", "cut off", "step of five"]
)
def test_a_damaged_sketch_is_named(tmp_path: Path, data: bytes) -> None:
    pair(tmp_path / "in", similarity=FAR, other=data)
    with pytest.raises(BadEmbeddings, match=r"clips\.parquet.*sketch of row 1 \(id b\)"):
        run(tmp_path / "in", tmp_path, DedupSpec())


def test_a_column_of_something_else_is_named(tmp_path: Path) -> None:
    pair(tmp_path / "in", similarity=FAR)
    path = tmp_path / "in" / "clips.parquet"
    table = pq.read_table(path)
    pq.write_table(table.set_column(2, "sketch", [np.array([1.0, 2.0])]), path)
    with pytest.raises(BadEmbeddings, match=r"clips\.parquet.*column sketch holds double, not bytes"):
        run(tmp_path / "in", tmp_path, DedupSpec())

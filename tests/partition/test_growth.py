"""Splits over snapshots that grow: no leak, nothing to measure by ever moves, planted links are all found."""

import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clipmill.cli.exits import DONE, FAILURES_LEFT, MISUSE
from clipmill.cli.main import main
from clipmill.dataset.snapshots.record import named_snapshot
from clipmill.errors import OutputError, SpecError
from clipmill.partition.leaks import find_leaks
from clipmill.partition.run import Split, split_clips
from clipmill.partition.spec import PartitionSpec
from clipmill.partition.table import read_standing
from tests.support.published import Row, clip_row, publish_by_hand

RATIOS = {"train": 0.7, "val": 0.15, "test": 0.15}
SPEC = PartitionSpec(ratios=RATIOS)
STAGES = {
    "embedding": {
        "class": "clipmill.stages.video.embedding.perceptual:PerceptualEmbeddingStage", "parameters": {}
    }
}  # fmt: skip


def films(first: int, count: int, **more: object) -> list[Row]:
    """Films of three to five clips each."""
    return [
        clip_row(film * 10 + index, video=film, owner=f"owner-{film // 2}", **more)
        for film in range(first, first + count)
        for index in range(3 + film % 3)
    ]


def link(one: Row, other: Row) -> Row:
    return {
        "clip_id": one["clip_id"], "duplicate_of": other["clip_id"], "group_id": "g", "similarity": 0.9,
        "cluster": 0, "method": "semantic", "scope": "clip",
    }  # fmt: skip


def split(output: Path, clips: list[Row], links: Sequence[Row] = (), spec: PartitionSpec = SPEC) -> Split:
    videos = [
        {"uri": uri, "video_id": video} for uri, video in {(c["source_uri"], c["video_id"]) for c in clips}
    ]
    publish_by_hand(str(output), clips, STAGES, duplicates=links, videos=videos)
    return split_clips(str(output), named_snapshot(str(output), ""), spec)


def parts(output: Path) -> dict[str, str]:
    return read_standing(str(output)).by_id()


def test_ten_steps_of_growth_with_planted_links(tmp_path: Path) -> None:
    chance = random.Random(7)
    clips: list[Row] = films(0, 40)
    links: list[Row] = []
    measured: dict[str, str] = {}
    num_leaks, written = 0, dict[str, bytes]()
    for step in range(10):
        if step:
            new = films(40 + 12 * step, 12)
            # Each step joins a new film with two old ones, and two old films with each other.
            pairs = [(new[0], chance.choice(clips)), (new[0], chance.choice(clips))]
            pairs.append((chance.choice(clips), chance.choice(clips)))
            for one, other in pairs:
                if one["status"] == "kept" and one is not other:
                    one["status"] = "duplicate"
                    links.append(link(one, other))
            clips += new
        num_leaks += split(tmp_path, clips, links).num_leaks
        now = parts(tmp_path)
        files = {path.name: path.read_bytes() for path in (tmp_path / "splits").iterdir()}
        assert {name: files[name] for name in written} == written
        written = files
        assert {name: now[name] for name in measured} == measured
        measured = {name: part for name, part in now.items() if part in ("val", "test")}
        assert_no_link_crosses(clips, links, now)
        assert {str(clip["clip_id"]) for clip in clips if clip["status"] == "kept"} <= set(now)
    assert num_leaks > 0
    counts = Counter(now.values())
    assert counts["train"] > 3 * counts["val"] > 0
    assert counts["test"] > 0


def assert_no_link_crosses(clips: list[Row], links: list[Row], now: dict[str, str]) -> None:
    """Films joined by links, directly or through others, have one part beside what is held out.

    Two parts to measure by may be joined by a later link: both stay, as they were published.
    """
    group = {str(clip["video_id"]): str(clip["video_id"]) for clip in clips}
    film = {clip["clip_id"]: str(clip["video_id"]) for clip in clips}

    def root(name: str) -> str:
        return name if group[name] == name else root(group[name])

    for one in links:
        group[root(film[one["clip_id"]])] = root(film[one["duplicate_of"]])
    found = defaultdict(set)
    for clip in clips:
        found[root(str(clip["video_id"]))].add(now.get(str(clip["clip_id"]), "held_out"))
    for own in found.values():
        assert not ("train" in own and len(own - {"held_out"}) > 1)


def test_a_column_keeps_its_values_together_and_shares_come_near(tmp_path: Path) -> None:
    spec = PartitionSpec(ratios=RATIOS, group_by="owner", by="clips")
    done = split(tmp_path, clips := films(0, 120), spec=spec)
    now, owners = parts(tmp_path), defaultdict(set)
    for clip in clips:
        owners[clip["owner"]].add(now[str(clip["clip_id"])])
    assert all(len(own) == 1 for own in owners.values())
    total = sum(done.clips.values())
    assert done.obstacle is None
    for part, ratio in RATIOS.items():
        assert done.clips[part] / total == pytest.approx(ratio, abs=0.05)
    assert split(tmp_path, clips, spec=spec).num_new == 0
    with pytest.raises(OutputError, match="begin anew"):
        split(tmp_path, clips)


def test_a_users_column_keeps_its_values_together(tmp_path: Path) -> None:
    table = tmp_path / "owners.csv"
    lines = [f"/films/{film}.mp4,owner-{film // 3}" for film in range(40)]
    table.write_text("\n".join(["uri,owner", *lines]))
    spec = PartitionSpec(ratios=RATIOS, group_by="source.owner", metadata=str(table))
    split(tmp_path / "out", clips := films(0, 40), spec=spec)
    now, owners = parts(tmp_path / "out"), defaultdict(set)
    for clip in clips:
        owners[int(str(clip["video_id"]).removeprefix("video-")) // 3].add(now[str(clip["clip_id"])])
    assert all(len(own) == 1 for own in owners.values())


def test_a_seed_draws_other_groups(tmp_path: Path) -> None:
    for seed in (0, 1):
        split(tmp_path / str(seed), films(0, 40), spec=PartitionSpec(ratios=RATIOS, seed=seed))
    assert parts(tmp_path / "0") != parts(tmp_path / "1")


def test_a_cap_keeps_the_best_of_each_value(tmp_path: Path) -> None:
    spec = PartitionSpec(ratios=RATIOS, cap=2, cap_by="video_id", rank="sharpness")
    done = split(tmp_path, clips := films(0, 40), spec=spec)
    now = parts(tmp_path)
    for film in range(40):
        own = [clip for clip in clips if clip["video_id"] == f"video-{film}"]
        kept = sorted(own, key=lambda clip: (-float(str(clip["sharpness"])), str(clip["clip_id"])))[:2]
        assert {c["clip_id"] for c in own if now[str(c["clip_id"])] != "held_out"} == {
            c["clip_id"] for c in kept
        }
    assert done.num_capped == done.clips["held_out"] > 0


def test_parts_that_cannot_be_filled_are_said(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="would be empty"):
        split(tmp_path, films(0, 2))


@pytest.mark.parametrize("column", ["", "owner"])
def test_a_large_group_that_makes_shares_miss_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], column: str
) -> None:
    clips = films(0, 8)
    for clip in clips[:12]:  # three films
        clip.update({"owner": "one"} if column else {"video_id": "video-0", "source_uri": "/films/0.mp4"})
    publish_by_hand(str(tmp_path), clips, STAGES)
    options = ["--ratios", "train=0.9,val=0.05,test=0.05", "--by", "clips", "--group-by", column]
    assert main(["split", str(tmp_path), *options]) == DONE
    said = capsys.readouterr().out.splitlines()[-1]
    together, videos = (
        ("a video, its copies and equal values of owner", "3 videos") if column else
        ("a video and its copies", "1 video")
    )  # fmt: skip
    assert said.startswith(
        f"the shares are missed: {together} stay in one part, and the largest group holds 12 clips of "
        f"{videos}, 39% of all clips, such as those of /films/"
    )
    assert ("group by a column with more values" in said) == bool(column)


def test_planted_leaks_are_all_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Copies that deduplication let pass: more alike than the wider bound, and no link between them."""
    clips = films(0, 60)
    split(tmp_path, clips)
    now, rng = parts(tmp_path), np.random.default_rng(3)
    rows = rng.standard_normal((len(clips), 64))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    ids = [str(clip["clip_id"]) for clip in clips]
    trained = [row for row, name in enumerate(ids) if now[name] == "train"]
    measured = [row for row, name in enumerate(ids) if now[name] in ("val", "test")]
    planted = list(zip(trained[:8], measured[:8], strict=True))
    for one, other in planted:
        rows[one] = rows[other] + 0.05 * rows[one]
    same_part = trained[9], trained[10]
    rows[same_part[0]] = rows[same_part[1]]
    folder = tmp_path / "perceptual_embd_parquet"
    folder.mkdir()
    vectors = pa.array(rows.astype(np.float32).tolist(), pa.list_(pa.float32(), 64))
    pq.write_table(pa.table({"id": ids, "embedding": vectors}), folder / "part-0.parquet")
    found = find_leaks(str(tmp_path), named_snapshot(str(tmp_path), ""), "train")
    assert {frozenset((leak.clip_id, leak.other_id)) for leak in found} == {
        frozenset((ids[one], ids[other])) for one, other in planted
    }
    assert main(["split", str(tmp_path), "--check"]) == FAILURES_LEFT
    assert "8 pairs of clips of different parts are alike" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--ratios", "train=0.9,val=0.2"], "add up to 1"),
        (["--ratios", "train"], "ratios must be like"),
        (["--ratios", "train=0.9,held_out=0.1"], "choose another name"),
        (["--ratios", "train-a=0.5,b=0.5"], "the name of a part has letters, digits and _ only"),
        (["--group-by", "onwer"], "no column onwer; did you mean owner?"),
        (["--group-by", "cluster"], "no column cluster"),
        (["--group-by", "tags"], "column tags holds list<element: string>, which has no equal values"),
        (["--cap", "3", "--cap-by", "video_id", "--rank", "owner"], "rank by a column of numbers"),
        (["--metadata", "{output}/other.csv"], "names no video of the source"),
        (["--cap", "3"], "--cap-by video_id"),
        (["--cap", "3", "--cap-by", "cluster"], "was not deduplicated"),
        (["--snapshot", "nope"], "has no snapshot nope"),
    ],
)
def test_what_cannot_be_split_is_one_line(
    options: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    videos = [{"uri": "/films/0.mp4", "video_id": "video-0"}]
    publish_by_hand(str(tmp_path), films(0, 40, tags=["a"]), STAGES, videos=videos)
    (tmp_path / "other.csv").write_text("file,owner\na.mp4,Anna\n")
    options = [one.format(output=tmp_path) for one in options]
    assert main(["split", str(tmp_path), *options]) == MISUSE
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert main(["split", str(tmp_path)]) == DONE

"""The same output again: only what is missing is done, and nothing published tells how it came about."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from clipmill.dataset.snapshots.prune import list_snapshots, plan_pruning, prune
from clipmill.dataset.verify.run import verify
from clipmill.engine.operators.scan import NOTHING_DECODED
from clipmill.specs import CurateSpec
from tests.support.films.small_films import draw_film
from tests.support.runs.curation import (
    Row,
    curate_here,
    fates,
    laps,
    plain_spec,
    published_files,
    rows,
    small_spec,
    stamps,
)
from tests.support.runs.one_codec import one_codec_process

pytestmark = pytest.mark.usefixtures("shared_codec")

STRICT = {"motion_filter": {"score_only": False, "global_mean_threshold": 0.003}}
"""Between the motion of the film's two shots."""


@pytest.fixture
def source(tmp_path: Path, film: Path) -> Path:
    """A folder with one film and a file that is none."""
    folder = tmp_path / "source"
    folder.mkdir()
    shutil.copy2(film, folder / "harbour.mp4")
    (folder / "letter.mp4").write_text("The film will follow by post.\n")
    return folder


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "out"


def published_by(source: Path, output: Path, *specs: CurateSpec) -> dict[str, bytes]:
    """What runs with ``specs``, one after the other, leave in an output that was empty before."""
    shutil.rmtree(output, ignore_errors=True)
    for spec in specs:
        curate_here(source, output, spec)
    return published_files(output)


def pixel_work(output: Path) -> set[tuple[str, str]]:
    """(operator, name of the source) of all laps so far."""
    names = {row["video_id"]: Path(str(row["uri"])).name for row in rows(output, "videos")}
    return {(str(lap["operator"]), names[lap["video_id"]]) for lap in laps(output)}


def test_second_run_changes_no_file_but_its_record(collection: Path, output: Path) -> None:
    curate_here(collection, output)
    before = stamps(output)
    curate_here(collection, output)
    after = stamps(output)
    assert {name: after[name] for name in before} == before
    assert [Path(name).parent.name for name in after.keys() - before.keys()] == ["runs"]


def test_second_run_streams_nothing(source: Path, output: Path) -> None:
    curate_here(source, output, plain_spec())
    done = curate_here(source, output, plain_spec())
    assert done.video_s_per_s == 0
    assert len(list((output / "runs").glob("*.stream.json"))) == 1


def test_added_film_alone_is_processed(source: Path, output: Path) -> None:
    curate_here(source, output, plain_spec())
    before = laps(output)
    draw_film(source / "market.mp4", seed=2, shots=(30,))
    curate_here(source, output, plain_spec())
    added = [lap for lap in laps(output) if lap not in before]
    names = {row["video_id"]: Path(str(row["uri"])).name for row in rows(output, "videos")}
    assert {names[lap["video_id"]] for lap in added} == {"market.mp4"}
    assert fates(output, source) == {
        "harbour.mp4": "curated", "letter.mp4": "not_a_video", "market.mp4": "curated"
    }  # fmt: skip


def test_films_added_one_by_one_give_the_same_files(source: Path, output: Path) -> None:
    draw_film(source / "market.mp4", seed=2, shots=(30,))
    at_once = published_by(source, output, small_spec())
    shutil.rmtree(output)
    shutil.move(source / "market.mp4", source.parent / "market.mp4")
    curate_here(source, output)
    shutil.move(source.parent / "market.mp4", source / "market.mp4")
    curate_here(source, output)
    assert published_files(output) == at_once


def test_other_clip_files_leave_those_of_the_snapshot_before(source: Path, output: Path) -> None:
    """Files of a later digest lie beside the first ones, and pruning removes those that no snapshot names."""
    specs = [plain_spec(), plain_spec(transcode={"quality": 40})]
    for spec in specs:
        curate_here(source, output, spec)
    names = sorted(one.name for one in (output / "clips").iterdir() if one.is_file())
    later = sorted(str(one.relative_to(output)) for one in (output / "clips").glob("*/*"))
    assert [Path(name).name for name in later] == names
    assert sorted(str(row["clip_uri"]) for row in rows(output, "clips")) == later
    now, before = list_snapshots(str(output))
    for one in (now, before):
        _, report = verify(str(output), sample=None, snapshot=one.snapshot.snapshot_id)
        assert report.findings == []
    prune(plan_pruning(str(output)))
    assert not [one for one in (output / "clips").iterdir() if one.is_file()]
    assert verify(str(output), sample=None)[1].findings == []
    curate_here(source, output, specs[0])
    assert sorted(str(row["clip_uri"]) for row in rows(output, "clips")) == [
        f"clips/{name}" for name in names
    ]
    assert verify(str(output), sample=None)[1].findings == []


def test_deleted_output_is_rebuilt(source: Path, output: Path) -> None:
    before = published_by(source, output, small_spec())
    assert published_by(source, output, small_spec()) == before


def test_removed_film_leaves_the_tables(source: Path, output: Path) -> None:
    draw_film(source / "market.mp4", seed=2, shots=(30,))
    curate_here(source, output, plain_spec())
    (source / "market.mp4").unlink()
    curate_here(source, output, plain_spec())
    assert {Path(str(row["source_uri"])).name for row in rows(output, "clips")} == {"harbour.mp4"}


def test_film_that_was_replaced_is_processed_anew(source: Path, output: Path) -> None:
    curate_here(source, output, plain_spec())
    before = {row["clip_id"] for row in rows(output, "clips")}
    draw_film(source / "harbour.mp4", seed=3, shots=(30,))
    curate_here(source, output, plain_spec())
    after = {row["clip_id"] for row in rows(output, "clips")}
    assert len(after) == 1
    assert not before & after


def test_tighter_threshold_touches_no_pixels_and_leaves_the_clip_files(source: Path, output: Path) -> None:
    curate_here(source, output, small_spec())
    before = laps(output)
    curate_here(source, output, small_spec(**STRICT))
    assert laps(output) == before
    assert [row["reason"] for row in rows(output, "clips")] == [None, "low_motion"]
    assert len(list((output / "clips").iterdir())) == 2


def test_looser_threshold_computes_what_is_missing_only(source: Path, output: Path) -> None:
    curate_here(source, output, small_spec(**STRICT))
    assert len(list((output / "clips").iterdir())) == 1
    kept = stamps(output / "clips")
    curate_here(source, output, small_spec())
    clips = rows(output, "clips")
    assert [row["status"] for row in clips] == ["kept", "kept"]
    assert all(row["embedding_algorithm"] and row["clip_digest"] for row in clips)
    assert {name: stamps(output / "clips")[name] for name in kept} == kept


EARLIER: dict[str, dict[str, object]] = {
    "stricter": STRICT,
    "without embedding": {"embedding": None},
    "without preview": {"preview": None},
    "without quality": {"quality": None},
    "without clips": {"write": {"upload_clips": False}},
    "dry": {"write": {"dry_run": True}},
    "without motion": {"motion": None, "motion_filter": None},
}


@pytest.fixture(scope="module")
def undisturbed(film: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, bytes]]:
    """A folder of runs over one film, and what the first of them published: URIs hold its name."""
    folder = tmp_path_factory.mktemp("undisturbed")
    with one_codec_process():
        return folder, published_by(film, folder / "out", small_spec())


@pytest.mark.parametrize("first", EARLIER.values(), ids=EARLIER)
def test_what_was_run_before_does_not_show(
    film: Path, undisturbed: tuple[Path, dict[str, bytes]], first: dict[str, object]
) -> None:
    folder, published = undisturbed
    assert published_by(film, folder / "out", small_spec(**first), small_spec()) == published


def test_another_encoder_setting_recuts_without_another_scan(source: Path, output: Path) -> None:
    curate_here(source, output, small_spec())
    before = laps(output)
    curate_here(source, output, small_spec(transcode={"quality": 30}))
    added = [lap for lap in laps(output) if lap not in before]
    assert {lap["detail"] for lap in added if lap["operator"] == "scan"} == {NOTHING_DECODED}
    assert {row["encode_digest"] for row in rows(output, "clips")} != {None}


def test_budget_leaves_the_rest_pending_and_the_next_run_goes_on(source: Path, output: Path) -> None:
    draw_film(source / "market.mp4", seed=2, shots=(30,))
    spec = plain_spec(limits={"max_work_per_run": 0.001})
    curate_here(source, output, spec)
    assert fates(output, source) == {
        "harbour.mp4": "curated", "letter.mp4": "not_a_video", "market.mp4": "pending"
    }  # fmt: skip
    curate_here(source, output, spec)
    assert fates(output, source)["market.mp4"] == "curated"


def test_budget_ends_with_the_same_files(source: Path, output: Path) -> None:
    draw_film(source / "market.mp4", seed=2, shots=(30,))
    little = plain_spec(limits={"max_work_per_run": 0.001})
    at_once = published_by(source, output, plain_spec())
    in_steps = published_by(source, output, little, little, plain_spec())
    assert in_steps == at_once


def seconds_of(video: Row, clips: list[Row]) -> float:
    return sum(
        float(str(clip["end_s"])) - float(str(clip["start_s"]))
        for clip in clips
        if clip["source_uri"] == video["uri"]
    )


def test_published_seconds_and_items_add_up(collection: Path, output: Path) -> None:
    curate_here(collection, output)
    videos, clips = rows(output, "videos"), rows(output, "clips")
    for video in videos:
        if video["status"] == "curated":
            total_s = seconds_of(video, clips) + float(str(video["dropped_s"]))
            assert total_s == pytest.approx(video["duration_s"], abs=2 / 24)
    funnel = json.loads((output / "manifest.json").read_bytes())["funnel"]
    others = [funnel[name] for name in ("curated", "duplicate_videos", "pending")]
    counts = [*others, *funnel["rejected"].values()]
    assert sum(count["items"] for count in counts) == funnel["found"]["items"] == len(videos) == 7


WITH_COPIES = {"no dedup", "no embedding"}
"""What is off of deduplication shows where there are copies."""
OFF: dict[str, tuple[dict[str, object], Callable[[Path], bool]]] = {
    "no dedup": (
        {"dedup": None},
        lambda out: all(row["scope"] == "video" for row in rows(out, "duplicates")),
    ),
    "no embedding": (
        {"embedding": None},
        lambda out: not list(out.glob("*_embd_parquet/*")) and len(rows(out, "clips")) == 6,
    ),
    "no preview": ({"preview": None}, lambda out: not (out / "previews").exists()),
    "dry run": (
        {"write": {"dry_run": True}},
        lambda out: not any((out / name).exists() for name in ("clips", "previews", "metas")),
    ),
    "no clips": (
        {"write": {"upload_clips": False}},
        lambda out: not (out / "clips").exists() and (out / "previews").exists(),
    ),
    "no json": ({"write": {"write_json": False}}, lambda out: not list(out.glob("processed_*"))),
    "no scores": (
        {"motion": None, "motion_filter": None, "quality": None},
        lambda out: not any({"motion_global_mean", "sharpness"} & set(row) for row in rows(out, "clips")),
    ),
}


@pytest.mark.parametrize("name", OFF)
def test_what_is_off_is_not_there(collection: Path, source: Path, output: Path, name: str) -> None:
    fields, holds = OFF[name]
    done = curate_here(collection if name in WITH_COPIES else source, output, small_spec(**fields))
    assert done.funnel.kept.items >= (4 if name in WITH_COPIES else 2)
    assert holds(output)


def test_filtered_clips_are_written_when_asked(source: Path, output: Path) -> None:
    curate_here(source, output, small_spec(write={"write_filtered_clips": True}, **STRICT))
    (filtered,) = [row for row in rows(output, "clips") if row["status"] == "filtered"]
    assert Path(str(filtered["clip_uri"])).parent == Path("filtered_clips")
    assert (output / str(filtered["clip_uri"])).is_file()


def test_copied_film_is_decoded_once(collection: Path, output: Path) -> None:
    curate_here(collection, output)
    names = {row["video_id"]: row["uri"] for row in reversed(rows(output, "videos"))}
    scanned = [Path(str(names[lap["video_id"]])).name for lap in laps(output) if lap["operator"] == "scan"]
    assert sorted(scanned) == ["harbour.mp4", "market.mp4", "remuxed.mkv", "worn.mp4"]


def test_what_a_filter_rejects_can_be_looked_at(film: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    curate_here(film, output, small_spec(motion_filter={"global_mean_threshold": 1.0}))
    assert {row["status"] for row in rows(output, "clips")} == {"filtered"}
    previews = [output / str(row["preview_uri"]) for row in rows(output, "windows")]
    assert previews
    assert all(path.is_file() for path in previews)
    assert not (output / "clips").exists()

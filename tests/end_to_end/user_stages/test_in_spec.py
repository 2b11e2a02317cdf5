"""A stage of a user's own, from a spec: what it leaves, what is computed again, and its faults."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from clipmill.engine.scan.span_pass import PARTIAL
from tests.support.runs.curation import rows
from tests.support.stages.users_package import LEVELS, Ran, Workplace, counted, workplace

NUM = len(LEVELS)


@dataclass(frozen=True)
class Story:
    """Runs into one output, each with one change; ``report`` and ``documents`` are of the first one."""

    place: Workplace
    report: str
    documents: dict[str, dict[str, object]]
    first: Ran
    raised: Ran
    lowered: Ran
    parameter: Ran
    code: Ran
    comment: Ran
    brighter: Ran
    darker: Ran


@pytest.fixture(scope="module")
def patch() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as context:
        yield context


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory, patch: pytest.MonkeyPatch) -> Story:
    place = workplace(tmp_path_factory.mktemp("users"), patch)
    first = place.run(counted())
    report = (place.output / "report.html").read_text()
    documents = {
        path.stem: json.loads(path.read_text()) for path in (place.output / "metas/v0").glob("*.json")
    }
    raised, lowered = place.run(counted(threshold=0.45)), place.run(counted(threshold=0.12))
    parameter = place.run(counted(threshold=0.12, target_fps=2.0))
    place.edit("float((frames @ LUMA_WEIGHTS).mean())", "float((frames @ LUMA_WEIGHTS).mean()) + 0.001")
    code = place.run(counted(threshold=0.12, target_fps=2.0))
    place.edit('"""Returns the worker; a stage', '"""Gives the worker; a stage')
    comment = place.run(counted(threshold=0.12, target_fps=2.0))
    ranked = [
        place.run(
            counted(threshold=0.12, target_fps=2.0),
            dedup={"which_to_keep": "columns", "rank_columns": ["luma_mean"], "ascending": [ascending]},
        )
        for ascending in (False, True)
    ]
    return Story(place, report, documents, first, raised, lowered, parameter, code, comment, *ranked)


# What it leaves


def test_its_columns_are_in_the_table_of_clips(story: Story) -> None:
    lumas = {place: float(str(clip["luma_mean"])) for place, clip in story.first.clips.items()}
    assert lumas == pytest.approx({place: level / 255 for place, level in enumerate(LEVELS)}, abs=0.02)


def test_its_frames_are_sampled_at_its_own_rate(story: Story) -> None:
    assert {clip["num_sampled"] for clip in story.first.clips.values()} == {12}
    assert {clip["num_sampled"] for clip in story.parameter.clips.values()} == {8}


def test_its_threshold_rejects_with_its_reason_and_message(story: Story) -> None:
    assert story.first.rejected == [0, 1]
    for place in (0, 1):
        clip = story.first.clips[place]
        assert clip["reason"] == "too_dark"
        assert story.documents[str(clip["clip_id"])]["valid"] is False
        assert story.first.messages[str(clip["clip_id"])] == f"luma_mean {clip['luma_mean']:g} is below 0.2"


def test_its_column_is_in_the_documented_json(story: Story) -> None:
    for clip in story.first.clips.values():
        document = story.documents[str(clip["clip_id"])]
        assert document["dark"] == {"luma_mean": clip["luma_mean"]}


def test_the_report_draws_its_histogram_with_the_threshold(story: Story) -> None:
    [figure] = [part for part in story.report.split("<figure")[1:] if "mean luma of the sampled" in part][:1]
    figure = figure.split("</figure>")[0]
    assert "threshold 0.2" in figure
    assert "cm-limit" in figure


@pytest.mark.parametrize(("ranking", "kept"), [("brighter", NUM - 1), ("darker", NUM - 2)])
def test_duplicates_are_ranked_by_its_column(story: Story, ranking: str, kept: int) -> None:
    ran: Ran = getattr(story, ranking)
    statuses = {place: ran.clips[place]["status"] for place in (NUM - 2, NUM - 1)}
    assert [place for place, status in statuses.items() if status == "kept"] == [kept]
    assert ran.calls == ()


# What is computed again


def test_the_first_run_calls_it_once_for_each_clip(story: Story) -> None:
    assert story.first.items["dark"] == len(story.first.calls) == len(set(story.first.calls)) == NUM
    assert story.first.items["encode"] == story.first.items["embedding"] == NUM - 2


def test_a_raised_threshold_calls_nothing(story: Story) -> None:
    assert story.raised.rejected == [0, 1, 2, 3, 4]
    assert (story.raised.scans, story.raised.calls, story.raised.items) == ((), (), {})


def test_a_lowered_threshold_decodes_spans_and_makes_what_newly_passed_clips_lack(story: Story) -> None:
    assert story.lowered.rejected == [0]
    assert story.lowered.scans == (PARTIAL,)
    assert story.lowered.items == {"encode": 1, "embedding": 1}
    assert story.lowered.calls == ()


@pytest.mark.parametrize("change", ["parameter", "code"])
def test_a_change_of_the_stage_computes_only_the_stage(story: Story, change: str) -> None:
    ran: Ran = getattr(story, change)
    assert ran.items == {"dark": NUM}
    assert len(ran.calls) == NUM
    assert len(ran.scans) == 1


def test_a_changed_line_changes_the_values(story: Story) -> None:
    assert all(
        float(str(story.code.clips[place]["luma_mean"]))
        > float(str(story.parameter.clips[place]["luma_mean"]))
        for place in range(NUM)
    )


def test_a_changed_docstring_computes_nothing(story: Story) -> None:
    assert (story.comment.scans, story.comment.calls, story.comment.items) == ((), (), {})


def test_a_share_of_a_gpu_changes_no_result(story: Story) -> None:
    assert story.place.digests(counted(num_gpus_per_worker=0.25)) == story.place.digests(counted())


# What becomes of its faults


@dataclass(frozen=True)
class Faults:
    """A run in which two clips fail, one that tries them again, and one in which all of them fail."""

    place: Workplace
    errors: dict[int, dict[str, str]]
    failing: Ran
    again: Ran
    broken: Ran
    mended: Ran


@pytest.fixture(scope="module")
def faults(tmp_path_factory: pytest.TempPathFactory, patch: pytest.MonkeyPatch) -> Faults:
    place = workplace(tmp_path_factory.mktemp("faults"), patch)
    failing = place.run(counted(), fails_above=0.7)
    errors = {number: json.loads(str(clip["errors"])) for number, clip in failing.clips.items()}
    again = place.run(counted())
    broken = place.run(counted(target_fps=1.0), fails_above=0.0)
    return Faults(place, errors, failing, again, broken, place.run(counted(target_fps=1.0)))


def test_a_failure_is_in_the_errors_of_its_clip(faults: Faults) -> None:
    assert [place for place, errors in faults.errors.items() if errors] == [8, 9]
    message = faults.errors[9]["dark"]
    assert message.startswith("stage dark: ValueError: this clip is too bright for me\n")
    assert "counted.py" in message  # its traceback


def test_a_clip_on_which_it_failed_stays_without_its_values(faults: Faults) -> None:
    assert faults.failing.clips[9]["luma_mean"] is None
    assert faults.failing.clips[9]["status"] != "filtered"


def test_the_next_run_tries_only_what_failed(faults: Faults) -> None:
    clips = {str(faults.failing.clips[place]["clip_id"]) for place in (8, 9)}
    assert set(faults.again.calls) == clips
    assert faults.again.items == {"dark": 2}
    assert {clip["errors"] for clip in faults.again.clips.values()} == {"{}"}


def test_a_stage_that_fails_on_everything_stops_the_run(faults: Faults) -> None:
    stopped = faults.broken.stopped
    assert "stage dark is broken" in str(stopped)
    assert "Traceback" in str(stopped)
    assert "this clip is too bright for me" in str(stopped)


def test_what_others_did_before_it_broke_is_kept(faults: Faults) -> None:
    assert faults.mended.items == {"dark": NUM}
    assert len(rows(faults.place.output, "clips")) == NUM


def test_it_stops_early_and_keeps_what_is_done(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        place = workplace(tmp_path, patch)
        film = (place.source / "stairs.mp4").read_bytes()
        for number in range(4):  # copies with other bytes
            (place.source / f"stairs_{number}.mp4").write_bytes(
                film + b"\0\0\0\x10free" + bytes([number] * 8)
            )
        broken = place.run(counted(), fails_above=0.0)
        assert broken.stopped
        assert "20 items in a row" in str(broken.stopped)
        assert len(set(broken.calls)) < 5 * NUM
        mended = place.run(counted())
    assert mended.items["quality"] < 5 * NUM

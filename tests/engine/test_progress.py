"""A run says how far it is: seconds of video, counts, failures, and how long it will still take."""

import logging
from dataclasses import replace

import pytest

from clipmill.engine import progress
from clipmill.engine.chunk import Chunk, Mark
from clipmill.engine.progress import Progress, TimeLeft
from clipmill.engine.work import Work
from clipmill.records import SourceFile
from clipmill.runs.status import LogStatus, Status, format_s
from clipmill.stages.worker import Failed
from clipmill.state.split_outcome import SplitOutcome
from tests.support.hand_made import FACTS


def video(name: str, *, duration_s: float) -> Work:
    return Work(SourceFile(f"{name}.mp4", 1, name), name, replace(FACTS, duration_s=duration_s))


def progress_of(*items: Work) -> Progress:
    return Progress(items, lambda status: None)


def seen(item: Work, share: float, *, is_cut_in_pass: bool = False) -> Chunk:
    return Chunk(item, mark=Mark(share, is_cut_in_pass))


def test_videos_and_seconds_are_counted_and_the_rest_is_estimated_by_length() -> None:
    short, long = video("short", duration_s=10.0), video("long", duration_s=90.0)
    told = progress_of(short, long)
    told.saw(Chunk(short))
    status = told.status(5.0)
    assert (status.num_done, status.num_videos) == (1, 2)
    assert (status.seen_s, status.video_s) == (10.0, 100.0)
    assert status.left_s == pytest.approx(45.0)


def test_a_long_video_counts_while_it_is_looked_at() -> None:
    """Its clips come at the end of the pass: an estimate by finished clips alone would be minutes off."""
    short, long = video("short", duration_s=10.0), video("long", duration_s=90.0)
    told = progress_of(short, long)
    told.saw(Chunk(short))
    told.saw(seen(long, 0.8, is_cut_in_pass=True))
    status = told.status(20.0)
    assert status.seen_s == pytest.approx(82.0)
    assert status.left_s is not None
    assert 4.0 < status.left_s < 12.0


def test_a_slow_later_stage_decides_what_is_left() -> None:
    item = video("a", duration_s=100.0)
    told = progress_of(item)
    told.saw(seen(item, 1.0))
    told.saw(replace(Chunk(item), share=0.25))
    assert told.status(50.0).left_s == pytest.approx(150.0)


def test_the_last_video_is_worked_on_alone() -> None:
    """The other worker has nothing to do once the short film is done."""
    long, short = video("long", duration_s=100.0), video("short", duration_s=100.0)
    told = progress_of(long, short)
    for second in range(1, 21):
        told.saw(seen(long, second / 100, is_cut_in_pass=True))
        told.saw(seen(short, second / 20, is_cut_in_pass=True))
        status = told.status(float(second))
    assert status.left_s == pytest.approx(98.0, rel=0.2)  # 60 % of the work in 20 s would leave 13 s


def test_a_mark_never_goes_back() -> None:
    item = video("a", duration_s=100.0)
    told = progress_of(item)
    told.saw(seen(item, 0.5))
    told.saw(seen(item, 0.1))
    assert told.status(10.0).seen_s == 50.0


def test_failures_are_counted() -> None:
    item = video("a", duration_s=100.0)
    told = progress_of(item)
    told.saw(Chunk(item, error="cannot be read"))
    assert told.status(1.0).num_failures == 1


def test_a_video_that_is_too_short_is_rejected_and_no_failure() -> None:
    item = video("a", duration_s=1.0)
    told = progress_of(item)
    for kind in ("final", "retryable"):
        split = SplitOutcome(failed=Failed(kind, "too_short", "1 s is less than 2 s"))
        told.saw(replace(Chunk(item, error="1 s is less than 2 s"), split=split))
    assert (told.status(1.0).num_rejected, told.status(1.0).num_failures) == (1, 1)


def test_the_first_seconds_promise_nothing() -> None:
    item = video("a", duration_s=1.0)
    assert progress_of(item).status(60.0).left_s is None
    told = progress_of(item)
    told.saw(seen(item, 0.5))
    assert told.status(0.5).left_s is None


def test_the_last_minute_says_how_fast_the_rest_is() -> None:
    left = TimeLeft()
    for second in range(0, 600, 10):
        left.observe(float(second), seen=0.1 * second / 600, finished=0.1 * second / 600)
    for second in range(600, 700, 10):
        done = 0.1 + 0.5 * (second - 600) / 100
        found = left.observe(float(second), seen=done, finished=done)
    assert found == pytest.approx((1 - 0.55) / 0.005, rel=0.01)


def test_it_is_shown_about_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "SHOW_EVERY_S", 0.0)
    shown: list[Status] = []
    items = [video("a", duration_s=10.0), video("b", duration_s=10.0)]
    told = Progress(items, shown.append)
    for item in items:
        told.saw(Chunk(item))
    assert [status.num_done for status in shown] == [1, 2]


def test_a_log_has_each_phase_and_a_line_now_and_then(caplog: pytest.LogCaptureFixture) -> None:
    show = LogStatus(every_s=10.0)
    with caplog.at_level(logging.INFO, logger="clipmill"):
        show(Status("listing"))
        for second in range(0, 25, 5):
            show(Status("scanning", elapsed_s=float(second), num_videos=3))
    assert [message.split(":")[0] for message in caplog.messages] == ["listing", *["scanning"] * 3]


def test_a_line_says_what_there_is_to_say() -> None:
    status = Status(
        "scanning", elapsed_s=10.0, num_videos=3, num_done=1, num_clips=7, num_failures=2, num_rejected=4,
        video_s=300.0, seen_s=75.0, left_s=30.0,
    )  # fmt: skip
    assert status.line() == (
        "scanning: 1 min 15 s of 5 min 0 s of video, 1 of 3 videos done, 7 clips, 4 rejected, 2 failures, "
        "7.5 s of video a second, about 30 s left"
    )


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (75.0, "1 min 15 s"), (3725.0, "1 h 2 min")],
    ids=["seconds", "minutes", "hours"],
)
def test_times_are_written_for_people(seconds: float, text: str) -> None:
    assert format_s(seconds) == text

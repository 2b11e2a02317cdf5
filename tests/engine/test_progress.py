"""Long work says how far it is: counts, and how long it will still take."""

import logging
from dataclasses import replace

import pytest

from clipmill.engine import progress
from clipmill.engine.chunk import Chunk
from clipmill.engine.progress import Progress, format_s
from clipmill.engine.work import Work
from clipmill.records import SourceFile
from tests.support.hand_made import FACTS


def video(name: str, *, duration_s: float) -> Work:
    return Work(SourceFile(f"{name}.mp4", 1, name), name, replace(FACTS, duration_s=duration_s))


def done(item: Work) -> Chunk:
    return Chunk(item)


def test_line_counts_videos_and_estimates_by_their_length() -> None:
    short, long = video("short", duration_s=10.0), video("long", duration_s=90.0)
    told = Progress([short, long])
    told.saw(done(short))
    assert told.line(5.0) == "1 of 2 videos, 0 clips, about 45 s left"


def test_line_before_the_first_video_promises_nothing() -> None:
    assert Progress([video("a", duration_s=1.0)]).line(60.0) == "0 of 1 videos, 0 clips"


def test_long_work_is_logged_now_and_then(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "LOG_EVERY_S", 0.0)
    monkeypatch.setattr(logging.getLogger("clipmill"), "propagate", True)
    items = [video("a", duration_s=10.0), video("b", duration_s=10.0)]
    told = Progress(items)
    with caplog.at_level(logging.INFO, logger="clipmill"):
        for item in items:
            told.saw(done(item))
    assert [message.split(",")[0] for message in caplog.messages] == ["1 of 2 videos", "2 of 2 videos"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (75.0, "1 min 15 s"), (3725.0, "1 h 2 min")],
    ids=["seconds", "minutes", "hours"],
)
def test_times_are_written_for_people(seconds: float, text: str) -> None:
    assert format_s(seconds) == text

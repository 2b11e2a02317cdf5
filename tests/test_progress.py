"""How far a run is, in words."""

from fractions import Fraction

import pytest

from clipmill.records import SourceFile, VideoFacts, WorkItem
from clipmill.streaming.chunks import empty_task
from clipmill.streaming.parcel import Parcel
from clipmill.streaming.progress import Progress, format_s


def work(name: str, duration_s: float) -> WorkItem:
    facts = VideoFacts(
        container="mov",
        video_codec="h264",
        pixel_format="yuv420p",
        width_px=1000,
        height_px=1000,
        rotation_deg=0,
        sar=Fraction(1),
        framerate=Fraction(25),
        time_base=Fraction(1, 25),
        duration_s=duration_s,
        num_frames=round(duration_s * 25),
        bit_rate_k=800,
    )
    return WorkItem(SourceFile(f"/films/{name}", 1000, name), name, facts, frozenset({"split"}))


def chunk(item: WorkItem, num_chunks: int = 1) -> Parcel:
    task = empty_task(item)
    task.data.num_clip_chunks = num_chunks
    return Parcel(item, task)


def test_time_left_follows_the_work_not_the_number_of_videos() -> None:
    short, long = work("short", 10), work("long", 90)
    progress = Progress([short, long])
    progress.saw(chunk(short))
    assert progress.line(20.0) == "1 of 2 videos, 0 clips, about 3 min 0 s left"


def test_chunks_of_a_long_video_count_as_they_come() -> None:
    item = work("long", 100)
    progress = Progress([item])
    progress.saw(chunk(item, num_chunks=4))
    assert progress.line(10.0) == "0 of 1 videos, 0 clips, about 30 s left"


def test_nothing_is_estimated_from_next_to_nothing() -> None:
    tiny = work("tiny", 1)
    progress = Progress([tiny, work("long", 999)])
    progress.saw(chunk(tiny))
    assert progress.line(30.0) == "1 of 2 videos, 0 clips"


@pytest.mark.parametrize(
    ("seconds", "text"), [(12.4, "12 s"), (75, "1 min 15 s"), (7320, "2 h 2 min")], ids=["s", "min", "h"]
)
def test_lengths_of_time_in_words(seconds: float, text: str) -> None:
    assert format_s(seconds) == text

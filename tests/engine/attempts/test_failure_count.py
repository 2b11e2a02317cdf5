"""Failures that do not end: a stage or a store that fails on everything stops the run."""

from fractions import Fraction

import pyarrow as pa
import pytest

from clipmill.engine.attempts.failure_count import (
    LEAST_VIDEOS,
    OUTAGE_VIDEOS,
    SYSTEMATIC_VIDEOS,
    FailureCount,
)
from clipmill.engine.chunk import Chunk
from clipmill.engine.work import Work
from clipmill.errors import StageBroken, StoreOutage
from clipmill.outcomes.run_end import Tally
from clipmill.records import SourceFile, VideoFacts
from clipmill.stages.worker import Failed
from clipmill.state.schema import OUTCOME
from clipmill.state.split_outcome import SplitOutcome
from tests.support.hand_made import plan

FACTS = VideoFacts(
    container="mov", video_codec="h264", pixel_format="yuv420p", width_px=64, height_px=36, rotation_deg=0,
    sar=Fraction(1), framerate=Fraction(25), time_base=Fraction(1, 25), duration_s=2.0, num_frames=50,
    bit_rate_k=100,
)  # fmt: skip


def chunk(video: str, reason: str = "", *, kind: str = "retryable", made: str = "") -> Chunk:
    """The last chunk of a video: split, or failed for ``reason``; ``made`` is the reason of a clip's row."""
    failed = Failed(kind, reason, f"{video}: it failed") if reason else None  # pyright: ignore[reportArgumentType] a word
    rows = [{"id": f"{video}-clip", "outcome": "retryable", "reason": made, "message": "no"}] if made else []
    table = pa.Table.from_pylist(rows, schema=OUTCOME)
    work = Work(SourceFile(f"{video}.mp4", 1, video), video, FACTS)
    return Chunk(work, split=SplitOutcome(failed=failed), made={"preview": table} if made else {})


def see(*chunks: Chunk) -> FailureCount:
    count = FailureCount(plan().extractor)
    for one in chunks:
        count.saw(one)
    return count


@pytest.mark.parametrize("reason", ["store_unavailable", "output_error"])
def test_store_that_does_not_answer_stops_the_run_after_a_few_videos(reason: str) -> None:
    failed = [chunk(f"v{number}", reason) for number in range(OUTAGE_VIDEOS)]
    see(*failed[:-1])
    with pytest.raises(
        StoreOutage, match=rf"{OUTAGE_VIDEOS} videos in a row failed \({reason}\); the last: v2: it failed"
    ):
        see(*failed)


def test_output_that_fails_for_clips_stops_it_too() -> None:
    failed = [chunk(f"v{number}", made="output_error") for number in range(OUTAGE_VIDEOS)]
    with pytest.raises(StoreOutage):
        see(*failed)


def test_one_video_in_many_chunks_is_one_video() -> None:
    see(*[chunk("v", "store_unavailable")] * SYSTEMATIC_VIDEOS)


@pytest.mark.parametrize(
    "between", [chunk("good"), chunk("bad", "unreadable", kind="final")], ids=["split", "damaged"]
)
def test_a_video_that_the_store_delivers_ends_a_row(between: Chunk) -> None:
    failed = [chunk(f"v{number}", "store_unavailable") for number in range(OUTAGE_VIDEOS - 1)]
    see(*failed, between, *failed)


@pytest.mark.parametrize(
    ("reason", "error"),
    [("store_error", StoreOutage), ("unexpected", StageBroken), ("decoder_timeout", StageBroken)],
)
def test_any_other_failure_over_and_over_stops_it_later(reason: str, error: type[Exception]) -> None:
    failed = [chunk(f"v{number}", reason) for number in range(SYSTEMATIC_VIDEOS)]
    see(*failed[:-1])
    with pytest.raises(error, match=f"{SYSTEMATIC_VIDEOS} videos in a row failed"):
        see(*failed)


def test_different_failures_are_no_row() -> None:
    reasons = ["decoder_crashed", "decoder_timeout"] * SYSTEMATIC_VIDEOS
    see(*(chunk(f"v{number}", reason) for number, reason in enumerate(reasons)))


def test_run_in_which_every_video_met_an_unforeseen_error_is_broken() -> None:
    one = see(chunk("a", "unexpected"))
    one.check()
    with pytest.raises(StageBroken, match=r"stage content .* all 3 items; the first: v0: it failed"):
        see(*(chunk(f"v{number}", "unexpected") for number in range(LEAST_VIDEOS))).check()
    see(chunk("good"), *(chunk(f"v{number}", "unexpected") for number in range(LEAST_VIDEOS))).check()


def test_failures_are_counted_by_stage_and_reason() -> None:
    count = see(chunk("a"), chunk("b", "unreadable", kind="final"), chunk("c", made="preview_failed"))
    assert count.tallies() == (
        Tally("content", "unreadable", "final", 1), Tally("preview", "preview_failed", "retryable", 1),
    )  # fmt: skip
    count.gave_up("preview", count.retryable()["preview"])
    assert count.tallies()[1] == Tally("preview", "preview_failed", "final", 1)

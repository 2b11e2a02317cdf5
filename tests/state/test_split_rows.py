"""The row of a split in the state: what the scan found of one video, and back."""

from fractions import Fraction

from clipmill.media.types import ScanFacts
from clipmill.records import ClipSpan, DropCause, DroppedSpan, FrameSpan, Shot, VideoReason
from clipmill.stages.worker import Failed
from clipmill.state.schema import SPLIT_STATE
from clipmill.state.split_outcome import SplitOutcome, TimedDrop, TimedShot
from clipmill.state.split_rows import clip_spans, split_row
from tests.support.hand_made import plan

EXTRACTOR = plan().extractor
FACTS = ScanFacts(
    num_frames=50,
    duration_s=2.0,
    time_base=Fraction(1, 25),
    is_vfr=False,
    is_partial=True,
    partial_reason="cut short",
    content_digest="cd",
    audio_digest=None,
    bytes_read=9,
    cpu_s=1.5,
    repaired_times="2 frames",
    oddities="interlaced",
)
LATE = ClipSpan("late", FrameSpan(25, 50), 25, 50, 1.0, 2.0, shot_index=1)
EARLY = ClipSpan("early", FrameSpan(0, 20), 0, 20, 0.0, 0.8, shot_index=0)
SPLIT = SplitOutcome(
    facts=FACTS,
    detector="content",
    shots=(TimedShot(Shot(FrameSpan(0, 50)), 0, 50, 0.0, 2.0, None, 0.1),),
    clips=(LATE, EARLY),
    dropped=(TimedDrop(DroppedSpan(FrameSpan(20, 25), DropCause.CROPPED), 0.8, 1.0),),
)


def row_of(outcome: SplitOutcome) -> dict[str, object]:
    table = split_row("v", outcome, EXTRACTOR)
    assert table.schema == SPLIT_STATE
    (row,) = table.to_pylist()
    return row


def test_clips_come_back_as_they_were_in_the_order_of_their_frames() -> None:
    clips = row_of(SPLIT)["clips"]
    assert isinstance(clips, list)
    assert clip_spans(clips) == (EARLY, LATE)


def test_a_video_without_clips_has_none() -> None:
    assert clip_spans(None) == ()


def test_facts_shots_and_dropped_stretches_are_kept() -> None:
    row = row_of(SPLIT)
    assert (row["outcome"], row["reason"], row["num_frames"]) == ("result", None, 50)
    assert (row["time_base"], row["repaired_times"], row["oddities"]) == ("1/25", "2 frames", "interlaced")
    assert (row["is_partial"], row["partial_reason"], row["audio_digest"]) == (True, "cut short", None)
    assert (row["traits"], row["effects"]) == ("clock damaged", "")
    assert row["shots"] == [
        {
            "start_frame": 0, "end_frame": 50, "start_pts": 0, "end_pts": 50, "start_s": 0.0, "end_s": 2.0,
            "gradual_start_s": None, "gradual_end_s": 0.1,
        }
    ]  # fmt: skip
    assert row["dropped"] == [{"start_s": 0.8, "end_s": 1.0, "cause": "cropped"}]


def test_a_video_without_a_split_says_why_and_by_which_limit() -> None:
    failed = Failed("retryable", VideoReason.DECODER_TIMEOUT, "v.mp4: no", "decode_stall_s", 60.0)
    row = row_of(SplitOutcome(failed=failed))
    assert (row["outcome"], row["reason"], row["message"]) == ("retryable", "decoder_timeout", "v.mp4: no")
    assert (row["limit"], row["limit_value"]) == ("decode_stall_s", 60.0)
    assert row["clips"] is None

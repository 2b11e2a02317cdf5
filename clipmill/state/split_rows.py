"""Rows of the split of a video in the state."""

from collections.abc import Mapping
from dataclasses import asdict

import pyarrow as pa

from clipmill.media.types import ScanFacts
from clipmill.planning.judgement import RESULT
from clipmill.planning.nodes import Node
from clipmill.records import ClipSpan, FrameSpan
from clipmill.stages.worker import Failed
from clipmill.state.schema import SPLIT_STATE
from clipmill.state.split_outcome import SplitOutcome, TimedDrop, TimedShot


def traits_of(facts: ScanFacts) -> str:
    """Returns the traits of a video, in order, with spaces between them: options may depend on them.

    ``sound``: it has a track. ``clock``: times were made up. ``damaged``: a part is missing. Others are those
    that the pass saw.
    """
    found = {"sound": facts.audio_digest, "clock": facts.repaired_times, "damaged": facts.is_partial}
    return " ".join(sorted({*facts.traits, *(name for name, is_there in found.items() if is_there)}))


def split_row(video_id: str, outcome: SplitOutcome, extractor: Node) -> pa.Table:
    """Returns the row of a split, or of a rejected video."""
    facts = outcome.facts
    traits = traits_of(facts) if facts else ""
    row: dict[str, object] = {"id": video_id, "outcome": RESULT, "effects": extractor.effects_in(traits)}
    if outcome.failed is not None:
        row |= failure_columns(outcome.failed)
    if facts is not None:
        row |= {
            "content_digest": facts.content_digest,
            "audio_digest": facts.audio_digest,
            "is_partial": facts.is_partial,
            "partial_reason": facts.partial_reason,
            "num_frames": facts.num_frames,
            "duration_s": facts.duration_s,
            "is_vfr": facts.is_vfr,
            "time_base": str(facts.time_base),
            "repaired_times": facts.repaired_times,
            "oddities": facts.oddities,
            "detector": outcome.detector,
            "shots": [_shot(shot) for shot in outcome.shots],
            "clips": [_clip(clip) for clip in outcome.clips],
            "dropped": [_drop(dropped) for dropped in outcome.dropped],
            "bytes_read": facts.bytes_read,
            "traits": traits,
            "shown": asdict(facts.shown),
            "damaged": [{**asdict(one.damaged), "start_s": one.start_s} for one in outcome.damaged],
        }
    return pa.Table.from_pylist([row], schema=SPLIT_STATE)


def failure_columns(failed: Failed) -> dict[str, object]:
    """Returns the columns of a failure: its outcome, and why."""
    return {
        "outcome": failed.kind,
        "reason": failed.reason,
        "message": failed.message,
        "limit": failed.limit or None,
        "limit_value": failed.limit_value,
    }


def _shot(shot: TimedShot) -> Mapping[str, object]:
    return {
        "start_frame": shot.shot.span.start_frame,
        "end_frame": shot.shot.span.end_frame,
        "start_pts": shot.start_pts,
        "end_pts": shot.end_pts,
        "start_s": shot.start_s,
        "end_s": shot.end_s,
        "gradual_start_s": shot.gradual_start_s,
        "gradual_end_s": shot.gradual_end_s,
    }


def _clip(span: ClipSpan) -> Mapping[str, object]:
    return {
        "clip_id": span.clip_id,
        "start_frame": span.frames.start_frame,
        "end_frame": span.frames.end_frame,
        "start_pts": span.start_pts,
        "end_pts": span.end_pts,
        "start_s": span.start_s,
        "end_s": span.end_s,
        "shot_index": span.shot_index,
    }


def _drop(dropped: TimedDrop) -> Mapping[str, object]:
    return {"start_s": dropped.start_s, "end_s": dropped.end_s, "cause": dropped.dropped.cause}


def clip_spans(clips: list[dict[str, object]] | None) -> tuple[ClipSpan, ...]:
    """Returns the clips of a row of the split, in order of their frames."""
    spans = (_span(row) for row in clips or [])
    return tuple(sorted(spans, key=lambda clip: clip.frames))


def _span(row: Mapping[str, object]) -> ClipSpan:
    number = {name: int(str(row[name])) for name in ("start_frame", "end_frame", "start_pts", "end_pts")}
    return ClipSpan(
        clip_id=str(row["clip_id"]),
        frames=FrameSpan(number["start_frame"], number["end_frame"]),
        start_pts=number["start_pts"],
        end_pts=number["end_pts"],
        start_s=float(str(row["start_s"])),
        end_s=float(str(row["end_s"])),
        shot_index=int(str(row["shot_index"])),
    )

"""What becomes of a video: curated, rejected, a duplicate of another, or pending. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, cast

from clipmill.dedup.exact import Copy, ExactDuplicate, VideoRow, find_exact
from clipmill.plan import RunPlan
from clipmill.records import ClipSpan, FrameSpan, SourceFile
from clipmill.snapshot.collect import Collection, Row
from clipmill.storage.verdicts import CLIP_STAGES, StageRows, missing_stages

VideoStatus = Literal["curated", "rejected", "duplicate", "pending"]


@dataclass(frozen=True)
class VideoFate:
    """One source and what became of it.

    ``inspection`` and ``split`` are its rows of the state; ``clips`` are the clips of a curated video and
    of no other, so that what is published does not depend on whether a copy was recognised before or after
    it was cut.
    """

    source: SourceFile
    status: VideoStatus
    inspection: Row | None = None
    split: Row | None = None
    clips: tuple[ClipSpan, ...] = ()
    stage: str = ""
    reason: str | None = None
    message: str = ""
    duplicate: ExactDuplicate | None = None


@dataclass(frozen=True)
class ClipRows:
    """The rows of the stages that are on, by stage and clip."""

    by_stage: Mapping[str, Mapping[str, Row]]

    def of(self, clip_id: str) -> StageRows:
        """Stage -> row of one clip."""
        return {stage: rows.get(clip_id) for stage, rows in self.by_stage.items()}


def clip_rows(collection: Collection) -> ClipRows:
    """The rows of the clip stages of ``collection``."""
    stages = [stage for stage in CLIP_STAGES if stage in collection.state]
    return ClipRows({stage: collection.rows(stage) for stage in stages})


def video_fates(collection: Collection, rows: ClipRows) -> list[VideoFate]:
    """One fate per source, in the order of the listing (by URI)."""
    inspections, splits = collection.rows("inspect"), collection.rows("split")
    fates = [
        _before_copies(source, inspections.get(source.source_version), splits)
        for source in collection.sources
    ]
    copies = {copy.uri: copy for copy in find_exact(_candidates(fates))}
    return [_fate(fate, copies.get(fate.source.uri), rows, collection.plan) for fate in fates]


def _before_copies(source: SourceFile, inspection: Row | None, splits: Mapping[str, Row]) -> VideoFate:
    """Rejected, or pending for now."""
    if inspection is None:
        return VideoFate(source, "pending", stage="inspect", message="not inspected yet")
    split = splits.get(_text(inspection, "video_id") or "")
    for stage, row in (("inspect", inspection), ("split", split)):
        if row is not None and row["reason"] is not None:
            fate = VideoFate(source, "rejected", inspection, split, stage=stage, reason=str(row["reason"]))
            return replace(fate, message=_text(row, "message") or "")
    return VideoFate(source, "pending", inspection, split)


def _candidates(fates: list[VideoFate]) -> list[VideoRow]:
    """The videos that may be copies: all that can be read."""
    return [
        VideoRow(
            uri=fate.source.uri,
            video_id=_text(fate.inspection, "video_id") or "",
            content_digest=_text(fate.split, "content_digest"),
            audio_digest=_text(fate.split, "audio_digest"),
        )
        for fate in fates
        if fate.status == "pending" and fate.inspection is not None
    ]


def _fate(fate: VideoFate, copy: ExactDuplicate | None, rows: ClipRows, plan: RunPlan) -> VideoFate:
    if fate.status != "pending" or fate.inspection is None:
        return fate
    if copy is not None:
        how = "the same file as" if copy.copy == Copy.RENAMED else "the same pictures and sound as"
        return replace(fate, status="duplicate", message=f"{how} {copy.duplicate_of}", duplicate=copy)
    if fate.split is None:
        return replace(fate, stage="split", message="waits for a later run")
    clips = split_clips(fate.split)
    gaps = [lacking[0] for clip in clips if (lacking := missing_stages(rows.of(clip.clip_id), plan))]
    if gaps:
        message = f"{len(gaps)} of {len(clips)} clips wait for {', '.join(sorted(set(gaps)))}"
        return replace(fate, stage=gaps[0], message=message)
    return replace(fate, status="curated", clips=clips)


def split_clips(split: Row) -> tuple[ClipSpan, ...]:
    """The clips of a row of the split, by start and end."""
    spans = cast("list[dict[str, object]] | None", split["clips"]) or []
    return tuple(sorted((_clip_span(span) for span in spans), key=lambda clip: clip.frames))


def _clip_span(span: Row) -> ClipSpan:
    return ClipSpan(
        clip_id=str(span["clip_id"]),
        frames=FrameSpan(cast(int, span["start_frame"]), cast(int, span["end_frame"])),
        start_pts=cast(int, span["start_pts"]),
        end_pts=cast(int, span["end_pts"]),
        start_s=cast(float, span["start_s"]),
        end_s=cast(float, span["end_s"]),
        shot_index=cast(int, span["shot_index"]),
    )


def _text(row: Row | None, column: str) -> str | None:
    return None if row is None else cast("str | None", row[column])

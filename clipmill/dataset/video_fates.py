"""What becomes of a video: curated, rejected, a duplicate of another, or pending. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, cast

from clipmill.dataset.collect import Collection, Row
from clipmill.dedup.exact import Copy, ExactDuplicate, VideoRow, find_exact
from clipmill.planning.missing import waiting
from clipmill.records import ClipSpan, SourceFile
from clipmill.state.split_rows import clip_spans

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


def video_fates(collection: Collection) -> list[VideoFate]:
    """Returns one fate per source, in the order of the listing (by URI)."""
    fates = [_before_copies(source, collection) for source in collection.sources]
    copies = {copy.uri: copy for copy in find_exact(_candidates(fates))}
    gaps = _Gaps(collection)
    waits_for = collection.plan.extractor.key
    return [_fate(fate, copies.get(fate.source.uri), gaps, waits_for=waits_for) for fate in fates]


class _Gaps:
    """The clips that wait for rows."""

    def __init__(self, collection: Collection) -> None:
        self._plan, self._known = collection.plan, collection.known

    def of(self, clips: Sequence[ClipSpan]) -> list[tuple[str, ...]]:
        """For each clip that waits, the keys of the stages that it waits for, in run order."""
        found = waiting(self._plan, self._known, clips)
        order = [node.key for node in self._plan.nodes]
        return [
            tuple(sorted(found[clip.clip_id], key=order.index)) for clip in clips if clip.clip_id in found
        ]


def _before_copies(source: SourceFile, collection: Collection) -> VideoFate:
    """Rejected, or pending for now."""
    inspection = collection.inspections.get(source.source_version)
    if inspection is None:
        return VideoFate(source, "pending", stage="inspect", message="not inspected yet")
    split = collection.splits.get(_text(inspection, "video_id") or "")
    for stage, row in (("inspect", inspection), (collection.plan.extractor.key, split)):
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


def _fate(fate: VideoFate, copy: ExactDuplicate | None, gaps: _Gaps, *, waits_for: str) -> VideoFate:
    if fate.status != "pending" or fate.inspection is None:
        return fate
    if copy is not None:
        how = "the same file as" if copy.copy == Copy.RENAMED else "the same pictures and sound as"
        return replace(fate, status="duplicate", message=f"{how} {copy.duplicate_of}", duplicate=copy)
    if fate.split is None:
        return replace(fate, stage=waits_for, message="waits for a later run")
    clips = split_clips(fate.split)
    if lacking := gaps.of(clips):
        names = ", ".join(sorted({keys[0] for keys in lacking}))
        message = f"{len(lacking)} of {len(clips)} clips wait for {names}"
        return replace(fate, stage=lacking[0][0], message=message)
    return replace(fate, status="curated", clips=clips)


def split_clips(split: Row) -> tuple[ClipSpan, ...]:
    """Returns the clips of a row of the split, by start and end."""
    return clip_spans(cast("list[dict[str, object]] | None", split["clips"]))


def _text(row: Row | None, column: str) -> str | None:
    return None if row is None else cast("str | None", row[column])

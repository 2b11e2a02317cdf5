"""What becomes of a video: curated, rejected, failed, a duplicate of another, or pending. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, cast

import numpy as np

from clipmill.dataset.collect import Collection
from clipmill.dataset.rows.verdicts import Verdicts
from clipmill.dedup.exact import Copy, ExactDuplicate
from clipmill.outcomes.failures import PASSING
from clipmill.outcomes.run_end import Tally
from clipmill.planning.judgement import FINAL, RETRYABLE
from clipmill.records import SourceFile
from clipmill.state.schema import INSPECT
from clipmill.state.splits import Row

VideoStatus = Literal["curated", "rejected", "failed", "duplicate", "pending"]


@dataclass(frozen=True)
class VideoFate:
    """One source and what became of it.

    ``inspection`` and ``split`` are its rows of the state; ``item`` is its place among the splits where it is
    curated, else -1, so that what is published does not depend on whether a copy was recognised before or
    after it was cut.
    """

    source: SourceFile
    status: VideoStatus
    inspection: Row | None = None
    split: Row | None = None
    item: int = -1
    stage: str = ""
    reason: str | None = None
    message: str = ""
    duplicate: ExactDuplicate | None = None


def video_fates(collection: Collection, verdicts: Verdicts) -> list[VideoFate]:
    """Returns one fate per source, in the order of the listing (by URI)."""
    return [_fate(_before_clips(source, collection), collection, verdicts) for source in collection.sources]


def failed_videos(videos: Sequence[VideoFate]) -> list[Tally]:
    """Returns the videos that failed, one by one; those that were rejected are no failures."""
    found: list[Tally] = []
    for video in videos:
        row = (video.inspection if video.stage == INSPECT else video.split) or {}
        if video.status == "failed":
            outcome = RETRYABLE if row.get("outcome") == RETRYABLE else FINAL
            found.append(Tally(video.stage, str(video.reason), outcome, 1))
    return found


def _before_clips(source: SourceFile, collection: Collection) -> VideoFate:
    """Rejected, failed, a duplicate, or pending for now."""
    inspection = collection.inspections.get(source.source_version)
    if inspection is None:
        return VideoFate(source, "pending", stage="inspect", message="not inspected yet")
    split = collection.splits.rows.get(_text(inspection, "video_id") or "")
    for stage, row in (("inspect", inspection), (collection.plan.extractor.key, split)):
        if row is not None and row["reason"] is not None:
            status = "failed" if _failed_for_now(row) else "rejected"
            fate = VideoFate(source, status, inspection, split, stage=stage, reason=str(row["reason"]))
            return replace(fate, message=_text(row, "message") or "")
    fate = VideoFate(source, "pending", inspection, split)
    if copy := collection.copies.get(source.uri):
        how = "the same file as" if copy.copy == Copy.RENAMED else "the same pictures and sound as"
        return replace(fate, status="duplicate", message=f"{how} {copy.duplicate_of}", duplicate=copy)
    return fate


def _failed_for_now(row: Row) -> bool:
    """Returns True if a failure does not follow from the bytes, also where its tries are exhausted."""
    return row.get("outcome") == RETRYABLE or row["reason"] in PASSING or bool(row.get("limit"))


def _fate(fate: VideoFate, collection: Collection, verdicts: Verdicts) -> VideoFate:
    plan = collection.plan
    if fate.status != "pending" or fate.inspection is None:
        return fate
    if fate.split is None:
        return replace(fate, stage=plan.extractor.key, message="waits for a later run")
    item = collection.splits.places[str(fate.split["id"])]
    waits_for = verdicts.waits_for[collection.splits.clips.of(item)]
    waiting = waits_for[waits_for >= 0]
    if len(waiting):
        keys = [plan.nodes[place].key for place in np.unique(waiting)]
        message = f"{len(waiting)} of {len(waits_for)} clips wait for {', '.join(sorted(keys))}"
        return replace(fate, stage=plan.nodes[waiting[0]].key, message=message)
    return replace(fate, status="curated", item=item)


def _text(row: Row | None, column: str) -> str | None:
    return None if row is None else cast("str | None", row[column])

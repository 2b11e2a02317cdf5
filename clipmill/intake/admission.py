"""From what is known to what is to do: the anti-join of the rows a plan expects with the rows that are there.

Nothing else says that a video is complete. A run that was killed, a new stage, a changed parameter and a new
file all show as rows that are missing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import pyarrow as pa

from clipmill.intake.copies import verify_copies
from clipmill.intake.inspection import facts_of
from clipmill.intake.manifests import get_sources, in_groups, put_work
from clipmill.plan import RunPlan, inspect_digest
from clipmill.records import ClipSpan, FrameSpan, Inspection, SourceFile, WorkItem
from clipmill.storage.inspections import read_inspections
from clipmill.storage.state import State
from clipmill.storage.verdicts import StageRows, clip_verdict, missing_stages

Row = Mapping[str, object]
Rows = Mapping[str, Row]
"""id -> row of one state stage."""


@dataclass(frozen=True)
class Known:
    """The state of the stages a plan uses: stage -> id -> row, for each that is on."""

    rows: Mapping[str, Rows]

    def of_clip(self, clip_id: str) -> StageRows:
        """Stage -> row of one clip, None where there is none."""
        return {stage: rows.get(clip_id) for stage, rows in self.rows.items()}

    @classmethod
    def read(cls, plan: RunPlan, output: str) -> "Known":
        """Read the state of every stage of the plan."""
        state = State(output)
        digests = plan.digests()
        inspections = read_inspections(state, digests.pop("inspect"))
        rows = {stage: _by_id(state.read(stage, digest)) for stage, digest in digests.items()}
        return cls({"inspect": _by_id(inspections), **rows})


def admit(listing_uri: str, plan: RunPlan, *, output: str, num_groups: int) -> list[str]:
    """The work of this run as at most ``num_groups`` manifests; empty when nothing is to do."""
    check_copies(get_sources(listing_uri), plan, output)
    known = Known.read(plan, output)
    items = within_budget(missing_work(get_sources(listing_uri), known, plan), plan.limits.max_work_per_run)
    if not items:
        return []
    size = -(-len(items) // num_groups)
    return [put_work(output, group) for group in in_groups(items, size)]


def check_copies(sources: Sequence[SourceFile], plan: RunPlan, output: str) -> None:
    """Read sources that look alike in full, once, so that the ids in ``Known`` hold."""
    table = State(output).read("inspect", inspect_digest(plan.limits))
    pairs = zip(table["id"].to_pylist(), table["video_id"].to_pylist(), strict=True)
    verify_copies(sources, dict(pairs), State(output))


def missing_work(sources: Iterable[SourceFile], known: Known, plan: RunPlan) -> list[WorkItem]:
    """One item per video that lacks rows, by URI; of renamed copies the smallest URI stands for all."""
    items: list[WorkItem] = []
    seen: set[str] = set()
    for source in sorted(sources):
        row = known.rows["inspect"].get(source.source_version)
        if row is None or row["reason"] is not None or row["video_id"] in seen:
            continue
        seen.add(str(row["video_id"]))
        item = _item(source, row, known, plan)
        if item.missing:
            items.append(item)
    return items


def first_work(inspections: Iterable[Inspection], plan: RunPlan) -> list[WorkItem]:
    """The work of a run that keeps no state: everything, of every readable source."""
    stages = frozenset(plan.digests()) - {"inspect"}
    return [
        WorkItem(one.source, one.video_id, one.facts, stages)
        for one in inspections
        if one.video_id is not None and one.facts is not None
    ]


def within_budget(items: Sequence[WorkItem], max_work: float | None) -> list[WorkItem]:
    """The first items whose estimated work, in megapixel-seconds, fits; at least one."""
    if max_work is None:
        return list(items)
    kept: list[WorkItem] = []
    spent = 0.0
    for item in items:
        spent += item.facts.width_px * item.facts.height_px / 1e6 * item.facts.duration_s
        if kept and spent > max_work:
            break
        kept.append(item)
    return kept


def _item(source: SourceFile, row: Row, known: Known, plan: RunPlan) -> WorkItem:
    video_id = str(row["video_id"])
    split = known.rows["split"].get(video_id)
    if split is None or split["reason"] == "store_error":
        return WorkItem(source, video_id, facts_of(dict(row)), frozenset(plan.digests()) - {"inspect"})
    if split["reason"] is not None:
        return WorkItem(source, video_id, facts_of(dict(row)), frozenset())
    lacking = _lacking(_clips(split), known, plan)
    missing = frozenset(stage for stages in lacking.values() for stage in stages)
    if video_id not in known.rows.get("video_frames", {video_id: {}}):
        missing |= {"video_frames"}
    verdicts = {clip.clip_id: clip_verdict(known.of_clip(clip.clip_id), plan) for clip in lacking}
    return WorkItem(
        source,
        video_id,
        facts_of(dict(row)),
        missing,
        clips=tuple(lacking),
        repaired_times=str(split["repaired_times"] or ""),
        filtered={clip_id: reason for clip_id, reason in verdicts.items() if reason},
        captions=_known_captions(lacking, known) if "enhance" in missing and "caption" not in missing else {},
    )


def _lacking(clips: Iterable[ClipSpan], known: Known, plan: RunPlan) -> dict[ClipSpan, list[str]]:
    """The clips that lack rows, with the stages they lack."""
    lacking = {clip: missing_stages(known.of_clip(clip.clip_id), plan) for clip in clips}
    return {clip: stages for clip, stages in lacking.items() if stages}


def _known_captions(clips: Iterable[ClipSpan], known: Known) -> dict[str, list[str]]:
    """Clip -> what an earlier run said of its windows, for those that have captions."""
    rows = {clip.clip_id: known.of_clip(clip.clip_id).get("caption") for clip in clips}
    return {
        clip_id: [str(window["caption"] or "") for window in cast("list[Row]", row["windows"])]
        for clip_id, row in rows.items()
        if row
    }


def _clips(split: Row) -> list[ClipSpan]:
    rows = split["clips"]
    assert isinstance(rows, list)
    return [
        ClipSpan(
            clip_id=row["clip_id"],
            frames=FrameSpan(row["start_frame"], row["end_frame"]),
            start_pts=row["start_pts"],
            end_pts=row["end_pts"],
            start_s=row["start_s"],
            end_s=row["end_s"],
            shot_index=row["shot_index"],
        )
        for row in rows
    ]


def _by_id(table: pa.Table) -> Rows:
    return {str(row["id"]): row for row in table.to_pylist()}

"""From what is known to what is to do: the anti-join of the rows a plan expects with the rows that are there.

Nothing else says that a video is complete. A run that was killed, a new stage, a changed parameter and a new
file all show as rows that are missing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from clipmill.engine.work import Work
from clipmill.intake.copies import verify_copies
from clipmill.intake.inspection import facts_of
from clipmill.intake.manifests import get_sources, in_groups, put_work
from clipmill.planning.judgement import RETRYABLE
from clipmill.planning.missing import Known, lacking
from clipmill.planning.plan import Plan, inspect_digest
from clipmill.records import ClipSpan, Inspection, SourceFile
from clipmill.state.clearing import clear_raised
from clipmill.state.schema import SPLIT_STATE, light_columns, schema_of
from clipmill.state.split_rows import clip_spans
from clipmill.state.store import ResultStore
from clipmill.storage.inspections import read_inspections
from clipmill.storage.state import State

Row = Mapping[str, object]


@dataclass(frozen=True)
class KnownRun:
    """What an output knows of a plan's sources: inspections and splits by id, and the rows of clips."""

    inspections: Mapping[str, Row]
    splits: Mapping[str, Row]
    clips: Known
    videos: Mapping[str, frozenset[str]]
    """Key of a stage of whole videos -> ids that are done."""


def read_known(plan: Plan, output: str, *, passed: frozenset[str] | None = None) -> KnownRun:
    """Returns the state of every stage of a plan, without its heavy columns.

    ``passed`` are the clips that passed the barriers of the plan; None stands for all.
    """
    state = ResultStore(output)
    extractor = plan.extractor
    clip_nodes = [node for node in plan.rowed if node.stage.grain != "video"]
    tables = {
        node.key: state.read(node.key, node.digest, schema=schema_of(node), columns=light_columns(node))
        for node in clip_nodes
    }
    videos = {
        node.key: state.read(node.key, node.digest, schema=schema_of(node), columns=["id", "outcome"])
        for node in plan.rowed
        if node.stage.grain == "video"
    }
    return KnownRun(
        inspections=_by_id(read_inspections(State(output), inspect_digest(plan.limits))),
        splits=_by_id(state.read(extractor.key, extractor.digest, schema=SPLIT_STATE)),
        clips=Known(tables, passed),
        videos={key: Known({key: table}).done(key) for key, table in videos.items()},
    )


def admit(
    listing_uri: str, plan: Plan, *, output: str, num_groups: int, passed: frozenset[str] | None = None
) -> list[str]:
    """Returns the work of this run as at most ``num_groups`` manifests; empty when nothing is to do.

    Final failures whose limit was raised since then are tried again.
    ``passed`` as in ``read_known``.
    """
    check_copies(get_sources(listing_uri), plan, output)
    clear_raised(ResultStore(output), plan.digests(), plan.limits)
    items = missing_work(get_sources(listing_uri), read_known(plan, output, passed=passed), plan)
    items = within_budget(items, plan.limits.max_work_per_run)
    if not items:
        return []
    size = -(-len(items) // num_groups)
    return [put_work(output, group) for group in in_groups(items, size)]


def check_copies(sources: Sequence[SourceFile], plan: Plan, output: str) -> None:
    """Reads sources that look alike in full, once, so that their ids hold."""
    state = State(output)
    table = state.read("inspect", inspect_digest(plan.limits))
    pairs = zip(table["id"].to_pylist(), table["video_id"].to_pylist(), strict=True)
    verify_copies(sources, dict(pairs), state)


def missing_work(sources: Iterable[SourceFile], known: KnownRun, plan: Plan) -> list[Work]:
    """Returns one item per video that lacks rows, by URI; of copies the smallest URI stands for all."""
    items: list[Work] = []
    seen: set[str] = set()
    for source in sorted(sources):
        row = known.inspections.get(source.source_version)
        if row is None or row["reason"] is not None or row["video_id"] in seen:
            continue
        seen.add(str(row["video_id"]))
        item = _work(source, row, known, plan)
        if item is not None:
            items.append(item)
    return items


def first_work(inspections: Iterable[Inspection], plan: Plan) -> list[Work]:
    """Returns the work of a run that keeps no state: everything, of every readable source."""
    lacks = frozenset(node.key for node in plan.rowed if node.stage.grain == "video")
    return [
        Work(one.source, one.video_id, one.facts, video_lacks=lacks)
        for one in inspections
        if one.video_id is not None and one.facts is not None
    ]


def within_budget(items: Sequence[Work], max_work: float | None) -> list[Work]:
    """Returns the first items whose estimated work, in megapixel-seconds, fits; at least one."""
    if max_work is None:
        return list(items)
    kept: list[Work] = []
    spent = 0.0
    for item in items:
        spent += item.facts.width_px * item.facts.height_px / 1e6 * item.facts.duration_s
        if kept and spent > max_work:
            break
        kept.append(item)
    return kept


def _work(source: SourceFile, row: Row, known: KnownRun, plan: Plan) -> Work | None:
    video_id, facts = str(row["video_id"]), facts_of(dict(row))
    split = known.splits.get(video_id)
    video_lacks = frozenset(key for key, done in known.videos.items() if video_id not in done)
    if split is None or split["outcome"] == RETRYABLE:
        return Work(source, video_id, facts, video_lacks=video_lacks)
    if split["reason"] is not None:
        return None
    clips = split_clips(split)
    found = lacking(plan, known.clips, clips)
    if not (found.stages or video_lacks):
        return None
    return Work(
        source,
        video_id,
        facts,
        clips=tuple(clip for clip in clips if clip.clip_id in found.stages),
        lacks=found.stages,
        video_lacks=video_lacks,
        repaired_times=str(split["repaired_times"] or ""),
        is_plain=not (split["is_partial"] or split["repaired_times"] or split["oddities"]),
    )


def split_clips(split: Row) -> tuple[ClipSpan, ...]:
    """Returns the clips of a row of the split, in order of their frames."""
    rows = split["clips"]
    assert rows is None or isinstance(rows, list)
    return clip_spans(rows)


def _by_id(table: pa.Table) -> dict[str, Row]:
    return {str(row["id"]): row for row in table.to_pylist()}

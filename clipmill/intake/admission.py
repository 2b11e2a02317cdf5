"""From what is known to what is to do: the anti-join of the rows a plan expects with the rows that are there.

Nothing else says that a video is complete. A run that was killed, a new stage, a changed parameter and a new
file all show as rows that are missing. Memory is that of a range of videos, whatever their number.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from math import ceil

import numpy as np
import pyarrow as pa

from clipmill import arrow
from clipmill.engine.work import Work
from clipmill.intake.complete_videos import Lacking, NoteTaker, drop_complete, lacking_of
from clipmill.intake.copies import verify_copies
from clipmill.intake.inspection import facts_of
from clipmill.intake.known_clips import KnownClips
from clipmill.intake.known_videos import load_inspections, load_sources, make_videos
from clipmill.intake.manifests import Sources, get_work, put_sources, source_of, work_spool
from clipmill.planning.judgement import RETRYABLE
from clipmill.planning.missing import ClipBlock, keys_by_clip
from clipmill.planning.plan import Plan
from clipmill.records import Inspection, SourceFile
from clipmill.state import completeness
from clipmill.state.clearing import clear_cut, clear_raised
from clipmill.state.database import scratch_database
from clipmill.state.split_rows import clip_spans
from clipmill.state.store import ResultStore
from clipmill.storage.source_columns import SourceColumns

Row = Mapping[str, object]

_VIDEOS_AT_ONCE = 2_000


def admit(
    listing_uri: str,
    plan: Plan,
    *,
    output: str,
    num_groups: int,
    group_s: float | None = None,
    passed: frozenset[str] | None = None,
) -> list[str]:
    """Returns the work of this run as at most ``num_groups`` manifests; empty when nothing is to do.

    With ``group_s`` there are only as many as hold so many seconds of video each. ``passed`` are the clips
    that passed the barriers of the plan; None stands for all. Final failures and results
    that a limit cut are tried again where it was raised since then.
    """
    state = ResultStore(output)
    clear_raised(state, plan.digests(), plan.limits)
    clear_cut(state, plan.running)
    items = missing_work(Sources(listing_uri), plan, output, passed=passed)
    with work_spool() as spool:
        for item in within_budget(items, plan.limits.max_work_per_run):
            spool.add(item)
        wanted = num_groups if group_s is None else ceil(spool.video_s / group_s) or 1
        return spool.put(output, min(num_groups, wanted))


def remaining(work_uri: str, plan: Plan, *, output: str) -> str:
    """Returns the manifest of what a manifest's videos still lack, after an attempt that was cut short."""
    items = get_work(work_uri)
    clips = [clip.clip_id for item in items for clip in item.clips or ()]
    passed = frozenset(clips) if plan.num_phases > 1 else None
    with work_spool() as spool:
        for item in missing_work([item.source for item in items], plan, output, passed=passed):
            spool.add(item)
        return next(iter(spool.put(output, 1)), put_sources(output, []))


def missing_work(
    sources: Iterable[SourceFile], plan: Plan, output: str, *, passed: frozenset[str] | None = None
) -> Iterator[Work]:
    """Yields one item per video that lacks rows, by URI; of copies the smallest URI stands for all.

    Sources that look alike are read in full, once, so that their ids hold. Videos that lack nothing are noted
    for the next time, where no barrier decides about their clips. ``sources`` may be looked through twice.
    """
    with scratch_database() as database:
        load_sources(database, sources)
        load_inspections(database, plan, output)
        if verify_copies(database, output):
            load_inspections(database, plan, output)
        make_videos(database)
        is_noted = passed is None and completeness.can_be_noted(plan)
        parts = drop_complete(database, plan, output) if is_noted else {}
        if not database.number("SELECT count(*) FROM videos"):
            return
        known = KnownClips(database, plan, parts={**parts})
        is_whole = known.load(output)
        if is_whole or not parts:
            yield from _work_of_videos(known, NoteTaker(known, plan, output) if is_noted else None, passed)
            return
    # A part was damaged that rows of other videos may have been in: they are looked at too.
    yield from missing_work(sources, plan, output, passed=passed)


def _work_of_videos(
    known: KnownClips, notes: NoteTaker | None, passed: frozenset[str] | None
) -> Iterator[Work]:
    for index in range(len(known.ranges)):
        clips = known.clips(index)
        found = lacking_of(known, index, known.plan, clips, passed)
        lacking = set[int]()
        for place, item in _work_of_range(known, index, found):
            lacking.add(place)
            yield item
        if notes:
            notes.add(index, lacking, clips)
        del clips, found  # before the next range is read
    if notes:
        notes.finish()


def _work_of_range(known: KnownClips, index: int, lacking: Lacking) -> Iterator[tuple[int, Work]]:
    """Yields (place, item) of the videos of a range that lack rows, by place."""
    for start in range(0, len(lacking.places), _VIDEOS_AT_ONCE):
        for row in _facts(known, index, lacking.places[start : start + _VIDEOS_AT_ONCE]):
            place = int(str(row["place"]))
            keys = frozenset(key for key, found in lacking.videos.items() if place in found)
            item = _work(row, lacking.block, lacking.clips, keys)
            if item is not None:
                yield place, _with_values(item, known.plan, known.sources)


def _facts(known: KnownClips, index: int, places: Sequence[int]) -> Iterator[dict[str, object]]:
    """Yields what is known of videos of a range and of their splits, by place."""
    chosen = pa.table({"place": pa.array(places, pa.int64())})
    rows = known.database.rows(
        "SELECT v.* FROM videos v JOIN chosen c USING (place) ORDER BY place", chosen=chosen
    ).to_pylist()
    splits = known.splits(index, among=chosen)
    taken = splits.take(arrow.index_in(chosen["place"].combine_chunks(), splits["place"].combine_chunks()))
    return ({**split, **row} for row, split in zip(rows, taken.to_pylist(), strict=True))


def _work(
    row: Row, block: ClipBlock, lacks: Mapping[str, np.ndarray], video_lacks: frozenset[str]
) -> Work | None:
    source, video_id, facts = source_of(str(row["record"])), str(row["video_id"]), facts_of(dict(row))
    if row["outcome"] is None or row["outcome"] == RETRYABLE:
        return Work(source, video_id, facts, video_lacks=video_lacks)
    if row["reason"] is not None:
        return None
    chosen = np.flatnonzero(block.videos == row["place"])
    ids = block.ids.take(pa.array(chosen)).to_pylist()
    found = keys_by_clip(ids, {key: mask[chosen] for key, mask in lacks.items()})
    clips = row["clips"]
    assert clips is None or isinstance(clips, list)
    return Work(
        source,
        video_id,
        facts,
        clips=tuple(clip for clip in clip_spans(clips) if clip.clip_id in found),
        lacks=found,
        video_lacks=video_lacks,
        repaired_times=str(row["repaired_times"] or ""),
        traits=str(row["traits"] or ""),
        is_plain=not (row["is_partial"] or row["repaired_times"] or row["oddities"]),
    )


def _with_values(item: Work, plan: Plan, sources: SourceColumns | None) -> Work:
    """Returns work with the values of the columns about its source that stages read."""
    names = {name for node in plan.nodes for name in node.source_columns}
    if sources is None or not names:
        return item
    return replace(item, source_values=sources.values_of(item.source.uri, sorted(names)))


def first_work(inspections: Iterable[Inspection], plan: Plan) -> list[Work]:
    """Returns the work of a run that keeps no state: everything, of every readable source."""
    lacks = frozenset(node.key for node in plan.rowed if node.stage.grain == "video")
    sources = plan.source_columns()
    return [
        _with_values(Work(one.source, one.video_id, one.facts, video_lacks=lacks), plan, sources)
        for one in inspections
        if one.video_id is not None and one.facts is not None
    ]


def within_budget(items: Iterable[Work], max_work: float | None) -> Iterator[Work]:
    """Yields the first items whose estimated work, in megapixel-seconds, fits; at least one."""
    spent = 0.0
    for index, item in enumerate(items):
        spent += item.facts.width_px * item.facts.height_px / 1e6 * item.facts.duration_s
        if index and max_work is not None and spent > max_work:
            return
        yield item

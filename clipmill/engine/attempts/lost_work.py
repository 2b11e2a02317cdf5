"""Videos that an earlier run was at when it died, and failures that were tried often enough."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from clipmill.engine.attempts import notes
from clipmill.engine.chunk import Chunk
from clipmill.engine.scan.failed_clips import with_failures
from clipmill.engine.work import Work
from clipmill.planning.plan import Plan
from clipmill.records import VideoReason
from clipmill.stages.base import Failed
from clipmill.state.failures import Failure, failures, make_final
from clipmill.state.split_outcome import SplitOutcome
from clipmill.state.split_rows import split_row
from clipmill.state.store import ResultStore


@dataclass(frozen=True)
class Queue:
    """The work of a run in order: ``last`` are videos that a run died of, to be tried behind the rest."""

    first: tuple[Work, ...]
    last: tuple[Work, ...] = ()
    given_up: Mapping[str, pa.Table] = field(default_factory=dict[str, pa.Table])
    """Stage -> rows of failures that became final before any work."""


def queue_of(state: ResultStore, plan: Plan, items: Sequence[Work], run_id: str) -> Queue:
    """Returns the work in order, after it wrote a failure for each video that a dead run was at."""
    noted = notes.noted_videos(state.root_uri, but=run_id)
    lost = [item for item in items if item.video_id in noted]
    rows = _lost_rows(plan, lost, noted)
    for (dead_id, key), tables in rows.items():
        state.append(key, plan.digests()[key], pa.concat_tables(tables), run_id=dead_id)
    notes.remove_dead_notes(state.root_uri, but=run_id)
    by_key: dict[str, list[pa.Table]] = {}
    for (_, key), tables in rows.items():
        by_key.setdefault(key, []).extend(tables)
    given_up = give_up(state, plan, {key: pa.concat_tables(found) for key, found in by_key.items()}, run_id)
    ended = _ids(given_up.values())
    ids = _lost_before(state, plan, items) | {item.video_id for item in lost}
    return Queue(
        tuple(item for item in items if item.video_id not in ids),
        tuple(item for item in items if item.video_id in ids and not _is_over(item, ended)),
        given_up,
    )


def _is_over(item: Work, ended: frozenset[str]) -> bool:
    """True for a video that is given up, or all of whose clips are."""
    clips = [clip.clip_id for clip in item.clips or ()]
    return item.video_id in ended or (bool(clips) and all(clip_id in ended for clip_id in clips))


def _lost_rows(
    plan: Plan, lost: Iterable[Work], noted: Mapping[str, str]
) -> dict[tuple[str, str], list[pa.Table]]:
    """(Run, stage) -> failures of what the videos lack."""
    rows: dict[tuple[str, str], list[pa.Table]] = {}
    for item in lost:
        run_id = noted[item.video_id]
        message = f"{item.source.uri}: run {run_id} died while it worked on this video"
        failed = Failed("retryable", VideoReason.WORKER_LOST, message)
        if item.lacks_split:
            row = split_row(item.video_id, SplitOutcome(failed=failed), plan.extractor)
            rows.setdefault((run_id, plan.extractor.key), []).append(row)
            continue
        chunk = Chunk(item, item.clips or ()).judged(plan.nodes)
        chunk = with_failures(chunk, plan.rowed, plan, failed).with_effects(plan.nodes)
        for key, table in chunk.made.items():
            rows.setdefault((run_id, key), []).append(table)
    return rows


def _lost_before(state: ResultStore, plan: Plan, items: Sequence[Work]) -> frozenset[str]:
    """Ids of the videos whose last failure was that a run died of them."""
    ids = pa.array([item.video_id for item in items if item.lacks_split], pa.string())
    last: dict[str, Failure] = {}
    if len(ids):
        found = failures(state, plan.extractor.key, plan.extractor.digest, among=ids)
        last = {one.id: one for one in sorted(found, key=lambda one: one.run_id)}
    return frozenset(one.id for one in last.values() if one.reason == VideoReason.WORKER_LOST)


def give_up(
    state: ResultStore, plan: Plan, failed: Mapping[str, pa.Table], run_id: str
) -> dict[str, pa.Table]:
    """Makes failures final that were tried in ``limits.max_failed_runs`` runs; returns their rows by stage.

    ``failed`` maps a stage to the rows of this time, which the state has already.
    """
    if not failed:
        return {}
    stopped, digests, most = notes.stopped_runs(state.root_uri), plan.digests(), plan.limits.max_failed_runs
    made = {
        key: make_final(state, key, digests[key], rows, max_runs=most, stopped_runs=stopped, run_id=run_id)
        for key, rows in failed.items()
    }
    return {key: rows for key, rows in made.items() if len(rows)}


def _ids(tables: Iterable[pa.Table]) -> frozenset[str]:
    return frozenset(item for table in tables for item in table["id"].to_pylist())

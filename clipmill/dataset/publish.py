"""Publishes a snapshot: its tables, the manifest that names them, and then the exports."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import pyarrow as pa

from clipmill import arrow, layout
from clipmill.dataset.assemble import (
    assemble_range,
    kept_ids,
    repeats_of,
    stopped_clips,
    usable,
    with_repeats,
)
from clipmill.dataset.collect import Collected, Collection, collected
from clipmill.dataset.conservation import check_conservation
from clipmill.dataset.exports.documented import export_documented
from clipmill.dataset.exports.kept_clips import write_kept_clips
from clipmill.dataset.funnel import count_range, status_columns, total
from clipmill.dataset.manifest import manifest_bytes
from clipmill.dataset.run_record import RunRecord, write_run
from clipmill.dataset.schemas import table_schemas
from clipmill.dataset.snapshots.parts import MAX_ROWS_PER_FILE, stage_parts
from clipmill.dataset.snapshots.write import Staged, snapshot_id, write_snapshot
from clipmill.dataset.spool import Spool
from clipmill.errors import ConservationError
from clipmill.intake.known_clips import CLIPS_AT_ONCE
from clipmill.outcomes.funnel import Funnel
from clipmill.planning.plan import Plan
from clipmill.records import SourceFile
from clipmill.scratch import ScratchFolder
from clipmill.storage import store
from clipmill.storage.swap import standing


@dataclass(frozen=True)
class PublishOptions:
    """How a snapshot is written: the work of one range is in memory at a time."""

    writes_json: bool = True
    clips_per_range: int = CLIPS_AT_ONCE
    max_rows_per_file: int = MAX_ROWS_PER_FILE


def _no_check(*_: object) -> None:
    pass


@dataclass(frozen=True)
class Guard:
    """What stops a publication: ``clips`` sees every range, and its clips that filters kept, before anything
    is written; ``writes`` is asked before files are replaced that readers look at, and right before the
    manifest."""

    clips: Callable[[Collection, pa.Array], None] = _no_check
    writes: Callable[[], None] = _no_check


def publish(
    output: str,
    *,
    plan: Plan,
    sources: Iterable[SourceFile],
    run: RunRecord,
    duplicates: pa.Table | None = None,
    options: PublishOptions | None = None,
    guard: Guard = Guard(),
    known: Collected | None = None,
) -> Funnel:
    """Publishes what the state under ``output`` knows of ``sources``; returns the funnel.

    That is ``known`` where an earlier step read it. Videos that lack nothing are noted for the next run.

    A run that changes nothing writes ``runs/<run_id>.json`` only. Exports follow the tables: the JSON of a
    clip or video that is no longer in the snapshot is deleted, clip files and previews never are. Raises
    ConservationError, and what ``guard`` raises of the clips, before anything is written; WriteConflict when
    another run published meanwhile.
    """
    output, options = store.normalise(output), options or PublishOptions()
    before = standing(layout.manifest_path(output))
    with ScratchFolder("publish") as scratch:
        spool = Spool(scratch.path)
        with collected(
            output, plan=plan, sources=sources, clips_per_range=options.clips_per_range, known=known
        ) as found:
            marked = _fill(spool, found, repeats_of(duplicates), guard)
        funnel = total(_checked(spool, plan, marked))
        staged = _staged(scratch.path, spool, plan, options)
        published = snapshot_id(staged)
        is_complete = run.end.kind == "done" and not spool.num_open
        manifest = manifest_bytes(plan, funnel, snapshot_id=published, staged=staged, is_complete=is_complete)
        guard.writes()
        write_snapshot(output, published, staged, manifest, standing=before, hold=guard.writes)
        if options.writes_json:
            kept = write_kept_clips(f"{scratch.path}/kept_clips.json", spool.tables("clips"))
            guard.writes()
            store.put_file_if_changed(layout.kept_clips_path(output), kept)
        export_documented(output, spool, plan, writes_json=options.writes_json, hold=guard.writes)
    write_run(output, replace(run, snapshot_id=published))
    store.remove_leftovers(output)
    return funnel


def _fill(spool: Spool, known: Collected, repeats: pa.Table, guard: Guard) -> pa.Table:
    """Puts the tables of every range into the spool; returns the repeats that mark clips.

    Duplicates are marked once the verdicts of all ranges are known: a clip and the one that it repeats may
    lie in different ranges.
    """
    named = pa.concat_arrays([repeats[name].combine_chunks() for name in ("clip_id", "duplicate_of")])
    stopped = stopped_clips(repeats) if known.plan.num_phases > 1 else None
    passed, compared = ([pa.array([], pa.string())] for _ in range(2))
    notes = known.notes()
    for index, collection in enumerate(known.collections()):
        tables = assemble_range(collection, stopped=stopped)
        kept = kept_ids(tables)
        guard.clips(collection, kept)
        notes.look_at(index, collection.clips)
        passed.append(kept.filter(arrow.is_in(kept, named)))
        compared.append(tables.compared.filter(arrow.is_in(tables.compared, named)))
        spool.append(tables, num_found=len(collection.sources))
        del collection, tables  # before the next range is read
    notes.finish()
    return usable(repeats, pa.concat_arrays(passed), pa.concat_arrays(compared))


def _checked(spool: Spool, plan: Plan, repeats: pa.Table) -> Iterator[Funnel]:
    columns = status_columns(plan)
    curated: set[str] = set()
    num_curated = 0
    for index, (num_found, tables) in enumerate(zip(spool.num_found, spool.ranges(), strict=True)):
        if len(repeats):
            tables = with_repeats(tables, repeats)
            spool.replace(index, tables, "clips", "duplicates")
        check_conservation(tables, num_found=num_found)
        ids = tables.videos.filter(arrow.equal(tables.videos["status"], "curated"))["video_id"].to_pylist()
        curated.update(ids)
        num_curated += len(ids)
        yield count_range(tables, columns)
    if len(curated) != num_curated:
        raise ConservationError(f"{num_curated} videos are curated, but only {len(curated)} differ")


def _staged(scratch: str, spool: Spool, plan: Plan, options: PublishOptions) -> Staged:
    return {
        name: stage_parts(
            f"{scratch}/{name}",
            _duplicates(spool, options.clips_per_range) if name == "duplicates" else spool.tables(name),
            schema=schema,
            is_one_file=spool.num_rows[name] <= options.max_rows_per_file,
        )
        for name, schema in table_schemas(plan).items()
    }


def _duplicates(spool: Spool, rows_per_part: int) -> Iterator[pa.Table]:
    """Copies of videos by URI, then duplicate clips by id."""
    found = pa.concat_tables(spool.tables("duplicates"))
    copies = found.filter(arrow.equal(found["scope"], "video"))
    clips = found.filter(arrow.equal(found["scope"], "clip")).sort_by("clip_id")
    rows = pa.concat_tables([copies, clips])
    return (rows.slice(start, rows_per_part) for start in range(0, len(rows), rows_per_part))

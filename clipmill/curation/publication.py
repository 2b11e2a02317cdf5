"""The last step of a run: tables, exports, manifest and report, and how the run ended."""

import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import cast

import numpy as np
import pyarrow as pa
from pydantic import TypeAdapter

from clipmill import arrow, layout
from clipmill.curation.deduplication import compared_check
from clipmill.dataset.collect import Collected
from clipmill.dataset.ending import end_of_run
from clipmill.dataset.exports.embeddings import algorithm_of, embedders
from clipmill.dataset.publish import Guard, PublishOptions, publish
from clipmill.dataset.run_record import RunRecord, latest_run, read_run
from clipmill.dataset.snapshots.record import Snapshot, current_snapshot, read_table, table_parts
from clipmill.dedup_job.result import RunDuplicates
from clipmill.dedup_job.similarity_histogram import read_similarities
from clipmill.errors import RunStopped
from clipmill.intake.known_clips import CLIPS_AT_ONCE
from clipmill.intake.manifests import Sources, get_skipped
from clipmill.machine import num_cores
from clipmill.outcomes.funnel import Funnel
from clipmill.outcomes.run_end import RunEnd
from clipmill.outcomes.summary import Summary, summary_of
from clipmill.planning.plan import Plan
from clipmill.report.plan_view import plan_view
from clipmill.report.render import write_report
from clipmill.report.sample import count_clips
from clipmill.report.summary_text import summary_lines
from clipmill.report.view import ReportOptions, ReportTables, SimilarityCounts
from clipmill.runs.lease import Lease
from clipmill.runs.run_id import started_at
from clipmill.specs import DedupSpec
from clipmill.storage import parquet, store
from clipmill.storage.filesystems import is_http
from clipmill.storage.skipped_files import Skipped, skipped_lines

MAX_CLIPS = 250_000
"""A report of more clips is drawn from a sample of them."""
RARE_CLIPS = 20


@dataclass(frozen=True)
class Published:
    """URIs of what a run left, and what it came to."""

    manifest_uri: str
    report_uri: str
    run_uri: str
    funnel: Funnel
    video_s_per_s: float
    """Seconds of video per second of streaming; 0 when nothing was to do."""
    end: RunEnd
    skipped: Skipped = field(default_factory=Skipped)
    """Files of the source that are not curated."""

    def steps(self) -> Summary:
        """Returns what became of everything."""
        return summary_of(self.funnel, self.end)

    def summary(self) -> str:
        """Returns what became of everything, the speed of the run, and where its results are."""
        speed = (
            f"{self.video_s_per_s:.1f} s of video per second" if self.video_s_per_s else "nothing new to do"
        )
        places = {"report": self.report_uri, "manifest": self.manifest_uri, "run": self.run_uri}
        named = (f"{name}: {uri}" for name, uri in places.items() if uri)
        lines = [*summary_lines(self.steps()), *skipped_lines(self.skipped)]
        return "\n".join([*lines, f"speed: {speed}", *named])


def last_published(output: str) -> Published:
    """Returns what the current snapshot holds and how the newest run ended.

    SourceError where nothing is published.
    """
    root = store.normalise(output)
    funnel = TypeAdapter(Funnel).validate_python(current_snapshot(root).manifest["funnel"])
    uri = latest_run(root)
    return _published(root, uri, read_run(uri) if uri else RunRecord("", "", ""), funnel)


def _published(output: str, run_uri: str, run: RunRecord, funnel: Funnel) -> Published:
    return Published(
        manifest_uri=layout.manifest_path(output),
        report_uri=layout.report_path(output),
        run_uri=run_uri,
        funnel=funnel,
        video_s_per_s=run.numbers.get("video_s_per_s", 0.0),
        end=run.end,
        skipped=run.skipped,
    )


def publish_snapshot(
    listing_uri: str,
    plan: Plan,
    *,
    lease: Lease,
    stream_uris: Sequence[str] = (),
    dedup: DedupSpec | None = None,
    duplicates: RunDuplicates | None = None,
    writes_json: bool = True,
    known: Collected | None = None,
) -> Published:
    """Publishes tables, exports, manifest and report. ``stream_uris``: metrics of the streaming tasks.

    ``known`` is what the state has, where an earlier step read it.

    Fenced where the run lost its output, StaleDuplicates where it keeps clips that were not compared: both
    before readers see anything new.
    """
    output = lease.output
    streams = [store.read_record(uri) for uri in stream_uris]
    sources = Sources(listing_uri)
    end = end_of_run(output, plan, sources, streams)
    run = _run_record(lease.run_id, streams, end, get_skipped(listing_uri))
    funnel = publish(
        output,
        plan=plan,
        sources=sources,
        run=run,
        duplicates=duplicates and duplicates.table,
        options=PublishOptions(writes_json=writes_json),
        guard=Guard(clips=compared_check(plan, dedup, duplicates), writes=lease.hold),
        known=known,
    )
    lease.hold()
    output = store.normalise(output)
    snapshot = current_snapshot(output)
    tables = report_tables(output, snapshot)
    write_report(
        output,
        tables,
        options=ReportOptions(
            view=plan_view(plan),
            facts=(*_facts(plan), *_sample_fact(tables)),
            summary=summary_of(funnel, end),
            similarity=None if duplicates is None else _similarity(output),
        ),
    )
    return _published(output, layout.run_path(output, run.run_id), run, funnel)


def report_tables(output: str, snapshot: Snapshot, *, max_clips: int = MAX_CLIPS) -> ReportTables:
    """Returns what the report is drawn from; of more than ``max_clips`` clips a sample, with counts of all.

    The sample holds about so many clips, the same ones every time, and all clips of a status and reason that
    few have. Only some rows of a table are in memory at a time.
    """
    num_clips = snapshot.num_rows("clips")
    if num_clips <= max_clips:
        return ReportTables(**{name: read_table(output, name, snapshot=snapshot) for name in layout.TABLES})
    below = f"{int(2**32 * max_clips / num_clips):08x}"  # ids are hashes
    counts = count_clips(_batches(output, "clips", snapshot, ["status", "reason"]))
    rare = [kind for kind, number in counts.numbers.items() if number <= RARE_CLIPS]
    clips = pa.concat_tables(
        batch.filter(pa.array(arrow.flags(arrow.less(batch["clip_id"], below)) | _are(batch, rare)))
        for batch in _batches(output, "clips", snapshot)
    )
    ids = clips["clip_id"].combine_chunks()
    of_clips = {
        name: _rows_of(output, name, snapshot, ids) for name in ("windows", "rejections", "duplicates")
    }
    unread = {"shots": pa.table({})}
    videos = read_table(output, "videos", snapshot=snapshot)
    return ReportTables(videos=videos, clips=clips, **of_clips, **unread, counts=counts)


def _batches(
    output: str, table: str, snapshot: Snapshot, columns: Sequence[str] | None = None
) -> Iterator[pa.Table]:
    for uri in table_parts(output, table, snapshot=snapshot):
        yield from parquet.read_batches(uri, columns, max_rows=CLIPS_AT_ONCE)


def _are(clips: pa.Table, kinds: Sequence[tuple[str, str]]) -> np.ndarray:
    """Returns bool ``(N,)``: clips of one of several statuses and reasons."""
    status, reason = (clips[name].combine_chunks().fill_null("") for name in ("status", "reason"))
    found = [
        arrow.flags(arrow.equal(status, one)) & arrow.flags(arrow.equal(reason, why)) for one, why in kinds
    ]
    return np.logical_or.reduce([np.zeros(len(clips), bool), *found])


def _rows_of(output: str, table: str, snapshot: Snapshot, clip_ids: pa.Array) -> pa.Table:
    """Returns the rows of clips, and those of no clip."""
    found = [parquet.schema_of(table_parts(output, table, snapshot=snapshot)[0]).empty_table()]
    for rows in _batches(output, table, snapshot):
        is_chosen = arrow.flags(arrow.is_in(rows["clip_id"], clip_ids))
        found.append(rows.filter(pa.array(is_chosen | arrow.flags(rows["clip_id"].is_null()))))
    return pa.concat_tables(found)


def _sample_fact(tables: ReportTables) -> Iterator[tuple[str, str]]:
    if tables.counts:
        shown = f"{len(tables.clips):,} of {tables.counts.num():,} clips"
        yield "scores and captions", f"of a sample of {shown}; the funnel counts all"


def conclude(run_uri: str) -> str:
    """Returns how the run of a record ended, in words. RunStopped for one that ended early."""
    end = read_run(run_uri).end
    if end.kind == "stopped":
        raise RunStopped(end.stopped)
    return end.sentence()


def _run_record(
    run_id: str, streams: Sequence[dict[str, object]], end: RunEnd, skipped: Skipped
) -> RunRecord:
    video_s, wall_s = (sum(float(str(one[name])) for one in streams) for name in ("video_s", "wall_s"))
    laps = [lap for one in streams for lap in cast(list[dict[str, str | int | float]], one["laps"])]
    return RunRecord(
        run_id=run_id,
        started_at=started_at(run_id).isoformat(),
        finished_at=datetime.now(UTC).isoformat(),
        host=platform.node(),
        num_cpus=num_cores(),
        numbers={
            "video_s": video_s,
            "stream_wall_s": wall_s,
            "video_s_per_s": video_s / wall_s if wall_s else 0.0,
            "cpu_s": sum(float(lap["cpu_s"]) for lap in laps),
        },
        stage_metrics=tuple(laps),
        end=end,
        skipped=skipped,
    )


def _similarity(output: str) -> SimilarityCounts | None:
    found = read_similarities(store.normalise(output))
    return None if found is None else SimilarityCounts(found.threshold, found.counts)


def _facts(plan: Plan) -> Iterator[tuple[str, str]]:
    source = plan.source.path
    yield "source", store.normalise(source) if is_http(source) else source
    yield "clips by", plan.extractor.key
    yield "encoder", plan.encode_options.encoder if plan.encode_options else "none"
    yield "embedding", ", ".join(algorithm_of(node) for node in embedders(plan)) or "none"
    if plan.models:
        yield "models", ", ".join(dict.fromkeys(model.name for model in plan.models))

"""The last step of a run: tables, exports, manifest and report, and how the run ended."""

import json
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import cast

from clipmill import layout
from clipmill.curation.deduplication import compared_check
from clipmill.dataset.ending import end_of_run
from clipmill.dataset.exports.embeddings import (
    algorithm_of,
    embedders,
)
from clipmill.dataset.publish import Guard, PublishOptions, publish
from clipmill.dataset.run_record import RunRecord, end_of_record
from clipmill.dataset.snapshots.record import current_snapshot, read_table
from clipmill.dedup_job.result import RunDuplicates
from clipmill.dedup_job.similarity_histogram import read_similarities
from clipmill.errors import RunStopped
from clipmill.intake.admission import note_complete_videos
from clipmill.intake.manifests import get_skipped, get_sources
from clipmill.machine import num_cores
from clipmill.outcomes.funnel import Funnel
from clipmill.outcomes.run_end import RunEnd
from clipmill.outcomes.summary import summary_of
from clipmill.planning.plan import Plan
from clipmill.report.plan_view import plan_view
from clipmill.report.render import write_report
from clipmill.report.summary_text import summary_lines
from clipmill.report.view import ReportOptions, ReportTables, SimilarityCounts
from clipmill.runs.lease import Lease
from clipmill.runs.run_id import started_at
from clipmill.specs import DedupSpec
from clipmill.storage import store
from clipmill.storage.filesystems import is_http
from clipmill.storage.listing import skipped_lines


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
    skipped: Mapping[str, int] = field(default_factory=dict[str, int])
    """Files of the source that are no videos, by the ending of their names."""

    def summary(self) -> str:
        """Returns what became of everything, the speed of the run, and where its results are."""
        speed = (
            f"{self.video_s_per_s:.1f} s of video per second" if self.video_s_per_s else "nothing new to do"
        )
        places = {"report": self.report_uri, "manifest": self.manifest_uri, "run": self.run_uri}
        named = (f"{name}: {uri}" for name, uri in places.items())
        lines = [*summary_lines(summary_of(self.funnel, self.end)), *skipped_lines(self.skipped)]
        return "\n".join([*lines, f"speed: {speed}", *named])


def publish_snapshot(
    listing_uri: str,
    plan: Plan,
    *,
    lease: Lease,
    stream_uris: Sequence[str] = (),
    dedup: DedupSpec | None = None,
    duplicates: RunDuplicates | None = None,
    writes_clip_json: bool = True,
) -> Published:
    """Publishes tables, exports, manifest and report. ``stream_uris``: metrics of the streaming tasks.

    Fenced where the run lost its output, StaleDuplicates where it keeps clips that were not compared: both
    before readers see anything new.
    """
    output = lease.output
    streams = [cast(dict[str, object], json.loads(store.read_bytes(uri))) for uri in stream_uris]
    sources = get_sources(listing_uri)
    end = end_of_run(output, plan, sources, streams)
    run = _run_record(lease.run_id, streams, end)
    funnel = publish(
        output,
        plan=plan,
        sources=sources,
        run=run,
        duplicates=duplicates and duplicates.table,
        options=PublishOptions(writes_clip_json=writes_clip_json),
        guard=Guard(clips=compared_check(plan, output, dedup, duplicates), writes=lease.hold),
    )
    lease.hold()
    output = store.normalise(output)
    snapshot = current_snapshot(output)
    report_uri = write_report(
        output,
        ReportTables(**{name: read_table(output, name, snapshot=snapshot) for name in layout.TABLES}),
        options=ReportOptions(
            view=plan_view(plan),
            facts=tuple(_facts(plan)),
            summary=summary_of(funnel, end),
            similarity=None if duplicates is None else _similarity(output),
        ),
    )
    note_complete_videos(listing_uri, plan, output=output)
    return Published(
        manifest_uri=layout.manifest_path(output),
        report_uri=report_uri,
        run_uri=layout.run_path(output, run.run_id),
        funnel=funnel,
        video_s_per_s=run.numbers["video_s_per_s"],
        end=end,
        skipped=get_skipped(listing_uri),
    )


def conclude(run_uri: str) -> str:
    """Returns how the run of a record ended, in words. RunStopped for one that ended early."""
    end = end_of_record(run_uri)
    if end.kind == "stopped":
        raise RunStopped(end.stopped)
    return end.sentence()


def _run_record(run_id: str, streams: Sequence[dict[str, object]], end: RunEnd) -> RunRecord:
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

"""The end of a run, for workflows and ``Pipeline`` alike: collect, publish, say what came of it."""

import json
import platform
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

import pyarrow as pa

from clipmill import layout
from clipmill.intake.manifests import get_sources
from clipmill.machine import num_cores
from clipmill.plan import RunPlan
from clipmill.reduce.evidence import read_similarities
from clipmill.review.limits import aesthetic_limit, length_limit, motion_limits, quality_limits
from clipmill.review.report import write_report
from clipmill.review.view import ReportOptions, ReportTables, ScoreLimit, SimilarityCounts
from clipmill.snapshot.collect import Collection, collect
from clipmill.snapshot.embeddings import (
    export_clips_for_ranking,
    export_embeddings,
    export_no_embeddings,
)
from clipmill.snapshot.funnel import Funnel
from clipmill.snapshot.publish import publish
from clipmill.snapshot.run_record import RunRecord
from clipmill.storage import store


@dataclass(frozen=True)
class Published:
    """URIs of what a run left, and what it came to."""

    manifest_uri: str
    report_uri: str
    run_uri: str
    funnel: Funnel
    video_s_per_s: float
    """Seconds of video per second of streaming; 0 when nothing was to do."""

    def summary(self) -> str:
        """What a person wants to know at the end."""
        speed = (
            f"{self.video_s_per_s:.1f} s of video per second" if self.video_s_per_s else "nothing new to do"
        )
        places = {"report": self.report_uri, "manifest": self.manifest_uri, "run": self.run_uri}
        lines = [*self.funnel.lines(), f"speed: {speed}", *(f"{name}: {uri}" for name, uri in places.items())]
        return "\n".join(lines)


def collection_of(listing_uri: str, plan: RunPlan, *, output: str) -> Collection:
    """What the state knows of the sources of a listing, for the stages of a plan."""
    return collect(output, plan=plan, sources=get_sources(listing_uri))


@dataclass(frozen=True)
class DedupInput:
    """URIs of a folder of embeddings and of a table of clips to rank by, and what made the embeddings."""

    embeddings_uri: str
    columns_uri: str
    algorithm: str


def dedup_input(listing_uri: str, plan: RunPlan, *, output: str, is_on: bool) -> DedupInput:
    """Write what deduplication reads; a folder without embeddings when it, embedding or writing it is off."""
    if plan.embedding is None or not _writes_embeddings(plan):
        return DedupInput(export_no_embeddings(output), "", "none")
    collection = collection_of(listing_uri, plan, output=output)
    embeddings_uri = export_embeddings(collection)
    columns_uri = export_clips_for_ranking(collection)
    if not is_on:
        embeddings_uri = export_no_embeddings(output)
    return DedupInput(embeddings_uri, columns_uri, plan.embedding.algorithm)


def _writes_embeddings(plan: RunPlan) -> bool:
    return plan.writer is None or (plan.writer.generate_embeddings and not plan.writer.dry_run)


def publish_snapshot(
    listing_uri: str,
    plan: RunPlan,
    *,
    output: str,
    started_at: datetime,
    stream_uris: Sequence[str] = (),
    duplicates: pa.Table | None = None,
    writes_clip_json: bool = True,
) -> Published:
    """Publish tables, exports, manifest and report. ``stream_uris``: metrics of the streaming tasks."""
    streams = [cast(dict[str, object], json.loads(store.read_bytes(uri))) for uri in stream_uris]
    run = _run_record(started_at, streams)
    tables, funnel = publish(
        collection_of(listing_uri, plan, output=output),
        run=run,
        duplicates=duplicates,
        writes_clip_json=writes_clip_json,
    )
    report_uri = write_report(
        store.normalise(output),
        ReportTables(**tables.by_name()),
        options=ReportOptions(
            facts=tuple(_facts(plan)),
            limits=tuple(_limits(plan)),
            dropped_s=tables.dropped_s,
            similarity=None if duplicates is None else _similarity(output),
            output_root=store.normalise(output),
        ),
    )
    return Published(
        manifest_uri=layout.manifest_path(store.normalise(output)),
        report_uri=report_uri,
        run_uri=layout.run_path(store.normalise(output), run.run_id),
        funnel=funnel,
        video_s_per_s=run.numbers["video_s_per_s"],
    )


def _run_record(started_at: datetime, streams: Sequence[dict[str, object]]) -> RunRecord:
    video_s, wall_s = (sum(float(str(one[name])) for one in streams) for name in ("video_s", "wall_s"))
    laps = [lap for one in streams for lap in cast(list[dict[str, str | int | float]], one["laps"])]
    return RunRecord(
        run_id=f"{started_at:%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}",
        started_at=started_at.isoformat(),
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
    )


def _similarity(output: str) -> SimilarityCounts | None:
    found = read_similarities(store.normalise(output))
    return None if found is None else SimilarityCounts(found.threshold, found.counts)


def _facts(plan: RunPlan) -> Iterator[tuple[str, str]]:
    yield "source", plan.reader.input_video_path
    yield "clips by", plan.extractor.stage_name.removeprefix("split_")
    yield "encoder", plan.transcode.encoder if plan.transcode else "none"
    yield "embedding", plan.embedding.algorithm if plan.embedding else "none"
    if plan.captions:
        names = [used.entry.source for used in plan.models if used.stage is plan.captions]
        yield "captions by", names[0] if names else plan.captions.endpoint_model or ""


def _limits(plan: RunPlan) -> Iterator[ScoreLimit]:
    yield length_limit(plan.extractor)
    if plan.motion_filter:
        yield from motion_limits(plan.motion_filter)
    if plan.quality:
        yield from quality_limits(plan.quality)
    if plan.aesthetics:
        yield aesthetic_limit(plan.aesthetics)

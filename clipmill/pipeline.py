"""Curation from Python, without Flyte: add the documents' stages to a ``Pipeline`` and run it."""

import logging
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Self

from clipmill import layout
from clipmill.curation import dedup_input, publish_snapshot
from clipmill.errors import SpecError
from clipmill.intake.admission import Known, check_copies, first_work, missing_work
from clipmill.intake.inspection import inspect_all, inspect_manifest
from clipmill.intake.manifests import get_sources
from clipmill.intake.sharding import plan_shards
from clipmill.media.encoders import check_encoder
from clipmill.media.lending import kept_processes
from clipmill.plan import RunPlan, plan_of_stages
from clipmill.specs import ShardingSpec
from clipmill.storage import store
from clipmill.storage.listing import list_source
from clipmill.streaming.record import stream_recorded
from clipmill.streaming.run import Engine, stream
from clipmill.video import VideoTask

logger = logging.getLogger(__name__)


class Pipeline:
    """A list of stages with a name.

    One decode per video feeds all of them; ``clipmill.plan`` says how. A stage of your own needs a ``name``
    and ``process(task) -> task``; it gets ``clipmill.video.VideoTask`` where it stands in the list.
    """

    def __init__(self, name: str, description: str = "", stages: Iterable[object] = ()) -> None:
        self.name = name
        self.description = description
        self.stages = list(stages)

    def add_stage(self, stage: object) -> Self:
        """Append a stage; returns the pipeline, so that calls can be chained."""
        self.stages.append(stage)
        return self

    def plan(self) -> RunPlan:
        """What a run would do. SpecError, before any work, for stages that cannot run together."""
        return plan_of_stages(self.stages)

    def run(self, engine: Engine = "inline") -> list[VideoTask]:
        """Run to the end; the finished tasks, those of videos that were complete already left out.

        With a ClipWriterStage the output is written, resumed and published like a workflow's, without dedup,
        and the tasks come back without pixels. Without one nothing is written, and clips keep buffers and
        frames. ``engine`` ``ray`` needs a running Ray. SpecError, before any work, for an encoder that does
        not work here.
        """
        plan = self.plan()
        _warn_of_other_embeddings(plan)
        if plan.makes_files:
            check_encoder(plan.transcode)
        with kept_processes(memory_limit_bytes=plan.limits.max_child_bytes):
            if plan.writer is None:
                return _run_unwritten(plan, engine)
            return _run_written(plan, plan.writer.output_path, engine)


def _run_written(plan: RunPlan, output: str, engine: Engine) -> list[VideoTask]:
    """What the workflow ``curate`` does, without dedup."""
    _check_input_path(plan)
    started_at = datetime.now(UTC)
    shards = plan_shards(plan, output=output, sharding=ShardingSpec())
    for manifest_uri in shards.manifest_uris:
        inspect_manifest(manifest_uri, output=output, limits=plan.limits)
    sources = get_sources(shards.listing_uri)
    check_copies(sources, plan, output)
    items = missing_work(sources, Known.read(plan, output), plan)
    tasks: list[VideoTask] = []
    streams = (
        [stream_recorded(items, plan, output=output, engine=engine, on_task=tasks.append)] if items else []
    )
    dedup_input(shards.listing_uri, plan, output=output, is_on=False)
    publish_snapshot(shards.listing_uri, plan, output=output, started_at=started_at, stream_uris=streams)
    return tasks


def _warn_of_other_embeddings(plan: RunPlan) -> None:
    """Say when the writer names embeddings that no stage of the pipeline makes."""
    if plan.writer is None or not plan.writer.generate_embeddings:
        return
    made, named = plan.embedding.algorithm if plan.embedding else "none", plan.writer.embedding_algorithm
    if not made.startswith(named):  # the documents name a family, such as cosmos-embed1
        logger.warning("the writer names %s embeddings, the pipeline makes %s: those count", named, made)


def _check_input_path(plan: RunPlan) -> None:
    """SpecError unless the writer can name every video relative to its ``input_path``."""
    if plan.writer is None:
        return
    source, root = (store.normalise(uri) for uri in (plan.reader.input_video_path, plan.writer.input_path))
    try:
        layout.relative_source(source, root)
    except ValueError as error:
        raise SpecError(f"ClipWriterStage.input_path: {error}") from error


def _run_unwritten(plan: RunPlan, engine: Engine) -> list[VideoTask]:
    """Everything in memory: inspected, streamed, handed back."""
    inspections = inspect_all(list_source(plan.reader), plan.limits)
    tasks: list[VideoTask] = []
    stream(first_work(inspections, plan), plan, engine=engine, state=None, attempt="", on_task=tasks.append)
    return tasks

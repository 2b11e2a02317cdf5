"""One run of the engine: work in, rows of the state out, a report of what it took."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import pyarrow as pa

from clipmill.engine.chunk import Chunk
from clipmill.engine.graph import OperatorNode, build_operators
from clipmill.engine.inline import run_inline
from clipmill.engine.known_rows import known_of
from clipmill.engine.metrics import StageMetric
from clipmill.engine.progress import Progress
from clipmill.engine.runners.failures import FailureCount
from clipmill.engine.stage_log import log_chunk
from clipmill.engine.state_writer import StateWriter
from clipmill.engine.work import Work
from clipmill.errors import ClipmillError
from clipmill.machine import num_cores
from clipmill.media.encode.availability import check_encoder
from clipmill.models.runtime.devices import num_gpus_here
from clipmill.planning.plan import Plan
from clipmill.progress import LogStatus, Show
from clipmill.stages.base import apply_verbose
from clipmill.stages.roles import EncoderStage
from clipmill.state.store import ResultStore

Engine = Literal["inline", "ray"]


@dataclass(frozen=True)
class StreamReport:
    """What a run took: items, seconds of wall clock and of CPU per operator, and every lap.

    ``failures`` maps the key of a stage to the number of items without a result; ``stopped`` says why the run
    ended early, and is empty otherwise.
    """

    num_videos: int
    num_clips: int
    wall_s: float
    engine: Engine
    metrics: tuple[StageMetric, ...] = field(default=(), repr=False)
    failures: Mapping[str, int] = field(default_factory=dict[str, int])
    stopped: str = ""

    def cpu_s_by_operator(self) -> dict[str, float]:
        """Returns the CPU seconds spent in each operator and stage, codec processes included."""
        totals: dict[str, float] = defaultdict(float)
        for metric in self.metrics:
            totals[metric.operator] += metric.cpu_s
        return dict(totals)


def stream(
    items: Sequence[Work],
    plan: Plan,
    *,
    engine: Engine,
    state: ResultStore | None,
    run_id: str,
    on_chunk: Callable[[Chunk], None] | None = None,
    show: Show | None = None,
) -> StreamReport:
    """Does the work of ``items`` and writes its rows to ``state``, if there is one.

    ``run_id`` names the parts that this run writes. ``on_chunk`` sees every finished chunk, ``show`` how far
    it is; without one that is logged. SpecError, before any work, where the encoder asked for does not work
    here. StageBroken, when a stage fails on everything, and any other error of ours comes after the rows that
    are done are safe.
    """
    if items:
        check_machine(plan, engine)
    apply_verbose(plan.stages)
    started_s = time.monotonic()
    writer = StateWriter(state, plan, run_id)
    progress, failures = Progress(items, show or LogStatus()), FailureCount()
    metrics: list[StageMetric] = []
    num_clips = 0
    known = known_of(state, plan, items) if state else {}
    try:
        for chunk in run_graph(items, plan, engine=engine, known=known):
            progress.saw(chunk)
            if chunk.mark:
                continue
            writer.add(chunk)
            log_chunk(chunk, plan)
            failures.saw(chunk)
            metrics.extend(chunk.metrics)
            num_clips += len(chunk.clips) - len(chunk.rejected)
            if on_chunk:
                on_chunk(chunk)
        failures.check()
    except ClipmillError:
        writer.flush()
        raise
    writer.flush()
    wall_s = time.monotonic() - started_s
    return StreamReport(len(items), num_clips, wall_s, engine, tuple(metrics), failures.by_key())


def check_machine(plan: Plan, engine: Engine) -> None:
    """Raises SpecError or ModelUnavailable for what a run needs and this machine does not have."""
    encoder = plan.encoder
    if encoder is not None and isinstance(encoder.stage, EncoderStage):
        check_encoder(encoder.stage.options())
    for stage in plan.stages:
        stage.check(num_gpus=_num_gpus(engine))


def run_graph(
    items: Sequence[Work], plan: Plan, *, engine: Engine, known: Mapping[str, Mapping[str, pa.Table]]
) -> Iterator[Chunk]:
    """Yields the finished chunks of ``items``, as they come. ``known`` maps a video to rows by stage."""
    chunks = [Chunk(item, known=known.get(item.video_id, {})) for item in items]
    if not items:
        return iter(())
    if engine == "inline":
        has_gpu = num_gpus_here() > 0
        nodes = build_operators(plan, num_cpus=num_cores(), num_videos=len(items), has_own_gpu=has_gpu)
        return run_inline(nodes, chunks, one_worker=_one_worker(nodes, plan))
    # Ray takes seconds to import; a laptop's inline run never needs it.
    from clipmill.engine.ray_engine import cluster_cpus, cluster_gpus, run_on_ray

    nodes = build_operators(plan, num_cpus=cluster_cpus(), num_gpus=cluster_gpus(), num_videos=len(items))
    return run_on_ray(nodes, chunks)


def _num_gpus(engine: Engine) -> float:
    """GPUs that the workers may use: of the Ray cluster, or of this machine."""
    if engine == "ray":
        from clipmill.engine.ray_engine import cluster_gpus

        return cluster_gpus()
    return float(num_gpus_here())


def _one_worker(nodes: Sequence[OperatorNode], plan: Plan) -> set[str]:
    """The operators that have one worker inline; all of them for a debugger."""
    if plan.limits.isolation == "none":
        return {node.name for node in nodes}
    return {node.name for node in nodes if node.is_alone}

"""One run of the streaming core: work items in, rows of the state out, a report of what it took."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from clipmill.machine import num_cores
from clipmill.media.encoders import check_encoder
from clipmill.models.devices import num_gpus_here
from clipmill.models.preflight import check_models
from clipmill.plan import RunPlan
from clipmill.records import WorkItem
from clipmill.storage.state import State
from clipmill.streaming.chunks import empty_task
from clipmill.streaming.gpus import told_to_share_all
from clipmill.streaming.graph import MODEL_OPERATORS, Node, graph_of
from clipmill.streaming.inline import run_inline
from clipmill.streaming.parcel import Parcel, StageMetric
from clipmill.streaming.progress import Progress
from clipmill.streaming.state_rows import StateRow, origins_of, rows_of
from clipmill.video import VideoTask

Engine = Literal["inline", "ray"]

FLUSH_EVERY_S = 20.0
FLUSH_EVERY_PARCELS = 64
"""A killed run repeats at most this much; fewer parts keep the state quick to read."""


@dataclass(frozen=True)
class StreamReport:
    """What a run took: items, seconds of wall clock and of CPU per operator, and every lap."""

    num_videos: int
    num_clips: int
    wall_s: float
    engine: Engine
    metrics: tuple[StageMetric, ...] = field(default=(), repr=False)

    def cpu_s_by_operator(self) -> dict[str, float]:
        """CPU seconds spent in each operator, its codec processes included."""
        totals: dict[str, float] = defaultdict(float)
        for metric in self.metrics:
            totals[metric.operator] += metric.cpu_s
        return dict(totals)


def stream(
    items: Sequence[WorkItem],
    plan: RunPlan,
    *,
    engine: Engine,
    state: State | None,
    attempt: str,
    on_task: Callable[[VideoTask], None] | None = None,
) -> StreamReport:
    """Do the work of ``items`` and write its rows to ``state``, if there is one.

    ``attempt`` names the parts that this run writes. ``on_task`` sees every finished task. SpecError, before
    any work, where the encoder asked for does not work here.
    """
    if items and plan.makes_files:
        check_encoder(plan.transcode)
    if items and (plan.models or plan.captions):
        check_models(plan, num_gpus=_num_gpus(engine))
    started_s = time.monotonic()
    writer = _StateWriter(state, plan, attempt)
    progress = Progress(items)
    metrics: list[StageMetric] = []
    num_clips = 0
    for parcel in run_graph(items, plan, engine=engine):
        writer.add(parcel)
        progress.saw(parcel)
        metrics.extend(parcel.metrics)
        num_clips += len(parcel.task.data.clips)
        if on_task:
            on_task(parcel.task)
    writer.flush()
    return StreamReport(len(items), num_clips, time.monotonic() - started_s, engine, tuple(metrics))


def run_graph(items: Sequence[WorkItem], plan: RunPlan, *, engine: Engine) -> Iterator[Parcel]:
    """The finished parcels of ``items``, as they come."""
    parcels = (Parcel(item, empty_task(item)) for item in items)
    if not items:
        return iter(())
    if engine == "inline":
        nodes = graph_of(told_to_share_all(plan), num_cpus=num_cores(), num_videos=len(items))
        return run_inline(nodes, parcels, one_worker=_one_worker(nodes, plan))
    # Ray takes seconds to import; a laptop's inline run never needs it.
    from clipmill.streaming.on_ray import cluster_cpus, cluster_gpus, run_on_ray

    nodes = graph_of(plan, num_cpus=cluster_cpus(), num_gpus=cluster_gpus(), num_videos=len(items))
    return run_on_ray(nodes, parcels)


def _num_gpus(engine: Engine) -> float:
    """GPUs that the workers may use: of the Ray cluster, or of this machine."""
    if engine == "ray":
        from clipmill.streaming.on_ray import cluster_gpus

        return cluster_gpus()
    return float(num_gpus_here())


def _one_worker(nodes: Sequence[Node], plan: RunPlan) -> set[str]:
    """The operators that inline have one worker: with a stage of the user's own, and all for a debugger.

    Those of models too where there is a GPU: every worker holds weights, all of them on the same GPU.
    """
    if plan.limits.isolation == "none":
        return {node.name for node in nodes}
    alone = {placed.after for placed in plan.customs}
    has_gpu = bool(plan.models or plan.captions) and num_gpus_here() > 0
    return alone | MODEL_OPERATORS if has_gpu else alone


class _StateWriter:
    """Collects rows and writes them as parts, now and then and at the end."""

    def __init__(self, state: State | None, plan: RunPlan, attempt: str) -> None:
        self._state = state
        self._digests = plan.digests()
        self._origins = origins_of(plan)
        self._attempt = attempt
        self._rows: dict[str, list[StateRow]] = defaultdict(list)
        self._num_parcels = 0
        self._flushed_s = time.monotonic()

    def add(self, parcel: Parcel) -> None:
        for stage, row in rows_of(parcel, self._origins):
            self._rows[stage].append(row)
        self._num_parcels += 1
        if self._num_parcels >= FLUSH_EVERY_PARCELS or time.monotonic() - self._flushed_s > FLUSH_EVERY_S:
            self.flush()

    def flush(self) -> None:
        """Write what was collected; a video's split goes last, when its clips' rows are safe."""
        if self._state is not None:
            for stage in sorted(self._rows, key=lambda stage: stage == "split"):
                self._state.append(
                    stage, self._rows[stage], digest=self._digests[stage], attempt=self._attempt
                )
        self._rows.clear()
        self._num_parcels, self._flushed_s = 0, time.monotonic()

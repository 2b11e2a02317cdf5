"""One run of the engine: work in, rows of the state out, a report of what it took."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from clipmill.engine.attempts.failure_count import FailureCount
from clipmill.engine.attempts.lost_work import Queue, give_up, queue_of
from clipmill.engine.attempts.notes import new_notes
from clipmill.engine.chunk import Chunk
from clipmill.engine.graph import OperatorNode, build_operators
from clipmill.engine.inline import run_inline
from clipmill.engine.known_rows import known_of
from clipmill.engine.machine_check import Engine, check_machine
from clipmill.engine.metrics import StageMetric
from clipmill.engine.progress import Progress
from clipmill.engine.stage_log import log_chunk
from clipmill.engine.state_writer import StateWriter
from clipmill.engine.work import Work
from clipmill.errors import ClipmillError, WorkerDied
from clipmill.machine import ClusterSize, num_cores
from clipmill.models.runtime import num_gpus_here
from clipmill.outcomes.run_end import Tally
from clipmill.planning.plan import Plan
from clipmill.runs.status import LogStatus, Show
from clipmill.runs.termination import stops_here
from clipmill.stages.base import apply_verbose
from clipmill.state.file_places import with_folders
from clipmill.state.store import ResultStore


@dataclass(frozen=True)
class StreamReport:
    """What a run took: items, seconds of wall clock and of CPU per operator, and every lap.

    ``tallies`` count the items without a result by stage and reason.
    """

    num_videos: int
    num_clips: int
    wall_s: float
    engine: Engine
    metrics: tuple[StageMetric, ...] = field(default=(), repr=False)
    tallies: tuple[Tally, ...] = ()

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
    here. StageBroken, when a stage fails on everything, StoreOutage, when a store does, and any other error
    of ours comes after the rows that are done are safe.
    """
    run = StreamRun(items, plan, engine=engine, state=state, run_id=run_id)
    run.do(on_chunk, show)
    return run.report()


class StreamRun:
    """One run: its report says what was done, also after an error that ended it early."""

    def __init__(
        self,
        items: Sequence[Work],
        plan: Plan,
        *,
        engine: Engine,
        state: ResultStore | None,
        run_id: str,
        grows_to: ClusterSize | None = None,
    ) -> None:
        self._items, self._plan, self._state = items, plan, state
        self._engine: Engine = engine
        self._grows_to = grows_to
        self._run_id = run_id
        self._notes = new_notes(state.root_uri, run_id) if state else None
        self._writer = StateWriter(state, plan, run_id)
        self._failures = FailureCount(plan.extractor)
        self._metrics: list[StageMetric] = []
        self._num_clips = 0
        self._started_s = time.monotonic()

    def do(self, on_chunk: Callable[[Chunk], None] | None = None, show: Show | None = None) -> None:
        """Does the work; errors as in ``stream``."""
        if not self._items:
            return
        check_machine(self._plan, self._engine, self._grows_to)
        if self._state:
            self._plan = with_folders(self._plan, self._state)
        apply_verbose(self._plan.stages)
        is_dead = False
        try:
            self._work(on_chunk, show or LogStatus())
        except WorkerDied:
            is_dead = True  # the notes stay: the next run tries these videos last
            self._writer.flush()
            raise
        except KeyboardInterrupt:
            self._writer.flush()
            raise
        except ClipmillError:
            self._writer.flush()
            if self._notes:
                self._notes.stop()
            raise
        finally:
            if self._notes and not is_dead:
                self._notes.remove()

    def report(self) -> StreamReport:
        """Returns what was done so far."""
        wall_s = time.monotonic() - self._started_s
        metrics, tallies = tuple(self._metrics), self._failures.tallies()
        return StreamReport(len(self._items), self._num_clips, wall_s, self._engine, metrics, tallies)

    def _work(self, on_chunk: Callable[[Chunk], None] | None, show: Show) -> None:
        queue = self._queue()
        for key, rows in queue.given_up.items():
            self._failures.count(key, rows)
        progress = Progress(self._items, show)
        for group in self._groups(queue):
            for chunk in self._until_stopped(group):
                progress.saw(chunk)
                if chunk.mark:
                    continue
                self._take(chunk)
                if on_chunk:
                    on_chunk(chunk)
            self._writer.flush()  # a video that ends the process takes nothing of the others with it
        self._failures.check()
        if self._state:
            given_up = give_up(self._state, self._plan, self._failures.retryable(), self._run_id)
            for key, rows in given_up.items():
                self._failures.gave_up(key, rows)

    def _queue(self) -> Queue:
        if self._state is None:
            return Queue(tuple(self._items))
        return queue_of(self._state, self._plan, self._items, self._run_id)

    def _groups(self, queue: Queue) -> list[Sequence[Work]]:
        """What runs at once: videos that a run died of go last, and inline each of them alone."""
        last = [queue.last] if self._engine == "ray" else [[item] for item in queue.last]
        return [group for group in (queue.first, *last) if group]

    def _until_stopped(self, items: Sequence[Work]) -> Iterator[Chunk]:
        """Yields the chunks of the graph. Inline, no further video is begun once the user asks to stop.

        Ray was given all of them at once: there, what is open is dropped.
        """
        if stops_here():
            return
        for chunk in self._graph(items):
            yield chunk
            if self._engine == "ray" and stops_here():
                return

    def _graph(self, items: Sequence[Work]) -> Iterator[Chunk]:
        known = known_of(self._state, self._plan, items) if self._state else {}
        notes_uri = self._notes.uri if self._notes else ""
        return run_graph(
            items,
            self._plan,
            engine=self._engine,
            known=known,
            notes_uri=notes_uri,
            grows_to=self._grows_to,
        )

    def _take(self, chunk: Chunk) -> None:
        chunk = self._writer.add(chunk)
        log_chunk(chunk, self._plan)
        self._metrics.extend(chunk.metrics)
        self._num_clips += len(chunk.clips) - len(chunk.rejected)
        self._failures.saw(chunk)


def run_graph(
    items: Sequence[Work],
    plan: Plan,
    *,
    engine: Engine,
    known: Mapping[str, Mapping[str, pa.Table]],
    notes_uri: str = "",
    grows_to: ClusterSize | None = None,
) -> Iterator[Chunk]:
    """Yields the finished chunks of ``items``, as they come.

    ``known`` maps a video to rows by stage. Below ``notes_uri`` workers note the videos that they take.
    ``grows_to`` is what a cluster with an autoscaler has at most.
    """
    chunks = [Chunk(item, known=known.get(item.video_id, {})) for item in items]
    if not items:
        return iter(())
    if engine == "inline":
        has_gpu = num_gpus_here() > 0
        nodes = build_operators(
            plan, num_cpus=num_cores(), num_videos=len(items), has_own_gpu=has_gpu, notes_uri=notes_uri
        )
        return run_inline(nodes, chunks, one_worker=_one_worker(nodes, plan))
    # Ray takes seconds to import; a laptop's inline run never needs it.
    from clipmill.engine.ray_engine import cluster_at_most, cluster_now, run_on_ray

    most = cluster_at_most(grows_to)
    nodes = build_operators(
        plan,
        num_cpus=most.num_cpus,
        num_gpus=most.num_gpus,
        cpus_now=cluster_now().num_cpus,
        num_videos=len(items),
        notes_uri=notes_uri,
    )
    return run_on_ray(nodes, chunks, notes_uri=notes_uri)


def _one_worker(nodes: Sequence[OperatorNode], plan: Plan) -> set[str]:
    """The operators that have one worker inline; all of them for a debugger."""
    if plan.limits.isolation == "none":
        return {node.name for node in nodes}
    return {node.name for node in nodes if node.is_alone}

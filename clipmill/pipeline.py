"""Curation from Python, without Flyte: add stages to a ``Pipeline`` and run it."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count
from typing import Self, get_args

import pyarrow as pa

from clipmill import layout
from clipmill.backends.base import BaseExecutor
from clipmill.curation.publication import Published
from clipmill.curation.run import RunOptions, run_curation
from clipmill.dataset.exports.embeddings import algorithm_of, embedders
from clipmill.dataset.reading import PublishedDataset, open_dataset
from clipmill.engine.chunk import Chunk
from clipmill.engine.machine_check import Engine, check_machine, has_ray, join_cluster
from clipmill.engine.run import stream
from clipmill.errors import RunStopped, SpecError
from clipmill.intake.admission import first_work
from clipmill.intake.inspection import inspect_all
from clipmill.limits import LimitsSpec
from clipmill.outcomes.funnel import Funnel
from clipmill.outcomes.run_end import Tally
from clipmill.planning.describe import reads_in_words
from clipmill.planning.from_spec import in_phases
from clipmill.planning.nodes import Node, Placed
from clipmill.planning.plan import Plan, plan_of
from clipmill.planning.process_stages import placed_process
from clipmill.sandbox.pool import kept_processes
from clipmill.specs import DedupSpec
from clipmill.stages.base import CompositeStage, Stage
from clipmill.stages.process_stage import ProcessStage, is_process
from clipmill.stages.processing_stage import FolderStage
from clipmill.stages.roles import WriterStage
from clipmill.stages.spec import say_ignored
from clipmill.storage import store
from clipmill.storage.listing import list_source
from clipmill.tasks.video import VideoTask
from clipmill.tasks.view import JoinedTasks, task_of

logger = logging.getLogger(__name__)

AS_IN_A_SPEC = DedupSpec()
"""How a pipeline finds duplicates unless it is asked for something else."""


class PipelineRun(list[VideoTask]):
    """The finished tasks of a run, and with a writer what it published.

    ``published`` has the manifest's URI, the speed and how the run ended; None without a writer. Everything
    else speaks of the whole output, also of what earlier runs did.
    """

    def __init__(
        self, tasks: Iterable[VideoTask], output: str = "", published: Published | None = None
    ) -> None:
        super().__init__(tasks)
        self.output, self.published = output, published

    @property
    def dataset(self) -> PublishedDataset:
        """The published snapshot: iterating yields its kept clips. SpecError for a run without a writer."""
        self._done()
        return open_dataset(self.output)

    @property
    def counts(self) -> Funnel:
        """Videos and clips by what became of them, in items and seconds. SpecError as ``dataset``."""
        return self._done().funnel

    @property
    def report_uri(self) -> str:
        """The report, one HTML page. SpecError as ``dataset``."""
        return self._done().report_uri

    @property
    def rejections(self) -> pa.Table:
        """The rejected videos and the filtered clips, and why. SpecError as ``dataset``."""
        return self.table("rejections")

    @property
    def failures(self) -> Sequence[Tally]:
        """Items without a result by stage and reason; ``is_left`` says whether the next run tries them again.

        SpecError as ``dataset``.
        """
        return self.counts.failures

    def table(self, name: str, columns: Sequence[str] | None = None) -> pa.Table:
        """Returns a published table, such as ``clips``; ``.to_pandas()`` makes a data frame of it.

        SpecError as ``dataset``.
        """
        return self.dataset.table(name, columns)

    def summary(self) -> str:
        """Returns what a person wants to know at the end."""
        return self.published.summary() if self.published else f"{len(self)} videos, nothing was published"

    def _done(self) -> Published:
        if self.published is None:
            raise SpecError("nothing was published: add a ClipWriterStage to the pipeline")
        return self.published


class Pipeline:
    """A list of stages with a name.

    One decode per video feeds all of them. A stage of your own is a ``clipmill.stages.base.Stage``, or an
    object with a ``name`` and ``process(task) -> task``, which gets ``clipmill.tasks.video.VideoTask``.
    """

    def __init__(
        self,
        name: str,
        description: str | None = "",
        stages: Iterable[object] | None = (),
        config: Mapping[str, object] | None = None,
    ) -> None:
        self.name = name
        self.description = description or ""
        self.stages: list[Placed] = []
        self.folder_stages: list[FolderStage] = []
        if config:
            say_ignored("Pipeline", "config")
        for stage in stages or ():
            self.add_stage(stage)

    def add_stage(self, stage: object, *, key: str = "", after: str = "") -> Self:
        """Appends a stage; returns the pipeline, so that calls can be chained.

        ``key`` tells two stages of one class apart; of two with ``process(task)`` the second gets a number by
        itself. ``after`` is the key of the stage behind which it runs. A ``CompositeStage`` is added as the
        stages that it stands for. SpecError for an object that is no stage.
        """
        if isinstance(stage, CompositeStage):
            for part in stage.stages():
                self.add_stage(part)
        elif isinstance(stage, FolderStage):
            self.folder_stages.append(stage)
        else:
            placed = _placed(stage, key=key, after=after)
            self.stages.append(placed if key else self._numbered(placed))
        return self

    def _numbered(self, placed: Placed) -> Placed:
        """A ``process(task)`` stage under a key that no other one has."""
        taken = {one.name for one in self.stages}
        if not isinstance(placed.stage, ProcessStage) or placed.key not in taken:
            return placed
        free = next(name for number in count(2) if (name := f"{placed.key}_{number}") not in taken)
        return replace(placed, key=free)

    def build(self) -> None:
        """Checks that the stages can run together; ``run`` does so too. SpecError says what is wrong."""
        if not self.folder_stages:
            self.plan()

    def describe(self) -> str:
        """Returns the stages in the order in which they run, a line each: reads, columns, rules, resources.

        A stage that the writer turns off comes last. SpecError for stages that cannot run together.
        """
        lines = [f"Pipeline {self.name}" + (f": {self.description}" if self.description else "")]
        if self.folder_stages:
            return "\n".join([*lines, *(f"  {type(stage).__name__}" for stage in self.folder_stages)])
        return "\n".join([*lines, *(f"  {line}" for line in self._lines(self.plan()))])

    def _lines(self, plan: Plan) -> Iterator[str]:
        given = {placed.name: placed.stage.given_name for placed in self.stages}

        def title(key: str, stage: Stage) -> str:
            name = given.get(key)
            return f"{key} ({type(stage).__name__}{f', named {name}' if name else ''})"

        ends = [stage for stage in plan.settings if isinstance(stage, WriterStage)]
        yield from (title(stage.name, stage) for stage in plan.settings if stage not in ends)
        nodes = (plan.extractor, *plan.nodes)
        yield from (": ".join(filter(None, (title(node.key, node.stage), _said_of(node)))) for node in nodes)
        yield from (title(stage.name, stage) for stage in ends)
        runs = {*(node.key for node in nodes), *(stage.name for stage in plan.settings)}
        for placed in self.stages:
            if placed.name not in runs:
                yield f"{title(placed.name, placed.stage)}: left out, the writer turns it off"

    def plan(self, dedup: DedupSpec | None = None) -> Plan:
        """Returns what a run would do. SpecError, before any work, for stages that cannot run together."""
        return plan_of(in_phases(self.stages, dedup), limits=LimitsSpec())

    def run(
        self,
        engine: Engine | BaseExecutor = "inline",
        *,
        executor: BaseExecutor | None = None,
        dedup: DedupSpec | None = AS_IN_A_SPEC,
        initial_tasks: Sequence[object] | None = None,
        checkpoint_path: str | None = None,
    ) -> PipelineRun:
        """Runs to the end; returns the finished tasks, those of videos that were complete already left out.

        With a ClipWriterStage the output is written, resumed and published like a workflow's, and the tasks
        come back without pixels. Where the pipeline embeds clips, ``dedup`` says how duplicates are found;
        with None no clip is one. Without a writer nothing is compared or written, and clips keep buffers and
        frames. ``engine`` ``ray`` needs a running Ray;
        an executor of ``clipmill.backends`` stands for that engine and starts it, and for ``inline`` where
        Ray is not installed. ``initial_tasks`` and ``checkpoint_path`` are NeMo Curator's and have no effect:
        a reader lists the videos, and an output resumes by itself. SpecError, before any work, for an encoder
        that does not work here. RunStopped, after the results were published, for a run that ended early.
        """
        for name, value in {"initial_tasks": initial_tasks, "checkpoint_path": checkpoint_path}.items():
            if value:
                say_ignored("Pipeline.run", name)
        if self.folder_stages:
            return self._run_folders()
        plan = self.plan(dedup)
        engine = _engine_of(executor or engine)
        check_machine(plan, engine)
        tasks = JoinedTasks()
        output, done = "", None

        def take(chunk: Chunk) -> None:
            tasks.take(task_of(chunk, plan))

        with kept_processes(memory_limit_bytes=plan.limits.max_child_bytes):
            if plan.output is None:
                works = first_work(inspect_all(list_source(plan.source), plan.limits), plan)
                stream(works, plan, engine=engine, state=None, run_id="", on_chunk=take)
            else:
                _warn_of_other_embeddings(plan)
                _check_input_path(plan)
                output = plan.output.output_path
                options = RunOptions(engine=engine, dedup=dedup)
                done = run_curation(plan, options, on_chunk=lambda chunk: take(_light(chunk)))
                if done.end.kind == "stopped":
                    raise RunStopped(done.end.stopped)
        return PipelineRun(tasks, output, done)

    def _run_folders(self) -> PipelineRun:
        if self.stages:
            stage = type(self.folder_stages[0]).__name__
            raise SpecError(f"{stage} reads a folder, not videos: add it to a pipeline of its own")
        folder = ""
        for stage in self.folder_stages:
            folder = stage.run(folder)
        return PipelineRun(())


def _engine_of(wanted: Engine | BaseExecutor) -> Engine:
    """The engine that an executor stands for; a Ray that it needs is started."""
    if not isinstance(wanted, BaseExecutor):
        if wanted not in get_args(Engine):
            raise SpecError(f"there is no engine {wanted!r}: it is inline or ray, or an executor")
        return wanted
    if not has_ray():
        logger.warning("%s: Ray is not installed, the pipeline runs in this process", type(wanted).__name__)
        return "inline"
    join_cluster()
    return "ray"


def _said_of(node: Node) -> str:
    reads = ", ".join(reads_in_words(node.reads))
    columns = ", ".join(column.name for column in node.stage.writes)
    reasons = ", ".join(dict.fromkeys(rule.reason for rule in node.stage.rules()))
    needs = node.stage.resources()
    asked = {"cores": needs.cpus, "GPUs": needs.gpus, "GB of GPU memory": needs.gpu_memory_gb}
    facts = {
        "reads": reads, "writes": columns, "rejects for": reasons,
        "asks for": ", ".join(f"{value:g} {unit}" for unit, value in asked.items() if value not in (0, 1)),
    }  # fmt: skip
    return "; ".join(f"{name} {value}" for name, value in facts.items() if value)


def _placed(stage: object, *, key: str, after: str) -> Placed:
    if isinstance(stage, Placed):
        return stage
    if isinstance(stage, Stage):
        return Placed(stage, key, after)
    if isinstance(stage, type):
        raise SpecError(f"{stage.__name__} is a class: add an object of it, {stage.__name__}(...)")
    if is_process(stage):
        return placed_process(stage, key=key, after=after)
    raise SpecError(f"{type(stage).__name__} is no stage: it needs a name and process(task)")


def _light(chunk: Chunk) -> Chunk:
    """A chunk without pixels."""
    return replace(chunk, samples={}, thumbnails=(), files={})


def _warn_of_other_embeddings(plan: Plan) -> None:
    """Warns when the writer names embeddings that no stage of the pipeline makes."""
    if plan.output is None or not plan.output.generate_embeddings:
        return
    made: Sequence[str] = [algorithm_of(node) for node in embedders(plan)] or ["none"]
    named = plan.output.embedding_algorithm
    if not any(one.startswith(named) for one in made):  # a writer names a family, such as cosmos-embed1
        logger.warning("the writer names %s embeddings, the pipeline makes %s", named, ", ".join(made))


def _check_input_path(plan: Plan) -> None:
    """Raises SpecError unless the writer can name every video relative to its ``input_path``."""
    if plan.output is None:
        return
    source, root = (store.normalise(uri) for uri in (plan.source.path, plan.output.input_path))
    try:
        layout.relative_source(source, root)
    except ValueError as error:
        raise SpecError(f"ClipWriterStage.input_path: {error}") from error

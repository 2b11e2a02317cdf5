"""Curation from Python, without Flyte: add stages to a ``Pipeline`` and run it."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Self

from clipmill import layout
from clipmill.curation.run import RunOptions, run_curation
from clipmill.dataset.exports.embeddings import algorithm_of, embedders
from clipmill.engine.chunk import Chunk
from clipmill.engine.run import Engine, check_machine, stream
from clipmill.errors import RunStopped, SpecError
from clipmill.intake.admission import first_work
from clipmill.intake.inspection import inspect_all
from clipmill.limits import LimitsSpec
from clipmill.planning.nodes import Placed
from clipmill.planning.plan import Plan, plan_of
from clipmill.planning.process_stages import placed_process
from clipmill.sandbox.pool import kept_processes
from clipmill.stages.base import Stage
from clipmill.stages.process_stage import is_process
from clipmill.storage import store
from clipmill.storage.listing import list_source
from clipmill.tasks.video import VideoTask
from clipmill.tasks.view import task_of

logger = logging.getLogger(__name__)


class Pipeline:
    """A list of stages with a name.

    One decode per video feeds all of them. A stage of your own is a ``clipmill.stages.base.Stage``, or an
    object with a ``name`` and ``process(task) -> task``, which gets ``clipmill.tasks.video.VideoTask``.
    """

    def __init__(self, name: str, description: str = "", stages: Iterable[object] = ()) -> None:
        self.name = name
        self.description = description
        self.stages: list[Placed] = []
        for stage in stages:
            self.add_stage(stage)

    def add_stage(self, stage: object, *, key: str = "", after: str = "") -> Self:
        """Appends a stage; returns the pipeline, so that calls can be chained.

        ``key`` tells two stages of one class apart; ``after`` is the key of the stage behind which it runs.
        SpecError for an object that is no stage.
        """
        self.stages.append(_placed(stage, key=key, after=after))
        return self

    def plan(self) -> Plan:
        """Returns what a run would do. SpecError, before any work, for stages that cannot run together."""
        return plan_of(self.stages, limits=LimitsSpec())

    def run(self, engine: Engine = "inline") -> list[VideoTask]:
        """Runs to the end; returns the finished tasks, those of videos that were complete already left out.

        With a ClipWriterStage the output is written, resumed and published like a workflow's, without dedup,
        and the tasks come back without pixels. Without one nothing is written, and clips keep buffers and
        frames. ``engine`` ``ray`` needs a running Ray. SpecError, before any work, for an encoder that does
        not work here. RunStopped, after the results were published, for a run that ended early.
        """
        plan = self.plan()
        check_machine(plan, engine)
        tasks: list[VideoTask] = []

        def take(chunk: Chunk) -> None:
            tasks.append(task_of(chunk, plan))

        with kept_processes(memory_limit_bytes=plan.limits.max_child_bytes):
            if plan.output is None:
                works = first_work(inspect_all(list_source(plan.source), plan.limits), plan)
                stream(works, plan, engine=engine, state=None, run_id="", on_chunk=take)
            else:
                _warn_of_other_embeddings(plan)
                _check_input_path(plan)
                done = run_curation(
                    plan, RunOptions(engine=engine), on_chunk=lambda chunk: take(_light(chunk))
                )
                if done.end.kind == "stopped":
                    raise RunStopped(done.end.stopped)
        return tasks


def _placed(stage: object, *, key: str, after: str) -> Placed:
    if isinstance(stage, Placed):
        return stage
    if isinstance(stage, Stage):
        return Placed(stage, key, after)
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

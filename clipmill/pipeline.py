"""Curation from Python, without Flyte: add the documents' stages to a ``Pipeline`` and run it."""

from collections.abc import Iterable
from typing import Self

from clipmill.intake import admission, inspection, sharding
from clipmill.intake.manifests import get_sources, get_work
from clipmill.plan import RunPlan, plan_of_stages
from clipmill.snapshot.run import publish_run
from clipmill.specs import ShardingSpec
from clipmill.storage.listing import list_source
from clipmill.storage.state import State
from clipmill.streaming.run import Engine, stream
from clipmill.video import VideoTask


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
        frames. ``engine`` ``ray`` needs a running Ray.
        """
        plan = self.plan()
        return (
            _run_written(plan, plan.writer.output_path, engine)
            if plan.writer
            else _run_unwritten(plan, engine)
        )

"""How many cores the workers of an operator reserve: what its stages ask for, within what there is."""

from collections.abc import Iterator

from clipmill.plan import RunPlan
from clipmill.stages.base import StageSpec

Asked = tuple[str, StageSpec, float]
"""Operator, stage, and the cores that the stage asks for each of the operator's workers."""


def worker_cores(plan: RunPlan, *, num_cpus: float) -> dict[str, float]:
    """Operator -> most cores one of its workers may reserve, for the operators whose stages say so.

    A stage that asks for more than ``num_cpus`` gets them all, and its logger says so once.
    """
    cores: dict[str, float] = {}
    for operator, stage, asked in _asked(plan):
        if asked > num_cpus:
            stage.log().info(
                "%s asks for %g cores per worker, there are %g: taken as %g",
                stage.stage_name, asked, num_cpus, num_cpus,
            )  # fmt: skip
        cores[operator] = max(cores.get(operator, 0.0), min(asked, num_cpus))
    return cores


def _asked(plan: RunPlan) -> Iterator[Asked]:
    if plan.motion:
        yield "scan", plan.motion, plan.motion.num_cpus_per_worker
    if plan.frames:
        yield "scan", plan.frames, plan.frames.num_cpus
    if plan.transcode:
        yield "cut", plan.transcode, plan.transcode.num_cpus_per_worker
    if plan.preview:
        yield "finish", plan.preview, plan.preview.num_cpus_per_worker

"""Exports an output for a trainer: one plan, one task for each shard, one step at the end."""

from flytekit import task

from clipmill.export.planner import plan_export
from clipmill.export.run import finish_export, write_shard
from images import CPU_IMAGE
from tasks.faults import retried_by_flyte
from tasks.hardware import PAIRS, PLAN
from tasks.specs import Exporting


@task(container_image=CPU_IMAGE, **PLAN)
def plan_shards_of_export(output: str, dest: str, spec: Exporting, append: bool) -> list[int]:
    """Plan the export, or take the plan that stands; the numbers of its shards, one per map element."""
    with retried_by_flyte():
        plan = plan_export(output, dest, spec.resolved, append=append)
    return [shard.number for shard in plan.shards]


@task(container_image=CPU_IMAGE, **PAIRS)
def export_shard(number: int, output: str, dest: str) -> int:
    """Write one shard, unless it is there."""
    with retried_by_flyte():
        return write_shard(output, dest, number)


@task(container_image=CPU_IMAGE, **PLAN)
def end_export(written: list[int], output: str, dest: str) -> list[str]:
    """Write what names the shards; lines that tell how to read them."""
    with retried_by_flyte():
        return list(finish_export(output, dest))

"""Export for a trainer: ``pyflyte run workflows/export.py export --output DIR --dest DIR``."""

from functools import partial

from flytekit import LaunchPlan, map_task, workflow

from tasks.export import end_export, export_shard, plan_shards_of_export
from tasks.specs import Exporting

MAX_PARALLELISM = 64
"""Shards that are written at once."""


@workflow
def export(output: str, dest: str, spec: Exporting = Exporting(), append: bool = False) -> list[str]:
    """Write the kept clips of an output as a trainer reads them.

    :param output: folder or URI that ``curate`` wrote
    :param dest: folder or URI of the export; the same again goes on with it
    :param spec: format, samples, frames and shards, as inline JSON or a YAML or JSON file
    :param append: add the new samples of a newer snapshot
    """
    shards = plan_shards_of_export(output=output, dest=dest, spec=spec, append=append)
    written = map_task(partial(export_shard, output=output, dest=dest))(number=shards)
    return end_export(written=written, output=output, dest=dest)


export_plan = LaunchPlan.get_or_create(export, name="export", max_parallelism=MAX_PARALLELISM)

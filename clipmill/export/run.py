"""Writes a planned export, shard by shard; what is done is not done again.

::

    plan_export -> write_shard, one for each shard -> finish_export
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from clipmill import identity, layout
from clipmill.dataset.snapshots.record import named_snapshot
from clipmill.errors import OutputError
from clipmill.export.clip_files import ClipFiles
from clipmill.export.formats import FORMATS
from clipmill.export.job import FinishJob, Receipt, ShardJob, read_receipt
from clipmill.export.planner import plan_export
from clipmill.export.record import ExportPlan, Shard, plan_path, read_plan, receipt_path
from clipmill.export.spec import ExportSpec
from clipmill.limits import LimitsSpec
from clipmill.sandbox.pool import kept_processes
from clipmill.scratch import ScratchFolder
from clipmill.storage import parquet, store

_FEW_FILES = 4
"""A receipt with more files is trusted: they were written one by one before it."""


def run_export(
    output: str,
    dest: str,
    spec: ExportSpec,
    *,
    append: bool = False,
) -> tuple[ExportPlan, Sequence[str]]:
    """Plans, writes and finishes an export; returns the plan, and lines that tell how to read it.

    A killed run is gone on with by the same call; its files are those of a run that was never killed.
    """
    plan = plan_export(output, dest, spec, append=append)
    with (
        kept_processes(memory_limit_bytes=LimitsSpec().max_child_bytes),
        ThreadPoolExecutor(max(1, min(spec.workers, len(plan.shards)))) as pool,
    ):
        list(pool.map(lambda one: _written(output, dest, plan, one), plan.shards))
    return plan, finish_export(output, dest)


def write_shard(output: str, dest: str, number: int) -> int:
    """Writes one shard of a standing plan unless it is there; returns its number."""
    plan = standing_plan(dest)
    with kept_processes(memory_limit_bytes=LimitsSpec().max_child_bytes):
        return _written(output, dest, plan, plan.shards[number]).number


def finish_export(output: str, dest: str) -> Sequence[str]:
    """Writes what names the shards, once all of them are there; returns lines that tell how to read them."""
    plan, dest = standing_plan(dest), store.normalise(dest)
    receipts = [read_receipt(dest, shard) for shard in plan.shards]
    if missing := [shard.stem for shard, one in zip(plan.shards, receipts, strict=True) if one is None]:
        raise OutputError(f"{dest} lacks {len(missing)} shards, such as {missing[0]}: export again")
    snapshot = named_snapshot(output, plan.generations[-1].snapshot_id)
    job = FinishJob(dest, plan, snapshot, [one for one in receipts if one is not None])
    store.remove_leftovers(dest)
    return FORMATS[plan.spec.format]().finish(job)


def standing_plan(dest: str) -> ExportPlan:
    """Returns the plan of a destination. OutputError without one."""
    plan = read_plan(store.normalise(dest))
    if plan is None:
        raise OutputError(f"{plan_path(dest)} is not there: nothing was planned")
    return plan


def _written(output: str, dest: str, plan: ExportPlan, shard: Shard) -> Shard:
    output, dest = store.normalise(output), store.normalise(dest)
    receipt = read_receipt(dest, shard)
    if receipt is not None and _stands(dest, receipt):
        return shard
    data = store.read_bytes(layout.join(dest, shard.plan))
    if identity.bytes_digest(data) != shard.digest:
        raise OutputError(f"{layout.join(dest, shard.plan)} is not what export.json names: export elsewhere")
    snapshot = named_snapshot(output, _snapshot_of(plan, shard))
    with ScratchFolder("export") as scratch:
        clips = ClipFiles(output, plan.spec, snapshot, scratch.path)
        job = ShardJob(dest, plan.spec, shard, parquet.decode(data), clips)
        written = FORMATS[plan.spec.format]().write(job)
    store.put_bytes(receipt_path(dest, shard), written.encoded())
    return shard


def _snapshot_of(plan: ExportPlan, shard: Shard) -> str:
    return next(one.snapshot_id for one in plan.generations if shard in one.shards)


def _stands(dest: str, receipt: Receipt) -> bool:
    """Whether the files of a receipt are there; of many files the receipt is trusted."""
    if len(receipt.files) > _FEW_FILES:
        return True
    found = {
        entry.uri: entry.size_bytes for path in receipt.files for entry in store.find(layout.join(dest, path))
    }
    return all(found.get(layout.join(dest, path)) == size for path, size in receipt.files.items())

"""Plans an export: which samples, in which shard, in which order. Nothing of a clip is read yet."""

from collections import Counter

import numpy as np
import pyarrow as pa

from clipmill import arrow, identity, layout
from clipmill.dataset.snapshots.record import named_snapshot
from clipmill.errors import OutputError, SpecError, WriteConflict
from clipmill.export.formats import FORMATS
from clipmill.export.record import WORK, ExportPlan, Generation, Shard, added, new_plan, plan_path, read_plan
from clipmill.export.sample_rows import EMBEDDING
from clipmill.export.shards import BucketTally, ShardFiller, shares
from clipmill.export.spec import ExportSpec
from clipmill.export.spool import Spool, in_order
from clipmill.export.survey import Place, Survey, amounts_of, checked, sample_source
from clipmill.partition.table import part_files
from clipmill.scratch import ScratchFolder
from clipmill.storage import parquet, store
from clipmill.storage.swap import Standing, standing

_MEMBERS_BYTES = 8192
"""Headers and padding of a sample's members in a tar, at most."""


def plan_export(output: str, dest: str, spec: ExportSpec, *, append: bool = False) -> ExportPlan:
    """Returns the plan of ``dest``, made now unless it stands there already.

    A destination with the plan of another export is refused by OutputError. With ``append`` a newer
    snapshot adds shards of its new samples; standing shards stay as they are.
    """
    if not dest.strip():
        raise SpecError("the destination is empty: name a folder or a URI")
    dest = store.normalise(dest)
    before = standing(plan_path(dest))
    plan = read_plan(dest)
    if plan is None:
        FORMATS[spec.format]()  # names an extra that is missing, before anything is written
        if any(f"/{WORK}/" not in entry.uri for entry in store.find(dest)):  # a killed plan may lie there
            raise OutputError(f"{dest} holds other files: export into an empty folder")
        generation = _generation(output, dest, spec, ExportPlan({}, "", ()))
        plan = new_plan(spec, generation)
    else:
        if _stands(plan, output, dest, spec, append=append):
            return plan
        plan = added(plan, _generation(output, dest, spec, plan))
    _put(before, plan)
    return plan


def _stands(plan: ExportPlan, output: str, dest: str, spec: ExportSpec, *, append: bool) -> bool:
    """Whether a plan is the wanted one; OutputError where it is none that new samples may be added to."""
    if plan.options_digest != spec.options_digest:
        raise OutputError(f"{dest} holds an export with other options: choose another destination")
    last, split = plan.generations[-1], _split(output)
    wanted = named_snapshot(output, spec.snapshot).snapshot_id
    if split and not last.split:
        raise OutputError(
            f"{dest} was exported before {output} was split, all of it to train: choose another destination"
        )
    if (wanted, split) == (last.snapshot_id, last.split):
        return True
    if not append:
        other = f"not {wanted}" if wanted != last.snapshot_id else "which was split again since then"
        raise OutputError(
            f"{dest} holds an export of snapshot {last.snapshot_id}, {other}: "
            "add its new samples with --append, or choose another destination"
        )
    return False


def _split(output: str) -> str:
    """The name of the newest file of parts."""
    return next((uri.rpartition("/")[2] for uri in reversed(part_files(output))), "")


def _put(before: Standing, plan: ExportPlan) -> None:
    """Writes a plan. OutputError where another process made another one meanwhile; the same one is fine."""
    try:
        before.swap(plan.encoded())
    except WriteConflict as error:
        if store.read_bytes(before.uri) != plan.encoded():
            raise OutputError(f"{before.uri}: another export was planned there meanwhile") from error


def _generation(output: str, dest: str, spec: ExportSpec, earlier: ExportPlan) -> Generation:
    source = sample_source(output, spec, known=_known_ids(dest, earlier))
    survey = Survey(source.rows.snapshot.snapshot_id)
    with ScratchFolder("export-plan") as scratch:
        spools: dict[Place, Spool] = {}
        tallies: dict[Place, BucketTally] = {}
        for place, table in source.tables(survey):
            if place not in spools:
                spools[place] = Spool(scratch.path, f"bucket-{len(spools)}", 0)
                tallies[place] = BucketTally()
            spools[place].add(table, np.zeros(len(table), np.uint64))
            tallies[place].add(_shares(table, spec))
        if not earlier.generations:
            checked(survey, output)
        planned = _Shards(dest, spec, earlier)
        for place in sorted(spools):
            planned.fill(place, spools[place], tallies[place])
            spools[place].remove(0)
    return Generation(
        survey.snapshot_id,
        tuple(planned.shards),
        dict(sorted(survey.skipped.items())),
        survey.num_gone,
        _split(output),
    )


class _Shards:
    """The shards of one generation, written to the destination as they fill."""

    def __init__(self, dest: str, spec: ExportSpec, earlier: ExportPlan) -> None:
        self.shards: list[Shard] = []
        self._dest, self._spec = dest, spec
        self._first_number = len(earlier.shards)
        self._first_index = Counter((shard.part, shard.bucket) for shard in earlier.shards)

    def fill(self, place: Place, spool: Spool, tally: BucketTally) -> None:
        """Puts the samples of a bucket into shards, in the order of their hashes."""
        filler = ShardFiller(tally, tally.num_shards(self._spec.min_shards))
        current, rows = -1, list[pa.Table]()
        for table in in_order(spool.tables, tally.num_samples):
            indices = filler.indices(_shares(table, self._spec))
            for index in np.unique(indices).tolist():
                if index != current and rows:
                    self._write(place, rows)
                    rows = []
                current = index
                rows.append(table.take(pa.array(np.flatnonzero(indices == index))))
        if rows:
            self._write(place, rows)

    def _write(self, place: Place, rows: list[pa.Table]) -> None:
        table = pa.concat_tables(rows)
        number = self._first_number + len(self.shards)
        path = layout.join("", WORK, "plan", f"{number:06d}.parquet").lstrip("/")
        data = parquet.encode(table)
        store.put_bytes(layout.join(self._dest, path), data)
        amounts = amounts_of(table)
        index = self._first_index[place]
        self._first_index[place] += 1
        self.shards.append(
            Shard(
                number=number, part=place[0], bucket=place[1], index=index, num_samples=len(table),
                num_bytes=amounts.num_bytes, num_frames=amounts.num_frames,
                seconds=round(amounts.seconds, 3), plan=path, digest=identity.bytes_digest(data),
            )
        )  # fmt: skip


def _known_ids(dest: str, earlier: ExportPlan) -> pa.Array:
    parts = [
        parquet.read_columns(layout.join(dest, shard.plan), ["sample_id"])["sample_id"].combine_chunks()
        for shard in earlier.shards
    ]
    return pa.concat_arrays([pa.array([], pa.string()), *parts])


def _shares(table: pa.Table, spec: ExportSpec) -> np.ndarray:
    """The share of the largest shard that each sample fills."""
    num_bytes = table["num_bytes"].to_numpy() + _MEMBERS_BYTES
    for name in table.column_names:
        if name in ("meta", "caption"):
            num_bytes = num_bytes + np.array([len(text.encode()) for text in table[name].to_pylist()])
        elif name.startswith(EMBEDDING):
            num_bytes = num_bytes + 4 * arrow.list_lengths(table[name])
    return shares(num_bytes, max_bytes=spec.max_shard_bytes, max_samples=spec.max_shard_samples)

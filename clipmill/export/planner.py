"""Plans an export: which samples, in which shard, in which order. Nothing of a clip is read yet."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from clipmill import arrow, identity, layout
from clipmill.errors import OutputError, SourceError, SpecError
from clipmill.export.record import WORK, ExportPlan, Generation, Shard, added, new_plan, plan_path, read_plan
from clipmill.export.sample_rows import EMBEDDING, Columns
from clipmill.export.samples import Tally, Wanted, samples
from clipmill.export.shards import BucketTally, shard_indices, shares
from clipmill.export.snapshot_rows import SnapshotRows, snapshot_rows
from clipmill.export.spec import ExportSpec
from clipmill.export.spool import Spool, in_order
from clipmill.scratch import ScratchFolder
from clipmill.storage import conditional, parquet, store
from clipmill.storage.swap import standing

_CAPTIONS = ("enhanced_caption", "caption")
"""Columns of text that are taken where the user names none, best first."""
_MEMBERS_BYTES = 8192
"""Headers and padding of a sample's members in a tar, at most."""

Place = tuple[str, str]
"""Part and bucket."""


@dataclass
class Amounts:
    """What a bucket holds."""

    num_samples: int = 0
    num_bytes: int = 0
    num_frames: int = 0
    seconds: float = 0.0
    num_shards: int = 0


@dataclass
class Survey:
    """What an export would hold, by part and bucket, and what it leaves out by reason."""

    snapshot_id: str
    num_clips: int = 0
    amounts: dict[Place, Amounts] = field(default_factory=dict[Place, Amounts])
    skipped: Counter[str] = field(default_factory=Counter[str])
    num_gone: int = 0

    @property
    def num_samples(self) -> int:
        """Samples of all buckets."""
        return sum(one.num_samples for one in self.amounts.values())


@dataclass(frozen=True)
class _Source:
    """A snapshot's rows, what is wanted of them, and the samples that a destination has."""

    rows: SnapshotRows
    wanted: Wanted
    known: pa.Array

    def tables(self, survey: Survey) -> Iterator[tuple[Place, pa.Table]]:
        """Yields new samples by part and bucket; ``survey`` counts all of them."""
        tally = Tally(survey.skipped)
        num_known = 0
        for found in self.rows.ranges(self.wanted.spec.seed):
            table = samples(found, self.wanted, tally)
            is_known = arrow.flags(arrow.is_in(table["sample_id"], self.known))
            num_known += int(is_known.sum())
            table = table.filter(pa.array(~is_known))
            yield from _by_place(table, survey)
        survey.num_clips = tally.num_clips
        survey.num_gone = len(self.known) - num_known


def survey_export(output: str, spec: ExportSpec) -> Survey:
    """Returns what an export of ``output`` would hold; nothing is written."""
    source = _source(output, spec, known=pa.array([], pa.string()))
    survey = Survey(source.rows.snapshot.snapshot_id)
    for _ in source.tables(survey):
        pass
    return _checked(survey, output)


def plan_export(output: str, dest: str, spec: ExportSpec, *, append: bool = False) -> ExportPlan:
    """Returns the plan of ``dest``, made now unless it stands there already.

    A destination with the plan of another export is refused by OutputError. With ``append`` a newer
    snapshot adds shards of its new samples; standing shards stay as they are.
    """
    dest = store.normalise(dest)
    before = standing(plan_path(dest))
    plan = read_plan(dest)
    if plan is None:
        if any(f"/{WORK}/" not in entry.uri for entry in store.find(dest)):  # a killed plan may lie there
            raise OutputError(f"{dest} holds other files: export into an empty folder")
        generation = _generation(output, dest, spec, ExportPlan({}, "", ()))
        plan = new_plan(spec, generation)
    else:
        if plan.options_digest != spec.options_digest:
            raise OutputError(f"{dest} holds an export with other options: choose another destination")
        wanted = snapshot_rows(output, spec.snapshot, ()).snapshot.snapshot_id
        if wanted == plan.generations[-1].snapshot_id:
            return plan
        if not append:
            raise OutputError(
                f"{dest} holds an export of snapshot {plan.generations[-1].snapshot_id}, not {wanted}: "
                "add its new samples with --append, or choose another destination"
            )
        plan = added(plan, _generation(output, dest, spec, plan))
    if before.data is None and conditional.is_supported(plan_path(dest)):
        conditional.create(plan_path(dest), plan.encoded())  # another process made the same one
        return plan
    before.swap(plan.encoded())
    return plan


def _generation(output: str, dest: str, spec: ExportSpec, earlier: ExportPlan) -> Generation:
    source = _source(output, spec, known=_known_ids(dest, earlier))
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
            _checked(survey, output)
        planned = _Shards(dest, spec, earlier)
        for place in sorted(spools):
            planned.fill(place, spools[place], tallies[place])
            spools[place].remove(0)
    return Generation(
        survey.snapshot_id, tuple(planned.shards), dict(sorted(survey.skipped.items())), survey.num_gone
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
        num_shards = tally.num_shards(self._spec.min_shards)
        before, current, rows = 0.0, -1, list[pa.Table]()
        for table in in_order(spool.tables, tally.num_samples):
            own = _shares(table, self._spec)
            indices = shard_indices(before, own, tally, num_shards)
            before += float(own.sum())
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
        amounts = _amounts(table)
        index = self._first_index[place]
        self._first_index[place] += 1
        self.shards.append(
            Shard(
                number=number, part=place[0], bucket=place[1], index=index, num_samples=len(table),
                num_bytes=amounts.num_bytes, num_frames=amounts.num_frames,
                seconds=round(amounts.seconds, 3), plan=path, digest=identity.bytes_digest(data),
            )
        )  # fmt: skip


def _source(output: str, spec: ExportSpec, *, known: pa.Array) -> _Source:
    rows = snapshot_rows(output, spec.snapshot, spec.embeddings)
    return _Source(rows, Wanted(spec, _columns(rows, spec), _texts(spec)), known)


def _texts(spec: ExportSpec) -> frozenset[str] | None:
    """The samples that have a text embedding. SpecError for a folder without any."""
    if not spec.text_embeddings:
        return None
    files = store.find(spec.text_embeddings, (".pickle",))
    if not files:
        raise SpecError(f"{spec.text_embeddings} holds no text embeddings: <sample id>.pickle each")
    return frozenset(file.uri.rpartition("/")[2].removesuffix(".pickle") for file in files)


def _columns(rows: SnapshotRows, spec: ExportSpec) -> Columns:
    """Where the snapshot has what is asked for. SpecError names a column that it lacks."""
    of_windows, of_clips = rows.window_columns, rows.clip_columns
    if missing := [name for name in spec.artifacts if name not in (*of_windows, *of_clips)]:
        raise SpecError(f"no table has a column {missing[0]}; columns of files: {', '.join(_files(rows))}")
    if spec.caption and spec.caption not in (*of_windows, *of_clips):
        raise SpecError(f"no table has a column {spec.caption}; windows have {', '.join(of_windows)}")
    if "embedding" in spec.needs and not rows.embeddings:
        raise SpecError("the output has no embeddings: require embedding cannot be met")
    caption = spec.caption or next((name for name in _CAPTIONS if name in of_windows), "")
    if "caption" in spec.needs and not caption:
        raise SpecError(
            f"{spec.format} needs text and the output has no captions: name a column by --caption"
        )
    return Columns(caption, caption in of_windows, tuple(rows.embeddings), spec.artifacts)


def _files(rows: SnapshotRows) -> list[str]:
    return [one["column"] for one in rows.snapshot.manifest.get("files", ())]


def _known_ids(dest: str, earlier: ExportPlan) -> pa.Array:
    parts = [
        parquet.read_columns(layout.join(dest, shard.plan), ["sample_id"])["sample_id"].combine_chunks()
        for shard in earlier.shards
    ]
    return pa.concat_arrays([pa.array([], pa.string()), *parts])


def _by_place(table: pa.Table, survey: Survey) -> Iterator[tuple[Place, pa.Table]]:
    names = list(zip(table["part"].to_pylist(), table["bucket"].to_pylist(), strict=True))
    rows: dict[Place, list[int]] = {}
    for row, place in enumerate(names):
        rows.setdefault(place, []).append(row)
    for place, own in rows.items():
        part = table.take(pa.array(own))
        more, amounts = _amounts(part), survey.amounts.setdefault(place, Amounts())
        amounts.num_samples += more.num_samples
        amounts.num_bytes += more.num_bytes
        amounts.num_frames += more.num_frames
        amounts.seconds += more.seconds
        yield place, part


def _amounts(table: pa.Table) -> Amounts:
    frames = table["num_frames"].to_numpy()
    rates = arrow.coalesce(table["fps"], table["framerate"]).to_numpy(zero_copy_only=False)
    return Amounts(
        len(table), int(table["num_bytes"].to_numpy().sum()), int(frames.sum()), float((frames / rates).sum())
    )


def _shares(table: pa.Table, spec: ExportSpec) -> np.ndarray:
    """The share of the largest shard that each sample fills."""
    num_bytes = table["num_bytes"].to_numpy() + _MEMBERS_BYTES
    for name in table.column_names:
        if name in ("meta", "caption"):
            num_bytes = num_bytes + np.array([len(text.encode()) for text in table[name].to_pylist()])
        elif name.startswith(EMBEDDING):
            lengths = table[name].combine_chunks().value_lengths().fill_null(0)
            num_bytes = num_bytes + 4 * lengths.to_numpy()
    return shares(num_bytes, max_bytes=spec.max_shard_bytes, max_samples=spec.max_shard_samples)


def _checked(survey: Survey, output: str) -> Survey:
    """SourceError for an export without a sample, with what stood in the way."""
    if survey.num_samples:
        return survey
    if not survey.num_clips:
        raise SourceError(f"{output} has no kept clip in snapshot {survey.snapshot_id}")
    reasons = ", ".join(f"{reason} {count:,}" for reason, count in survey.skipped.most_common())
    raise SourceError(f"no sample of {output} fits: all were left out ({reasons})")

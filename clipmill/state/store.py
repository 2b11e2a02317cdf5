"""Durable rows of stages, as immutable parquet parts: ``state/<key>/<digest>/<run>-<form>-<hash>.parquet``.

A part is written by one PUT, after the files that its rows name, and never changes. A retry writes the same
rows under the same name, or rows that a reader drops.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pyarrow as pa

from clipmill import arrow, layout
from clipmill.errors import StoreError
from clipmill.planning.judgement import CLEARED, LOST, RESULT
from clipmill.stages.process_stage import SEEN_CLIPS
from clipmill.state import part_file
from clipmill.state.part_file import DamagedPart
from clipmill.state.part_set import PartSet, forget_complete, parts_of
from clipmill.state.schema import OUTCOME
from clipmill.state.winners import best_rows, without_cleared
from clipmill.storage import store
from clipmill.storage.faults import is_missing

logger = logging.getLogger(__name__)

READS_AT_ONCE = 16
PARTS_AT_ONCE = 256
"""The ids of so many parts are in memory at a time."""
_ID = pa.schema([("id", pa.string())])


@dataclass(frozen=True)
class ResultStore:
    """The rows of stages under an output."""

    root_uri: str

    def append(self, key: str, digest: str, rows: pa.Table, *, run_id: str) -> None:
        """Writes rows as one part; no rows write nothing. ``stage_digest`` and ``run_id`` are filled in.

        Rows that clear failures also end what is noted of complete videos: some lack rows again.
        """
        if not len(rows):
            return
        for name, value in (("stage_digest", digest), ("run_id", run_id)):
            place = rows.schema.get_field_index(name)
            rows = rows.set_column(place, name, pa.array([value] * len(rows), pa.string()))
        if arrow.flags(arrow.is_in(rows["outcome"], pa.array([CLEARED, LOST]))).any():
            forget_complete(layout.state_dir(self.root_uri))
        name, data = part_file.named_part(run_id, rows)
        store.put_bytes(layout.join(self.folder(key, digest), name), data)

    def append_records(
        self,
        key: str,
        digest: str,
        records: Sequence[Mapping[str, object]],
        *,
        schema: pa.Schema,
        run_id: str,
    ) -> None:
        """Writes records as one part. ValueError for a column that ``schema`` does not have."""
        if unknown := {name for row in records for name in row} - set(schema.names):
            raise ValueError(f"the state of {key!r} has no column {', '.join(sorted(unknown))}")
        self.append(key, digest, pa.Table.from_pylist(list(records), schema=schema), run_id=run_id)

    def read(
        self,
        key: str,
        digest: str,
        *,
        schema: pa.Schema,
        columns: Sequence[str] | None = None,
        among: pa.Array | pa.ChunkedArray | None = None,
        effects: str | pa.Array = "",
    ) -> pa.Table:
        """Returns one row for each id, sorted by id, with ``columns`` of ``schema`` (all by default).

        ``among`` names the ids that are wanted; None stands for all. Rows with other ``effects`` than these
        do not count: one text for all ids, or one for each of ``among``. Of several rows for one id a result
        counts before a final failure, that before a retryable one, then the smallest run id; the largest
        where rows note the clips that they were judged with. A cleared row takes away the failures of its
        own run and of earlier ones, a lost row their results too; neither is returned. A damaged part is
        named in a warning and left out.
        """
        wanted = list(columns or schema.names)
        needed = list(dict.fromkeys([*wanted, "effects"]))
        rows = without_cleared(self.all_rows(key, digest, schema=schema, columns=needed, among=among))
        if not isinstance(effects, str):
            assert among is not None, "effects of which ids?"
            effects = effects.take(arrow.index_in(rows["id"].combine_chunks(), _one_array(among)))
        rows = rows.filter(arrow.equal(rows["effects"], effects))
        return best_rows(rows, newest=SEEN_CLIPS in schema.names).select(wanted)

    def all_rows(
        self,
        key: str,
        digest: str,
        *,
        schema: pa.Schema,
        columns: Sequence[str],
        among: pa.Array | pa.ChunkedArray | None = None,
    ) -> pa.Table:
        """Returns every row of the wanted ids, those that do not count too, in the order of the parts.

        ``id``, ``outcome`` and ``run_id`` are there beside ``columns``.
        """
        return _concat(self.parts(key, digest).live, schema, columns, among)

    def failed_rows(
        self, key: str, digest: str, *, schema: pa.Schema, columns: Sequence[str], among: pa.Array | None
    ) -> pa.Table:
        """Returns what ``all_rows`` does without results; of parts without failures nothing is read."""
        uris = [uri for uri in self.parts(key, digest).live if not part_file.has_only_results(uri)]
        with ThreadPoolExecutor(READS_AT_ONCE) as pool:
            chosen = [uri for uri, fails in zip(uris, pool.map(_has_failures, uris), strict=True) if fails]
        return _concat(chosen, schema, columns, among, keep=_is_no_result)

    def limited_rows(self, key: str, digest: str) -> pa.Table:
        """Returns the results that name a limit which cut them and that no lost row takes away."""
        columns = ["limit", "limit_value"]
        rows = _concat(self.parts(key, digest).live, OUTCOME, columns, None, keep=_may_be_limited)
        return without_cleared(rows)

    def parts(self, key: str, digest: str) -> PartSet:
        """Returns the parts of a stage."""
        return parts_of(self.folder(key, digest))

    def folder(self, key: str, digest: str) -> str:
        """Returns the folder of the parts of a stage."""
        return layout.join(layout.state_dir(self.root_uri), key, digest)


def _is_no_result(rows: pa.Table) -> pa.Array:
    return arrow.not_equal(rows["outcome"], RESULT)


def _may_be_limited(rows: pa.Table) -> pa.Array:
    is_lost = arrow.flags(arrow.equal(rows["outcome"], LOST))
    is_cut = arrow.flags(arrow.equal(rows["outcome"], RESULT)) & arrow.flags(rows["limit"].is_valid())
    return pa.array(is_lost | is_cut)


def _has_failures(uri: str) -> bool:
    """Returns what the name of a part says, else its footer."""
    if part_file.has_only_results(uri) is not None:
        return not part_file.has_only_results(uri)
    with store.open_reader(uri) as file:
        return part_file.has_failures(file)


def _concat(
    uris: Sequence[str],
    schema: pa.Schema,
    columns: Sequence[str],
    among: pa.Array | pa.ChunkedArray | None,
    *,
    keep: Callable[[pa.Table], pa.Array] | None = None,
) -> pa.Table:
    needed = list(dict.fromkeys([*columns, "id", "outcome", "run_id"]))
    empty = pa.schema([schema.field(name) for name in needed]).empty_table()

    def read(part: _WantedPart) -> pa.Table:
        rows = _rows_of(part.uri, schema, needed)
        rows = rows if part.is_wanted is None else rows.filter(part.is_wanted)
        return rows.filter(keep(rows)) if keep else rows

    with ThreadPoolExecutor(READS_AT_ONCE) as pool:
        parts = map(_WantedPart, uris) if among is None else _wanted_parts(uris, among, pool)
        return pa.concat_tables([empty, *pool.map(read, parts)])


@dataclass(frozen=True)
class _WantedPart:
    """A part that holds wanted rows, and which of its rows they are; None stands for all."""

    uri: str
    is_wanted: pa.Array | None = None


def _wanted_parts(
    uris: Sequence[str], among: pa.Array | pa.ChunkedArray, pool: ThreadPoolExecutor
) -> Iterator[_WantedPart]:
    """Yields the parts with ids of ``among``; parts without any are read no further."""
    wanted = _one_array(among)
    for first in range(0, len(uris), PARTS_AT_ONCE):
        batch = uris[first : first + PARTS_AT_ONCE]
        ids = list(pool.map(_ids_of, batch))
        together = pa.chunked_array([chunk for one in ids for chunk in one.chunks], pa.string())
        mask, start = arrow.flags(arrow.is_in(together, wanted)), 0
        for uri, one in zip(batch, ids, strict=True):
            found = mask[start : start + len(one)]
            start += len(one)
            if found.any():
                yield _WantedPart(uri, pa.array(found))


def _one_array(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    return values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values


def _ids_of(uri: str) -> pa.ChunkedArray:
    return _rows_of(uri, _ID, _ID.names)["id"]


def _rows_of(uri: str, schema: pa.Schema, columns: Sequence[str]) -> pa.Table:
    """Columns of a part; none of one that is damaged or was deleted since, which a warning names."""
    try:
        with store.open_reader(uri) as file:
            return part_file.decode(uri, file, schema=schema, columns=list(columns))
    except StoreError as error:
        if not (isinstance(error, DamagedPart) or is_missing(error)):
            raise
        logger.warning("%s; its rows are left out", error)
        return pa.schema([schema.field(name) for name in columns]).empty_table()

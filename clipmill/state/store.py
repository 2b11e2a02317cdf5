"""Durable rows of stages, as immutable parquet parts: ``state/<key>/<digest>/<run>-<content>.parquet``.

A part is written by one PUT, after the files that its rows name, and never changes. A retry writes the same
rows under the same name, or rows that a reader drops.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from clipmill import arrow, identity, layout
from clipmill.planning.judgement import CLEARED, FINAL, LOST, RESULT, RETRYABLE
from clipmill.stages.process_stage import SEEN_CLIPS
from clipmill.storage import parquet, store

_READS_AT_ONCE = 16
_RANK = {RESULT: 0, FINAL: 1, RETRYABLE: 2}


@dataclass(frozen=True)
class ResultStore:
    """The rows of stages under an output."""

    root_uri: str

    def append(self, key: str, digest: str, rows: pa.Table, *, run_id: str) -> None:
        """Writes rows as one part; no rows write nothing. ``stage_digest`` and ``run_id`` are filled in."""
        if not len(rows):
            return
        for name, value in (("stage_digest", digest), ("run_id", run_id)):
            place = rows.schema.get_field_index(name)
            rows = rows.set_column(place, name, pa.array([value] * len(rows), pa.string()))
        data = parquet.encode(rows)
        name = f"{run_id}-{identity.bytes_digest(data)[:16]}.parquet"
        store.put_bytes(layout.join(self._folder(key, digest), name), data)

    def read(
        self,
        key: str,
        digest: str,
        *,
        schema: pa.Schema,
        columns: Sequence[str] | None = None,
        among: pa.Array | None = None,
    ) -> pa.Table:
        """Returns one row for each id, sorted by id, with ``columns`` of ``schema`` (all by default).

        ``among`` names the ids that are wanted; None stands for all. Of several rows for one id a result
        counts before a final failure, that before a retryable one, then the smallest run id; the largest
        where rows note the clips that they were judged with. A cleared row takes away the failures of its
        own run and of earlier ones, one for the reason ``lost`` their results too; it is not returned.
        """
        wanted = list(columns or schema.names)
        rows = self.all_rows(key, digest, schema=schema, columns=wanted, among=among)
        return best_rows(rows, newest=SEEN_CLIPS in schema.names).select(wanted)

    def all_rows(
        self,
        key: str,
        digest: str,
        *,
        schema: pa.Schema,
        columns: Sequence[str],
        among: pa.Array | None = None,
    ) -> pa.Table:
        """Returns every row of the wanted ids, those that do not count too, in the order of the parts.

        ``id``, ``outcome`` and ``run_id`` are there beside ``columns``.
        """
        needed = list(dict.fromkeys([*columns, "id", "outcome", "run_id"]))
        rows = self._parts(key, digest, schema=schema, columns=needed)
        return rows if among is None else rows.filter(arrow.is_in(rows["id"], among))

    def _parts(self, key: str, digest: str, *, schema: pa.Schema, columns: list[str]) -> pa.Table:
        entries = store.find(self._folder(key, digest), (".parquet",))
        with ThreadPoolExecutor(_READS_AT_ONCE) as pool:
            parts = list(
                pool.map(lambda entry: parquet.read(entry.uri, schema=schema, columns=columns), entries)
            )
        empty = pa.schema([schema.field(name) for name in columns]).empty_table()
        return pa.concat_tables([empty, *parts])

    def _folder(self, key: str, digest: str) -> str:
        return layout.join(layout.state_dir(self.root_uri), key, digest)


def best_rows(rows: pa.Table, *, newest: bool = False) -> pa.Table:
    """Returns the row of each id that counts, sorted by id; ``newest`` prefers later runs among equals."""
    rows = without_cleared(rows)
    if not len(rows):
        return rows
    ranks = pa.array([_RANK[str(outcome)] for outcome in rows["outcome"].to_pylist()], pa.int8())
    keys = pa.table(
        [rows["id"], ranks, rows["run_id"], np.arange(len(rows))], ["id", "rank", "run_id", "row"]
    )
    by_run = "descending" if newest else "ascending"
    ranked = keys.sort_by([("id", "ascending"), ("rank", "ascending"), ("run_id", by_run)])
    ids = ranked["id"].to_numpy()
    first = np.concatenate([[True], ids[1:] != ids[:-1]])
    return rows.take(pa.array(ranked["row"].to_numpy()[first]))


def without_cleared(rows: pa.Table) -> pa.Table:
    """Returns rows without what a cleared row takes away, and without the cleared rows.

    It takes away the failures of its id from its own run and earlier ones; for the reason ``lost`` also the
    results.
    """
    is_cleared = arrow.flags(arrow.equal(rows["outcome"], CLEARED))
    if not is_cleared.any():
        return rows
    is_lost = is_cleared & arrow.flags(arrow.equal(rows["reason"], LOST))
    is_result = arrow.flags(arrow.equal(rows["outcome"], RESULT))
    stays = np.where(is_result, _is_later(rows, is_lost), _is_later(rows, is_cleared))
    return rows.filter(pa.array(~is_cleared & stays))


def _is_later(rows: pa.Table, is_end: np.ndarray) -> np.ndarray:
    """Returns bool ``(N,)``: rows of a later run than the last one of their id among ``is_end``."""
    last: dict[str, str] = {}
    for item, run_id in _pairs(rows.filter(pa.array(is_end))):
        last[item] = max(run_id, last.get(item, ""))
    return np.array([item not in last or run_id > last[item] for item, run_id in _pairs(rows)], bool)


def _pairs(rows: pa.Table) -> Iterator[tuple[str, str]]:
    return zip(rows["id"].to_pylist(), rows["run_id"].to_pylist(), strict=True)

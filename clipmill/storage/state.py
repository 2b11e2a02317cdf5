"""What is done: durable results of the stages, as immutable parquet parts keyed (id, stage digest).

``state/<stage>/<digest>/<attempt>-<content>.parquet``. A part is written by one PUT, after the artefacts its
rows speak of, and never changed. A retry writes the same rows under the same name, or rows a reader drops.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import cast

import pyarrow as pa

from clipmill import arrow, identity, layout
from clipmill.storage import parquet, store
from clipmill.storage.tables import STATE_SCHEMAS

_READS_AT_ONCE = 16


@dataclass(frozen=True)
class State:
    """The state under an output."""

    root_uri: str

    def append(
        self, stage: str, rows: Sequence[Mapping[str, object]] | pa.Table, *, digest: str, attempt: str
    ) -> None:
        """Write one part. ``attempt`` names who writes; ``stage_digest`` is filled in; no rows write nothing.

        Columns that a row lacks are null; a column that the stage does not have is a ValueError.
        """
        table = _typed(stage, rows, digest=digest)
        if len(table) == 0:
            return
        data = parquet.encode(table)
        name = f"{attempt}-{identity.bytes_digest(data)[:16]}.parquet"
        store.put_bytes(layout.join(self._folder(stage, digest), name), data)

    def read(self, stage: str, digest: str, *, among: pa.Array | None = None) -> pa.Table:
        """One row per id of ``among`` (all by default), sorted by id.

        A result wins, then a final failure, then that of the first part. A cleared row takes away failures.
        """
        rows = self._parts(stage, digest, columns=None)
        return _one_per_id(rows if among is None else rows.filter(arrow.is_in(rows["id"], among)))

    def ids(self, stage: str, digest: str) -> set[str]:
        """The ids that have a row."""
        return set(self._parts(stage, digest, columns=["id"])["id"].to_pylist())

    def _parts(self, stage: str, digest: str, *, columns: list[str] | None) -> pa.Table:
        schema = STATE_SCHEMAS[stage]
        entries = store.find(self._folder(stage, digest), (".parquet",))
        with ThreadPoolExecutor(_READS_AT_ONCE) as pool:
            parts = list(
                pool.map(lambda entry: parquet.read(entry.uri, schema=schema, columns=columns), entries)
            )
        empty = schema.empty_table() if columns is None else schema.empty_table().select(columns)
        return pa.concat_tables([empty, *parts])

    def _folder(self, stage: str, digest: str) -> str:
        return layout.join(layout.state_dir(self.root_uri), stage, digest)


def _typed(stage: str, rows: Sequence[Mapping[str, object]] | pa.Table, *, digest: str) -> pa.Table:
    schema = STATE_SCHEMAS[stage]
    records = rows if isinstance(rows, Sequence) else cast(list[dict[str, object]], rows.to_pylist())
    if unknown := {name for row in records for name in row} - set(schema.names):
        raise ValueError(f"the state of {stage!r} has no column {', '.join(sorted(unknown))}")
    return pa.Table.from_pylist([{**row, "stage_digest": digest} for row in records], schema=schema)


def _one_per_id(table: pa.Table) -> pa.Table:
    """Rows in the order of the parts in, the winner of each id out."""
    winners: dict[str, tuple[int, int]] = {}
    cleared = _cleared(table)
    for place, (name, run_id, rank) in enumerate(_ranked(table)):
        if rank == _RANKS["result"] or name not in cleared or run_id > cleared[name]:
            winners[name] = min(winners.get(name, (rank, place)), (rank, place))
    return table.take(pa.array([winners[name][1] for name in sorted(winners)], pa.int64()))


_RANKS = {"result": 0, "final": 1, "retryable": 2, "cleared": 3}


def _cleared(table: pa.Table) -> dict[str, str]:
    """Id -> the last run whose failures are taken away."""
    found: dict[str, str] = {}
    for name, run_id, rank in _ranked(table):
        if rank == _RANKS["cleared"]:
            found[name] = max(run_id, found.get(name, ""))
    return found


def _ranked(table: pa.Table) -> Iterator[tuple[str, str, int]]:
    """(Id, run, rank of the outcome) of each row; rows without an outcome hold results, or reasons."""
    names = ("id", "run_id", "outcome", "reason")
    columns = (
        table[name].to_pylist() if name in table.column_names else [None] * len(table) for name in names
    )
    for name, run_id, outcome, reason in zip(*columns, strict=True):
        yield name, run_id or "", _RANKS[outcome or ("result" if reason is None else "final")]

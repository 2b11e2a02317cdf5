"""The rows of a named snapshot that an export is made of: kept clips with all that belongs to each.

Clips, windows, embeddings and parts (train, val, test) are joined by id, a range of ids at a time.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from clipmill import arrow
from clipmill.dataset.snapshots.embeddings import embeddings_of
from clipmill.dataset.snapshots.record import Snapshot, named_snapshot, source_columns_of, table_parts
from clipmill.errors import SpecError
from clipmill.export.spool import ROWS_AT_ONCE, Spool, bits_for, order_of
from clipmill.partition.table import part_rows
from clipmill.scratch import ScratchFolder
from clipmill.storage import parquet, store
from clipmill.storage.source_columns import SourceColumns

Part = tuple[str, str]
"""The part of a clip (train, val, test or held_out), and why it is held out."""


@dataclass(frozen=True)
class ClipRange:
    """The kept clips of a range of ids, and the rows of other tables about them.

    ``embeddings`` are tables of ``id`` and ``embedding`` by model; ``parts`` has the part of each clip, None
    for an output that was never split.
    """

    clips: pa.Table
    windows: pa.Table | None
    embeddings: Mapping[str, pa.Table]
    parts: Mapping[str, Part] | None


@dataclass(frozen=True)
class SnapshotRows:
    """A snapshot of an output, and the embeddings that an export takes along."""

    output: str
    snapshot: Snapshot
    embeddings: Mapping[str, Sequence[str]]
    source_columns: SourceColumns | None = None

    @property
    def window_columns(self) -> Mapping[str, pa.DataType]:
        """Columns of windows, and their types."""
        uris = table_parts(self.output, "windows", snapshot=self.snapshot) if self._has("windows") else []
        return _types(parquet.schema_of(uris[0])) if uris else {}

    @property
    def clip_columns(self) -> Mapping[str, pa.DataType]:
        """Columns of clips, and their types."""
        found = _types(parquet.schema_of(table_parts(self.output, "clips", snapshot=self.snapshot)[0]))
        return found | (_types(self.source_columns.rows.schema) if self.source_columns else {})

    @property
    def vector_types(self) -> Mapping[str, pa.DataType]:
        """The type of each embedding's vectors: lists of float32, of one length where the files have one."""
        kinds = {
            name: parquet.schema_of(uris[0]).field("embedding").type for name, uris in self.embeddings.items()
        }
        return {
            name: pa.list_(pa.float32(), kind.list_size if pa.types.is_fixed_size_list(kind) else -1)
            for name, kind in kinds.items()
        }

    def _has(self, table: str) -> bool:
        return table in self.snapshot.tables

    def ranges(self, seed: int) -> Iterator[ClipRange]:
        """Yields all kept clips, a part of about ``ROWS_AT_ONCE`` rows at a time, in no order to speak of."""
        num_rows = max(self.snapshot.num_rows(name) for name in ("clips", "windows") if self._has(name))
        bits = bits_for(num_rows)
        with ScratchFolder("export-rows") as scratch:
            spools = self._spooled(scratch.path, bits, seed)
            for index in range(1 << bits):
                tables = {name: spool.part(index) for name, spool in spools.items()}
                if (clips := tables["clips"]) is not None:
                    found = {name: tables[f"embedding {name}"] for name in self.embeddings}
                    yield ClipRange(
                        clips.sort_by("clip_id"),
                        tables.get("windows"),
                        {name: table for name, table in found.items() if table is not None},
                        _latest(tables["parts"]) if "parts" in tables else None,
                    )
                for spool in spools.values():
                    spool.remove(index)

    def _spooled(self, folder: str, bits: int, seed: int) -> Mapping[str, Spool]:
        sources: dict[str, tuple[Iterator[pa.Table], str]] = {"clips": (self._kept(), "clip_id")}
        if self._has("windows"):
            sources["windows"] = self._batches("windows"), "clip_id"
        for name, uris in self.embeddings.items():
            sources[f"embedding {name}"] = _of_files(uris, ("id", "embedding")), "id"
        if (parts := part_rows(self.output)) is not None:
            sources["parts"] = parts, "clip_id"
        spools: dict[str, Spool] = {}
        for name, (tables, key) in sources.items():
            spools[name] = Spool(folder, name, bits)
            for table in tables:
                spools[name].add(table, order_of(table[key].to_pylist(), seed))
        return spools

    def _kept(self) -> Iterator[pa.Table]:
        for table in self._batches("clips"):
            kept = table.filter(arrow.equal(table["status"], "kept"))
            yield self.source_columns.beside(kept) if self.source_columns else kept

    def _batches(self, table: str) -> Iterator[pa.Table]:
        return _of_files(table_parts(self.output, table, snapshot=self.snapshot), None)


def snapshot_rows(
    output: str, snapshot_id: str, embeddings: Sequence[str] | None, metadata: str = ""
) -> SnapshotRows:
    """Returns the rows of a snapshot, the current one where no id is given, with all its embeddings or some.

    SourceError for an output without it, SpecError for an embedding that it does not have.
    """
    output = store.normalise(output)
    snapshot = named_snapshot(output, snapshot_id)
    known = {name: uris for name, uris in embeddings_of(output, snapshot) if uris}
    names = list(known) if embeddings is None else list(embeddings)
    if unknown := [name for name in names if name not in known]:
        have = ", ".join(known) or "none"
        raise SpecError(f"{output} has no embedding {unknown[0]}; it has {have}")
    columns = source_columns_of(output, snapshot, metadata)
    return SnapshotRows(output, snapshot, {name: known[name] for name in names}, columns)


def _types(schema: pa.Schema) -> dict[str, pa.DataType]:
    return dict(zip(schema.names, schema.types, strict=True))


def _of_files(uris: Sequence[str], columns: Sequence[str] | None) -> Iterator[pa.Table]:
    for uri in uris:
        yield from parquet.read_batches(uri, columns, max_rows=ROWS_AT_ONCE)


def _latest(parts: pa.Table | None) -> Mapping[str, Part]:
    """Clip id -> part and reason; of several rows of one clip the last counts."""
    if parts is None:
        return {}
    values = zip(parts["part"].to_pylist(), parts["reason"].to_pylist(), strict=True)
    return dict(zip(parts["clip_id"].to_pylist(), values, strict=True))

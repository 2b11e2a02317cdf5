"""What a manifest says of an output: the parts of its tables, and the columns that name files."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import cast

from clipmill import layout
from clipmill.dataset.snapshots.record import named_snapshot, read_manifest
from clipmill.errors import SpecError, StoreError
from clipmill.planning.registry import stage_class
from clipmill.stages.base import Stage
from clipmill.stages.columns import DIGEST, FILE, SIZE

Fields = Mapping[str, object]

FILTERED = "_filtered"
"""Ending of the key of the encoder of rejected clips."""
_TABLE_OF = {"clip": ("clips", "clip_id"), "window": ("windows", "window_id")}


@dataclass(frozen=True)
class Part:
    """A file of a table; ``path`` is relative to the output."""

    table: str
    path: str
    sha256: str
    num_rows: int


@dataclass(frozen=True)
class FileColumn:
    """A column of a table that names files; ``digest`` and ``size`` are empty where no column holds them.

    ``stored`` is the column's name in the state.
    """

    key: str
    table: str
    id_column: str
    name: str
    stored: str
    digest: str
    size: str


@dataclass(frozen=True)
class Published:
    """The manifest of an output. ``unknown`` are stages whose class cannot be imported here."""

    parts: tuple[Part, ...]
    columns: tuple[FileColumn, ...]
    digests: Mapping[str, str]
    unknown: tuple[str, ...]

    def parts_of(self, table: str) -> list[Part]:
        """Returns the parts of one table."""
        return [part for part in self.parts if part.table == table]

    def keys_of(self, column: FileColumn) -> tuple[str, ...]:
        """Returns the keys whose rows may name a file of a column: of kept clips, and of rejected ones."""
        return tuple(key for key in (column.key, column.key + FILTERED) if key in self.digests)


def read_published(output: str, *, snapshot: str = "") -> Published:
    """Returns what the manifest of an output says, or that of a snapshot of it.

    Errors as in ``read_manifest`` and ``named_snapshot``.
    """
    manifest = named_snapshot(output, snapshot).manifest if snapshot else read_manifest(output)
    try:
        parts = tuple(_parts(cast("Mapping[str, Fields]", manifest["tables"])))
        stages = cast("Mapping[str, Fields]", manifest["stages"])
        digests = cast("Mapping[str, str]", manifest["stage_digests"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(
            layout.manifest_path(output), f"not a manifest: {type(error).__name__}: {error}"
        ) from error
    known = {key: _class_of(str(fields["class"])) for key, fields in stages.items()}
    columns = (column for key, cls in known.items() if cls for column in _file_columns(key, cls))
    return Published(parts, tuple(columns), digests, tuple(key for key, cls in known.items() if cls is None))


def _parts(tables: Mapping[str, Fields]) -> Iterator[Part]:
    for table, fields in tables.items():
        parts = cast("list[Fields]", fields.get("parts", [fields]))  # one part, of clipmill 0.1, has no list
        for part in parts:
            yield Part(table, str(part["path"]), str(part["sha256"]), int(str(part["rows"])))


def _class_of(path: str) -> type[Stage] | None:
    try:
        cls = stage_class(path)
    except SpecError:
        return None
    return cls if issubclass(cls, Stage) else None


def _file_columns(key: str, cls: type[Stage]) -> Iterator[FileColumn]:
    if cls.grain not in _TABLE_OF:
        return
    table, id_column = _TABLE_OF[cls.grain]
    names = {column.role: _published(key, cls, column.name) for column in cls.writes}
    for column in cls.writes:
        if column.role == FILE:
            yield FileColumn(
                key, table, id_column, _published(key, cls, column.name), column.name,
                digest=names.get(DIGEST, ""), size=names.get(SIZE, ""),
            )  # fmt: skip


def _published(key: str, cls: type[Stage], name: str) -> str:
    return name if key == cls.name else f"{key}_{name}"

"""Tables of one range after another, on the local disk, so that memory holds one range at a time."""

import os
from collections.abc import Iterator, Mapping
from typing import cast

import pyarrow as pa

from clipmill.dataset.assemble import Tables
from clipmill.dataset.schemas import TABLES
from clipmill.outcomes.run_end import Tally


class Spool:
    """Ranges of tables below a local folder."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._dropped_s: list[Mapping[str, float]] = []
        self._failures: list[tuple[Tally, ...]] = []
        self.num_found: list[int] = []
        self.num_open = 0
        self.num_rows: dict[str, int] = dict.fromkeys(TABLES, 0)

    def append(self, tables: Tables, *, num_found: int) -> None:
        """Adds a range of so many sources."""
        self.num_found.append(num_found)
        self.num_open += tables.num_open
        self._dropped_s.append(tables.dropped_s)
        self._failures.append(tables.failures)
        for name, table in tables.by_name().items():
            self.num_rows[name] += len(table)
            self._write(len(self._dropped_s) - 1, name, table)

    def replace(self, index: int, tables: Tables, *names: str) -> None:
        """Puts other rows in place of those of a range, in some of its tables."""
        for name in names:
            table = tables.by_name()[name]
            self.num_rows[name] += len(table) - len(self.table(index, name))
            self._write(index, name, table)

    def ranges(self) -> Iterator[Tables]:
        """Yields the tables of each range. Their rows are read from disk where they are looked at."""
        for index, dropped_s in enumerate(self._dropped_s):
            tables = {name: self.table(index, name) for name in TABLES}
            yield Tables(**tables, dropped_s=dropped_s, failures=self._failures[index])

    def tables(self, name: str) -> Iterator[pa.Table]:
        """Yields one table of each range."""
        return (self.table(index, name) for index in range(len(self._dropped_s)))

    def table(self, index: int, name: str) -> pa.Table:
        """Returns one table of one range."""
        with pa.memory_map(self._path(index, name)) as file:
            return cast(pa.Table, pa.ipc.open_file(file).read_all())

    def _write(self, index: int, name: str, table: pa.Table) -> None:
        path = self._path(index, name)
        with pa.OSFile(f"{path}.new", "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table)
        os.replace(f"{path}.new", path)

    def _path(self, index: int, name: str) -> str:
        return os.path.join(self._folder, f"{index:05d}-{name}.arrow")

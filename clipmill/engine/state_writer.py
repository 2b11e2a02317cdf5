"""Collects the rows of finished chunks and writes them as parts, now and then and at the end."""

import time
from collections import defaultdict

import pyarrow as pa

from clipmill.engine.chunk import Chunk
from clipmill.planning.plan import Plan
from clipmill.state.split_rows import split_row
from clipmill.state.store import ResultStore

FLUSH_EVERY_S = 20.0
FLUSH_EVERY_CHUNKS = 64
"""A killed run repeats at most this much; fewer parts keep the state quick to read."""


class StateWriter:
    """Writes what chunks made. ``run_id`` names the parts; without a ``store`` nothing is written."""

    def __init__(self, store: ResultStore | None, plan: Plan, run_id: str) -> None:
        self._store = store
        self._plan = plan
        self._run_id = run_id
        self._digests = plan.digests()
        self._rows: dict[str, list[pa.Table]] = defaultdict(list)
        self._splits: list[pa.Table] = []
        self._num_chunks = 0
        self._flushed_s = time.monotonic()

    def add(self, chunk: Chunk) -> None:
        """Takes the rows of a finished chunk."""
        for key, rows in chunk.made.items():
            self._rows[key].append(rows)
        if chunk.split is not None:
            self._splits.append(split_row(chunk.work.video_id, chunk.split))
        self._num_chunks += 1
        is_due = time.monotonic() - self._flushed_s > FLUSH_EVERY_S
        if self._num_chunks >= FLUSH_EVERY_CHUNKS or is_due:
            self.flush()

    def flush(self) -> None:
        """Writes what was collected; a video's split goes last, when its clips' rows are safe."""
        if self._store is not None:
            extractor = self._plan.extractor.key
            for key, tables in [*self._rows.items(), (extractor, self._splits)]:
                if tables:
                    rows = pa.concat_tables(tables)
                    self._store.append(key, self._digests[key], rows, run_id=self._run_id)
        self._rows.clear()
        self._splits.clear()
        self._num_chunks, self._flushed_s = 0, time.monotonic()

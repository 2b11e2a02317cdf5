"""Collects the rows of finished chunks and writes them as parts, now and then and at the end."""

import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace

import pyarrow as pa

from clipmill.engine.chunk import Chunk, with_effects
from clipmill.engine.work import Work
from clipmill.planning.plan import Plan
from clipmill.state.schema import schema_of
from clipmill.state.split_rows import split_row
from clipmill.state.store import ResultStore

FLUSH_EVERY_S = 20.0
FLUSH_EVERY_CHUNKS = 64
"""A killed run repeats at most this much; fewer parts keep the state quick to read."""


class StateWriter:
    """Writes what chunks made. ``run_id`` names the parts; without a ``store`` nothing is written.

    The first rows of a long video are written before its traits are known. Where an option applies to it,
    they are read once more at its end and written with the effects that they have.
    """

    def __init__(self, store: ResultStore | None, plan: Plan, run_id: str) -> None:
        self._store = store
        self._plan = plan
        self._run_id = run_id
        self._digests = plan.digests()
        self._rows: dict[str, list[pa.Table]] = defaultdict(list)
        self._splits: list[pa.Table] = []
        self._has_effects = any(node.effects for node in plan.rowed)
        self._traits: dict[str, str] = {}
        self._early: dict[str, dict[str, list[str]]] = defaultdict(dict)
        self._num_chunks = 0
        self._flushed_s = time.monotonic()

    def add(self, chunk: Chunk) -> Chunk:
        """Takes the rows of a finished chunk; returns it with their effects."""
        chunk = self._with_traits(chunk).with_effects(self._plan.nodes)
        for key, rows in chunk.made.items():
            self._rows[key].append(rows)
        if chunk.split is not None:
            self._splits.append(split_row(chunk.work.video_id, chunk.split, self._plan.extractor))
            self._name_effects(chunk.work)
        self._num_chunks += 1
        is_due = time.monotonic() - self._flushed_s > FLUSH_EVERY_S
        if self._num_chunks >= FLUSH_EVERY_CHUNKS or is_due:
            self.flush()
        return chunk

    def _with_traits(self, chunk: Chunk) -> Chunk:
        """Returns a chunk with the traits of its video, if they came before it; else notes its rows."""
        work = chunk.work
        if not (self._has_effects and work.lacks_split):
            return chunk
        if work.traits is not None:
            self._traits[work.video_id] = work.traits
            return chunk
        if work.video_id in self._traits:
            return replace(chunk, work=replace(work, traits=self._traits[work.video_id]))
        for key, rows in chunk.made.items():
            self._early[work.video_id].setdefault(key, []).extend(rows["id"].to_pylist())
        return chunk

    def _name_effects(self, work: Work) -> None:
        """Writes the first rows of a video again, with the effects that they turned out to have."""
        early, traits = self._early.pop(work.video_id, {}), self._traits.get(work.video_id, "")
        for node in self._plan.rowed:
            before, effects = (node.effects_in(one, work.source_values) for one in ("", traits))
            if self._store and effects != before and node.key in early:
                self._write({node.key: self._rows[node.key]})
                ids, schema = pa.array(early[node.key], pa.string()), schema_of(node)
                rows = self._store.read(node.key, node.digest, schema=schema, among=ids, effects=before)
                self._rows[node.key].append(with_effects(rows, effects))

    def flush(self) -> None:
        """Writes what was collected; a video's split goes last, when its clips' rows are safe."""
        self._write(self._rows)
        self._write({self._plan.extractor.key: self._splits})
        self._num_chunks, self._flushed_s = 0, time.monotonic()

    def _write(self, by_key: Mapping[str, list[pa.Table]]) -> None:
        """Writes tables of rows, and forgets them."""
        for key, tables in by_key.items():
            if tables and self._store is not None:
                rows = pa.concat_tables(tables)
                self._store.append(key, self._digests[key], rows, run_id=self._run_id)
            tables.clear()

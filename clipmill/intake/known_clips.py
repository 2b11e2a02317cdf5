"""The clips of a range of videos, and the rows of the stages beside them.

The rows of a stage are read once, whatever the number of ranges: they go into files of scratch space, one for
each range, with the places of their clips.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from clipmill import arrow
from clipmill.planning.judgement import RETRYABLE
from clipmill.planning.missing import ClipBlock, ClipRange, Windows, lacks_of
from clipmill.planning.nodes import SOURCE, Node
from clipmill.planning.plan import Plan
from clipmill.stages.process_stage import SEEN_CLIPS
from clipmill.state.database import RANK, Database, case_of
from clipmill.state.ids import key_of
from clipmill.state.schema import SPLIT_STATE, columns_for, schema_of
from clipmill.state.splits import LISTS, clips_of
from clipmill.state.store import ResultStore
from clipmill.state.winners import RANKS, codes_of, ranks_of
from clipmill.storage.source_columns import SourceColumns, values_mark

CLIPS_AT_ONCE = 100_000
CLIPS_PER_VIDEO = 10
"""A video without clips counts as so many: its facts take memory too."""
_DONE = RANKS["final"]
_PLACE, _RANGE = "clipmill place", "clipmill_range"
_TRAITS = "coalesce(s.traits, '')"


@dataclass(frozen=True)
class KnownClips:
    """The clips of videos in ranges, and the rows of a plan's stages for each range.

    Rows count that were made with the options of their videos. ``of`` is a query for ``place``, ``id`` and
    ``video_id`` of videos, in the order of the ranges, and ``is_first``: of several places of one id the one
    that its clips belong to. ``uris`` is a query for ``place`` and ``uri``. ``columns`` are those of the
    split beside its clips. ``publishes`` reads what is published of a stage, not only what decides what is
    missing.
    """

    database: Database
    plan: Plan
    of: str = "SELECT place, id, video_id, true AS is_first FROM videos"
    uris: str = "SELECT v.place, s.uri FROM videos v JOIN sources s ON s.place = v.source"
    columns: Sequence[str] = ("reason", "repaired_times", "is_partial", "oddities")
    publishes: bool = False
    clips_per_range: int = 0

    def load(self, output: str) -> bool:
        """Reads the rows, each part once; damaged parts are set aside. Returns False if there was one."""
        is_whole = self._load_splits(output)
        self._load_marks()
        for node in self.plan.rowed:
            parts, schema = ResultStore(output).parts(node.key, node.digest), self._schema(node)
            if node.stage.grain == "video":
                where = f"id IN (SELECT id FROM ({self.of}))"
                names = ", ".join(f'"{name}"' for name in schema.names)
                left = self.database.load(self._table(node), parts, select=names, where=where, schema=schema)
            else:
                left = self.database.spread(
                    self._folder(node.key), parts, query=self._query(node), by=_RANGE, schema=schema
                )
            is_whole &= left is parts
        return is_whole

    @cached_property
    def sources(self) -> SourceColumns | None:
        """What the user knows of the sources."""
        return self.plan.source_columns()

    @cached_property
    def ranges(self) -> list[tuple[int, int]]:
        """(First, last) place of the videos of each range."""
        query = "SELECT min(place) AS first, max(place) AS last FROM ranges GROUP BY range ORDER BY range"
        found = self.database.rows(query)
        return list(zip(found["first"].to_pylist(), found["last"].to_pylist(), strict=True))

    def splits(self, index: int, *, columns: Sequence[str] = ()) -> pa.Table:
        """Returns the splits of a range by ``place``, with ``columns``, all by default; retryable ones too.

        Only the first place of an id has its clips.
        """
        names = dict.fromkeys(["outcome", "run_id", *(columns or self._split_columns)])
        schema = pa.schema([SPLIT_STATE.field(name) for name in names])
        rows = self._read(self.plan.extractor.key, index, schema)
        rows = rows.take(pa.array(_best(rows, np.asarray(rows[_PLACE])))).sort_by(_PLACE)
        return rows.rename_columns(["place", *schema.names])

    def clips(self, index: int) -> ClipRange:
        """Returns the clips of a range."""
        clips = self.database.rows(
            f"SELECT clip_id, video, num_frames FROM clips WHERE range = {index} ORDER BY place"
        )
        ids = clips["clip_id"].combine_chunks()
        windows = Windows.of_lengths(self.plan, np.asarray(clips["num_frames"]))
        found = ClipRange(ids, np.asarray(clips["video"]), windows, {})
        rows = {
            node.key: self._rows(node, index, found)
            for node in self.plan.rowed
            if node.stage.grain != "video"
        }
        return replace(found, rows=rows | self._source_rows(index))

    def rows_of_videos(self, index: int, first: int, num_videos: int) -> dict[str, pa.Table]:
        """Returns key -> rows of each stage of whole videos, one for each of ``num_videos`` of a range.

        ``first`` is the place of the first. A video without a row has nulls.
        """
        found: dict[str, pa.Table] = {}
        for node in self.plan.rowed:
            if node.stage.grain == "video":
                rows = self.database.rows(
                    "SELECT g.place, r.* EXCLUDE (id), CAST(r.id AS VARCHAR) AS id "
                    f"FROM {self._table(node)} r JOIN ranges g USING (id) LEFT JOIN splits s USING (id) "
                    f"WHERE g.range = {index} AND r.effects = {self._expected(node, _TRAITS)}"
                )
                places = np.asarray(rows["place"]) - first
                row_of = np.full(num_videos, -1)
                best = _best(rows, places)
                row_of[places[best]] = best
                taken = rows.take(pa.array(row_of, pa.int64(), mask=row_of < 0))
                found[node.key] = taken.select(self._schema(node).names).cast(self._schema(node))
        return found

    def _source_rows(self, index: int) -> dict[str, pa.Table]:
        """The columns about the sources of the clips of a range, if there are any."""
        if self.sources is None:
            return {}
        uris = self.database.rows(
            f"SELECT u.uri FROM clips c JOIN ({self.uris}) u ON u.place = c.video WHERE c.range = {index} "
            "ORDER BY c.place"
        )
        return {SOURCE: self.sources.of(uris["uri"])}

    def _load_marks(self) -> None:
        """Makes the table ``marks``: names of the values with which a stage's rows must have been made."""
        self.database.run("CREATE OR REPLACE TABLE marks (video BIGINT, key VARCHAR, mark VARCHAR)")
        for node in self.plan.rowed:
            if node.source_columns and self.sources:
                uris = self.database.rows(self.uris)
                values = (self.sources.values_of(uri, node.source_columns) for uri in uris["uri"].to_pylist())
                marks = pa.array([values_mark(one) for one in values], pa.string())
                found = pa.table({"video": uris["place"], "mark": marks})
                self.database.run(
                    f"INSERT INTO marks SELECT video, '{node.key}', mark FROM found WHERE mark <> ''",
                    found=found,
                )

    def _load_splits(self, output: str) -> bool:
        """Makes the tables ``ranges`` and ``clips``, and spreads the splits over the ranges."""
        extractor, database = self.plan.extractor, self.database
        parts = ResultStore(output).parts(extractor.key, extractor.digest)
        light = "".join(f", {_split_value(name)}" for name in self._split_columns if name not in LISTS)
        left = database.load(
            "splits",
            parts,
            select=f"id, effects{light}, len(clips) AS num_clips",
            where=f"id IN (SELECT id FROM ({self.of}))",
            schema=SPLIT_STATE,
        )
        expected = self._expected(extractor, "coalesce(traits, '')")
        database.run(f"DELETE FROM splits WHERE effects <> {expected}")
        database.keep_best("splits")
        self._make_ranges()
        lists = "".join(
            f', CASE WHEN r.is_first THEN s."{name}" END AS "{name}"'
            for name in self._split_columns
            if name in LISTS
        )
        left = database.spread(
            self._folder(extractor.key),
            left,
            query=lambda rows: (
                f'SELECT r.range AS {_RANGE}, r.place AS "{_PLACE}"{light}{lists} '
                f"FROM ({rows}) s JOIN ranges r USING (id) WHERE s.effects = {expected}"
            ),
            by=_RANGE,
            schema=SPLIT_STATE,
        )
        self._make_clips()
        return left is parts

    def _make_ranges(self) -> None:
        size = f"coalesce(s.num_clips, 0) + {CLIPS_PER_VIDEO}"
        totals = (
            f"SELECT o.*, sum({size}) OVER (ORDER BY o.place) // {self.clips_per_range or CLIPS_AT_ONCE} "
            f"AS quotient FROM ({self.of}) o LEFT JOIN splits s ON s.id = o.id AND o.is_first"
        )
        self.database.run(
            "CREATE OR REPLACE TABLE ranges AS SELECT place, id, is_first, "
            f"dense_rank() OVER (ORDER BY quotient) - 1 AS range FROM ({totals})"
        )

    def _make_clips(self) -> None:
        self.database.run(
            "CREATE OR REPLACE TABLE clips (range INTEGER, place INTEGER, video BIGINT, id UUID, "
            "clip_id VARCHAR, num_frames BIGINT, traits VARCHAR)"
        )
        for index in range(len(self.ranges)):
            splits = self.splits(index, columns=("traits", "clips"))
            clips = clips_of(splits["clips"])
            num_frames = clips.rows["end_frame"].to_numpy() - clips.rows["start_frame"].to_numpy()
            owners = np.repeat(np.arange(len(splits)), np.diff(clips.starts))
            found = {
                "place": np.arange(len(clips.rows)),
                "video": np.asarray(splits["place"])[owners],
                "traits": splits["traits"].take(pa.array(owners)),
                "clip_id": clips.rows["clip_id"],
                "num_frames": num_frames,
            }
            self.database.run(
                f"INSERT INTO clips SELECT {index}, place, video, {key_of('clip_id', 'VARCHAR')}, clip_id, "
                "num_frames, traits FROM found",
                found=pa.table(found),
            )

    @property
    def _split_columns(self) -> list[str]:
        return list(dict.fromkeys(["outcome", "run_id", "traits", *self.columns, "clips"]))

    def lacking(self, index: int, plan: Plan, clips: ClipRange, passed: frozenset[str] | None) -> "Lacking":
        """Returns what the videos of a range, whose ``clips`` these are, lack of a plan of one phase."""
        block = clips.block(plan, passed)
        lacks = lacks_of(plan, block)
        is_open = np.logical_or.reduce([*lacks.values(), np.zeros(len(block), bool)])
        whole = [node for node in plan.running if node.stage.grain == "video"]
        of_videos = {node.key: self._videos_without(node, index) for node in whole}
        unsplit = frozenset[int]()
        if plan.phase == 0:
            split = f"SELECT id FROM splits WHERE outcome IS NOT NULL AND outcome <> '{RETRYABLE}'"
            unsplit = self._places(index, f"id NOT IN ({split})")
        places = unsplit.union(np.unique(block.videos[is_open]).tolist(), *of_videos.values())
        return Lacking(block, lacks, of_videos, sorted(places))

    def _videos_without(self, node: Node, index: int) -> frozenset[int]:
        expected = self._expected(node, _TRAITS)
        done = (
            f"SELECT id FROM (SELECT id, effects FROM {self._table(node)} WHERE {RANK} <= {_DONE}) r "
            f"LEFT JOIN (SELECT id, traits FROM splits) s USING (id) WHERE r.effects = {expected}"
        )
        return self._places(index, f"id NOT IN ({done})")

    def _places(self, index: int, where: str) -> frozenset[int]:
        """The places of the videos of a range for which an expression holds."""
        return frozenset(self.videos(index, where)["place"].to_pylist())

    def videos(self, index: int, where: str = "true") -> pa.Table:
        """Returns ``place`` and ``video_id`` of the videos of a range for which an expression holds."""
        first, last = self.ranges[index]
        return self.database.rows(
            f"SELECT place, video_id FROM ({self.of}) WHERE is_first AND id IS NOT NULL "
            f"AND place BETWEEN {first} AND {last} AND {where} ORDER BY place"
        )

    def _table(self, node: Node) -> str:
        return f"rows_{self.plan.place(node.key)}"

    def _folder(self, key: str) -> Path:
        return self.database.folder / f"rows of {key}"

    def _schema(self, node: Node) -> pa.Schema:
        schema, names = schema_of(node), columns_for(self.plan, node, publishes=self.publishes)
        return pa.schema([schema.field(name) for name in names])

    def _query(self, node: Node) -> Callable[[str], str]:
        owner = "clip_id" if node.stage.grain == "window" else "id"
        expected, marks = self._expected(node, "c.traits"), ""
        if node.source_columns:
            marks = f"LEFT JOIN marks m ON m.video = c.video AND m.key = '{node.key}' "
            expected = f"trim({expected} || ' ' || coalesce(m.mark, ''))"
        names = "".join(f', r."{field.name}"' for field in self._rest(node))
        return lambda rows: (
            f'SELECT c.range AS {_RANGE}, c.place AS "{_PLACE}"{names} '
            f"FROM ({rows}) r JOIN clips c ON r.{owner} = c.id {marks}WHERE r.effects = {expected}"
        )

    def _rest(self, node: Node) -> list[pa.Field]:
        return [field for field in self._schema(node) if field.name not in ("id", "clip_id")]

    def _rows(self, node: Node, index: int, found: ClipRange) -> pa.Table:
        """Returns a stage's rows, one for each clip or window of a range, null where it has none."""
        rows = self._read(node.key, index, pa.schema(self._rest(node)))
        places, ids = np.asarray(rows[_PLACE]), found.ids
        num = len(ids)
        if node.stage.grain == "window":
            frames = (np.asarray(rows[name]) for name in ("start_frame", "end_frame"))
            places, num = found.windows.places_of(places, *frames), len(found.windows.owners)
            rows, places = rows.filter(pa.array(places >= 0)), places[places >= 0]
            ids = ids.take(pa.array(found.windows.owners))
        row_of = np.full(num, -1)
        best = _best(rows, places)
        row_of[places[best]] = best
        there = pa.array(row_of >= 0)
        taken = rows.drop_columns([_PLACE]).take(pa.array(row_of, pa.int64(), mask=row_of < 0))
        name = "clip_id" if node.stage.grain == "window" else "id"
        return taken.append_column(name, arrow.if_else(there, ids, pa.scalar(None, pa.string())))

    def _expected(self, node: Node, traits: str) -> str:
        """Returns the expression for the effects that a row of a stage must have, by its video's traits."""
        there = self._traits if node.effects else ()
        return case_of(traits, {one: node.effects_in(one) for one in there})

    @cached_property
    def _traits(self) -> Sequence[str]:
        """The traits of all videos."""
        rows = self.database.rows("SELECT DISTINCT coalesce(traits, '') AS traits FROM splits")
        return rows["traits"].to_pylist()

    def _read(self, key: str, index: int, schema: pa.Schema) -> pa.Table:
        """Returns the rows of a stage that were spread to a range, with the places of their clips."""
        schema = pa.schema([pa.field(_PLACE, pa.int64()), *schema])
        tables = [schema.empty_table()]
        for path in sorted(self._folder(key).glob(f"*/{_RANGE}={index}/*.parquet")):
            rows = pq.ParquetFile(path).read(columns=schema.names)
            columns = [_cast(rows[field.name], field.type) for field in schema]
            tables.append(pa.Table.from_arrays(columns, schema=schema))
        return pa.concat_tables(tables).combine_chunks()


@dataclass(frozen=True)
class Lacking:
    """What the videos of a range lack: ``places`` are those that lack anything.

    ``clips`` maps the key of a stage to bool ``(N,)`` for the clips of ``block``, ``videos`` the key of a
    stage of whole videos to their places.
    """

    block: ClipBlock
    clips: Mapping[str, np.ndarray]
    videos: Mapping[str, frozenset[int]]
    places: Sequence[int]


def _cast(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray | pa.Array:
    """Returns a column in its type; one that no part of a batch had was written as numbers, all null."""
    return pa.nulls(len(column), kind) if column.null_count == len(column) else column.cast(kind)


def _split_value(name: str) -> str:
    """Returns the expression for a column of a split; no traits are an empty text."""
    return "coalesce(traits, '') AS traits" if name == "traits" else f'"{name}"'


def _best(rows: pa.Table, places: np.ndarray) -> np.ndarray:
    """Returns the row of each place that counts."""
    if not len(rows) or np.bincount(places).max() == 1:
        return np.arange(len(rows))
    runs = codes_of(rows["run_id"])
    is_newest = SEEN_CLIPS in rows.column_names
    order = np.lexsort((-runs if is_newest else runs, ranks_of(rows), places))
    return order[np.concatenate([[True], np.diff(places[order]) != 0])]

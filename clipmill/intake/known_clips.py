"""The clips of a range of videos, and the rows of the stages beside them.

The rows of a stage are read once, whatever the number of ranges: they go into a file of scratch space with
the ranges and places of their clips.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property, partial

import numpy as np
import pyarrow as pa

from clipmill import arrow
from clipmill.intake.range_rows import PLACE, RangeSpool, SplitSpool, row_of_places, written_fields
from clipmill.machine import num_cores
from clipmill.planning.missing import ClipRange, Windows
from clipmill.planning.nodes import SOURCE, Node
from clipmill.planning.plan import Plan
from clipmill.state.database import RANK, Database, case_of
from clipmill.state.ids import UUID, key_of, keys_of
from clipmill.state.part_set import PartSet
from clipmill.state.schema import columns_for, schema_of
from clipmill.state.splits import LISTS, clips_of
from clipmill.state.store import ResultStore
from clipmill.state.winners import RANKS
from clipmill.storage.source_columns import SourceColumns, values_mark

CLIPS_AT_ONCE = 100_000
CLIPS_PER_VIDEO = 10
"""A video without clips counts as so many: its facts take memory too."""
SPLIT_COLUMNS = ("reason", "repaired_times", "is_partial", "oddities")
"""Columns of a split, beside its clips, that say what is to do for a video."""
_DONE = RANKS["final"]
_STAGES_AT_ONCE = 2
"""A query keeps a core busy in part only."""
_TRAITS = "coalesce(s.traits, '')"


@dataclass(frozen=True)
class KnownClips:
    """The clips of videos in ranges, and the rows of a plan's stages for each range.

    Rows count that were made with the options of their videos. ``of`` is a query for ``place``, ``id`` and
    ``video_id`` of videos, in the order of the ranges, and ``is_first``: of several places of one id the one
    that its clips belong to. ``uris`` is a query for ``place`` and ``uri``. ``columns`` are those of the
    split beside its clips. ``publishes`` reads what is published of a stage, not only what decides what is
    missing. ``parts`` are those of a stage, by its key, where not all that count are to be read; in the end,
    those that were.
    """

    database: Database
    plan: Plan
    of: str = "SELECT place, id, video_id, true AS is_first FROM videos"
    uris: str = "SELECT v.place, s.uri FROM videos v JOIN sources s ON s.place = v.source"
    columns: Sequence[str] = SPLIT_COLUMNS
    publishes: bool = False
    clips_per_range: int = 0
    parts: dict[str, PartSet] = field(default_factory=dict[str, PartSet])

    def load(self, output: str) -> bool:
        """Reads the rows, each part once; damaged parts are set aside. Returns False if there was one."""
        is_whole = self._load_splits(output)
        self._load_marks()
        expected = [self._expected(node, "c.traits") for node in self.plan.rowed]
        with ThreadPoolExecutor(min(num_cores(), _STAGES_AT_ONCE)) as pool:
            loaded = pool.map(partial(self._load_stage, output), self.plan.rowed, expected)
            return all([is_whole, *loaded])

    def _load_stage(self, output: str, node: Node, expected: str) -> bool:
        parts, schema = self._parts(node, output), self._schema(node)
        with self.database.beside() as database:
            if node.stage.grain == "video":
                where = f"id IN (SELECT id FROM ({self.of}))"
                names = ", ".join(f'"{name}"' for name in schema.names)
                left = database.load(self._table(node), parts, select=names, where=where, schema=schema)
            else:
                left = self._load_rows(database, node, parts, expected)
        self.parts[node.key] = left
        return left is parts

    def _parts(self, node: Node, output: str) -> PartSet:
        return self.parts.get(node.key) or ResultStore(output).parts(node.key, node.digest)

    @cached_property
    def sources(self) -> SourceColumns | None:
        """What the user knows of the sources."""
        return self.plan.source_columns()

    @cached_property
    def _spool(self) -> SplitSpool:
        return SplitSpool(f"{self.database.folder}/splits.arrow", self._split_columns)

    @cached_property
    def ranges(self) -> list[tuple[int, int]]:
        """(First, last) place of the videos of each range."""
        query = "SELECT min(place) AS first, max(place) AS last FROM ranges GROUP BY range ORDER BY range"
        found = self.database.rows(query)
        return list(zip(found["first"].to_pylist(), found["last"].to_pylist(), strict=True))

    def splits(self, index: int, *, columns: Sequence[str] = (), among: pa.Table | None = None) -> pa.Table:
        """Returns the splits of a range by ``place``, with ``columns``, all by default; retryable ones too.

        Only the first place of an id has its clips. ``among`` has the only places that are wanted.
        """
        names = list(dict.fromkeys(["outcome", "run_id", *(columns or self._split_columns)]))
        wanted = "" if among is None else "AND place IN (SELECT place FROM among) "
        found = self.database.rows(
            "SELECT place, is_first, batch, row FROM split_places "
            f"WHERE range = {index} {wanted}ORDER BY place",
            **({} if among is None else {"among": among}),
        )
        is_first = np.asarray(found["is_first"].combine_chunks().cast(pa.int8())).astype(bool)
        rows = self._spool.rows(np.asarray(found["batch"]), np.asarray(found["row"]), names)
        for name in set(LISTS).intersection(names) if not is_first.all() else ():
            column = rows[name].take(pa.array(np.arange(len(rows)), mask=~is_first))
            rows = rows.set_column(rows.schema.get_field_index(name), name, column)
        return rows.add_column(0, "place", found["place"])

    def clips(self, index: int) -> ClipRange:
        """Returns the clips of a range."""
        clips = self.database.rows(
            "SELECT coalesce(clip_id, CAST(id AS VARCHAR)) AS clip_id, video, num_frames FROM clips "
            f"WHERE range = {index} ORDER BY place"
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
                taken = rows.take(row_of_places(rows, places, num_videos))
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
        """Makes the tables ``ranges`` and ``clips``, and spreads the splits over the ranges.

        The table ``splits`` has those of other videos too.
        """
        extractor, database = self.plan.extractor, self.database
        parts = self._parts(extractor, output)
        left = self._spool.load(database, parts)
        expected = self._expected(extractor, "coalesce(traits, '')")
        database.run(f"DELETE FROM splits WHERE effects <> {expected}")
        database.keep_best("splits")
        self._make_ranges()
        self._make_clips()
        self.parts[extractor.key] = left
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
        self.database.run(
            "CREATE OR REPLACE TABLE split_places AS SELECT g.range, g.place, g.is_first, s.batch, s.row "
            "FROM ranges g JOIN splits s USING (id) ORDER BY g.place"
        )

    def _make_clips(self) -> None:
        self.database.run(
            "CREATE OR REPLACE TABLE clips (range INTEGER, place INTEGER, video BIGINT, id UUID, "
            "clip_id VARCHAR, num_frames BIGINT, traits VARCHAR)"
        )
        for index in range(len(self.ranges)):
            splits = self.splits(index, columns=("traits", "clips"))
            clips = clips_of(splits["clips"])
            form, keys = keys_of(clips.rows["clip_id"].combine_chunks())
            num_frames = clips.rows["end_frame"].to_numpy() - clips.rows["start_frame"].to_numpy()
            owners = np.repeat(np.arange(len(splits)), np.diff(clips.starts))
            found = {
                "place": np.arange(len(clips.rows)),
                "video": np.asarray(splits["place"])[owners],
                "traits": splits["traits"].take(pa.array(owners)),
                "id": keys,
                "num_frames": num_frames,
            }
            names = "id, NULL" if form is UUID else f"{key_of('id', 'VARCHAR')}, id"
            self.database.run(
                f"INSERT INTO clips SELECT {index}, place, video, {names}, num_frames, traits FROM found",
                found=pa.table(found),
            )

    @property
    def _split_columns(self) -> list[str]:
        return list(dict.fromkeys(["outcome", "run_id", "traits", *self.columns, "clips"]))

    def videos_without(self, node: Node, index: int) -> pa.Table:
        """Returns ``videos`` of a range that a stage of whole videos is not done with."""
        expected = self._expected(node, _TRAITS)
        done = (
            f"SELECT id FROM (SELECT id, effects FROM {self._table(node)} WHERE {RANK} <= {_DONE}) r "
            f"LEFT JOIN (SELECT id, traits FROM splits) s USING (id) WHERE r.effects = {expected}"
        )
        return self.videos(index, f"id NOT IN ({done})")

    def videos(self, index: int, where: str = "true") -> pa.Table:
        """Returns ``place`` and ``video_id`` of the videos of a range for which an expression holds."""
        first, last = self.ranges[index]
        return self.database.rows(
            f"SELECT place, video_id FROM ({self.of}) WHERE is_first AND id IS NOT NULL "
            f"AND place BETWEEN {first} AND {last} AND {where} ORDER BY place"
        )

    def _table(self, node: Node) -> str:
        return f"rows_{self.plan.place(node.key)}"

    def _schema(self, node: Node) -> pa.Schema:
        schema, names = schema_of(node), columns_for(self.plan, node, publishes=self.publishes)
        return pa.schema([schema.field(name) for name in names])

    def _load_rows(self, database: Database, node: Node, parts: PartSet, expected: str) -> PartSet:
        owner = "clip_id" if node.stage.grain == "window" else "id"
        join = f"JOIN clips c ON r.{owner} = c.id"
        if node.source_columns:
            join += f" LEFT JOIN marks m ON m.video = c.video AND m.key = '{node.key}'"
            expected = f"trim({expected} || ' ' || coalesce(m.mark, ''))"
        where, schema = f"r.effects = {expected}", self._schema(node)
        return self._spool_of(node).load(database, parts, schema, join=join, where=where)

    def _spool_of(self, node: Node) -> RangeSpool:
        fields = written_fields(self._schema(node), has_effects=bool(node.effects))
        return RangeSpool(f"{self.database.folder}/{self._table(node)}.arrow", fields)

    def _rows(self, node: Node, index: int, found: ClipRange) -> pa.Table:
        """Returns a stage's rows, one for each clip or window of a range, null where it has none."""
        rows = self._spool_of(node).rows(index)
        places, ids = np.asarray(rows[PLACE]), found.ids
        num = len(ids)
        if node.stage.grain == "window":
            frames = (np.asarray(rows[name]) for name in ("start_frame", "end_frame"))
            places, num = found.windows.places_of(places, *frames), len(found.windows.owners)
            rows, places = rows.filter(pa.array(places >= 0)), places[places >= 0]
            ids = ids.take(pa.array(found.windows.owners))
        row_of = row_of_places(rows, places, num)
        taken = rows.drop_columns([PLACE]).take(row_of)
        name = "clip_id" if node.stage.grain == "window" else "id"
        return taken.append_column(name, arrow.if_else(row_of.is_valid(), ids, pa.scalar(None, pa.string())))

    def _expected(self, node: Node, traits: str) -> str:
        """Returns the expression for the effects that a row of a stage must have, by its video's traits."""
        there = self._traits if node.effects else ()
        return case_of(traits, {one: node.effects_in(one) for one in there})

    @cached_property
    def _traits(self) -> Sequence[str]:
        """The traits of all videos."""
        rows = self.database.rows("SELECT DISTINCT coalesce(traits, '') AS traits FROM splits")
        return rows["traits"].to_pylist()

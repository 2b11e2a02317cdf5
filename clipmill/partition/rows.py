"""What a split reads of a snapshot: kept clips, what links them, and the parts that they have."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.types as pt

from clipmill import arrow, layout
from clipmill.dataset.snapshots.record import Snapshot, table_parts
from clipmill.dedup_job.selection import KMEANS
from clipmill.errors import SpecError
from clipmill.partition.table import codes_of, joined, places_in, short
from clipmill.stages.fault_words import known_or_nearest
from clipmill.storage import parquet, store
from clipmill.storage.source_columns import SourceColumns

CLUSTER = "cluster"
"""Not a column: the cluster that deduplication found a clip in."""
_ROWS = 16_384
_BASE = ("clip_id", "video_id", "status", "start_s", "end_s")


@dataclass(frozen=True)
class Clips:
    """Clips of a snapshot, column by column: those that are kept, and those that repeat one.

    ``ids`` are as ``short`` has them. ``videos``, ``groups`` and ``caps`` are codes int32 ``(N,)``, -1 for
    none.
    """

    ids: pa.Array
    is_kept: np.ndarray
    videos: np.ndarray
    video_ids: pa.Array
    groups: np.ndarray
    caps: np.ndarray
    seconds: np.ndarray
    ranks: np.ndarray


def read_clips(
    output: str,
    snapshot: Snapshot,
    *,
    group_by: str = "",
    cap_by: str = "",
    rank: str = "",
    sources: SourceColumns | None = None,
) -> Clips:
    """Returns the clips of a snapshot. SpecError names a column that it lacks."""
    uris = table_parts(output, "clips", snapshot=snapshot)
    rank_column = rank.removeprefix("-")
    asked = [name for name in (group_by, "" if cap_by == CLUSTER else cap_by, rank_column) if name]
    schemas = [parquet.schema_of(uris[0]), *([sources.rows.schema] if sources else ())]
    kinds = {field.name: field.type for schema in schemas for field in schema}
    _check_columns(kinds, asked, rank_column)
    columns = list(dict.fromkeys([*_BASE, *asked, *(("source_uri",) if sources else ())]))
    wanted = (
        table.filter(_is_wanted(table))
        for uri in uris
        for table in parquet.read_batches(uri, columns, max_rows=_ROWS)
    )
    coded = [name for name in (group_by, cap_by) if name in asked]
    found = [_light(sources.beside(table) if sources else table, coded, rank) for table in wanted]
    ids, table = joined([one for one, _ in found]), pa.concat_tables([one for _, one in found])
    del found
    table = table.unify_dictionaries()
    videos, video_ids = codes_of(table["video_id"])
    return Clips(
        ids=ids,
        is_kept=arrow.flags(table["is_kept"]),
        videos=videos,
        video_ids=video_ids,
        groups=codes_of(table[group_by])[0] if group_by else np.broadcast_to(-1, len(ids)),
        caps=_cap_codes(output, table, ids, cap_by),
        seconds=table["seconds"].to_numpy(),
        ranks=table["rank"].to_numpy() if rank else np.broadcast_to(0.0, len(ids)),
    )


def _check_columns(kinds: Mapping[str, pa.DataType], asked: Sequence[str], rank: str) -> None:
    """SpecError for a column that is not there, that cannot be compared, or that ranks by no number."""
    for name in asked:
        if name not in kinds:
            raise SpecError(f"the clips have no column {name}{known_or_nearest(name, kinds)}")
        is_number = pt.is_integer(kinds[name]) or pt.is_floating(kinds[name]) or pt.is_boolean(kinds[name])
        if name == rank and not is_number:
            raise SpecError(f"column {name} holds {kinds[name]}: rank by a column of numbers")
        if pt.is_nested(kinds[name]):
            raise SpecError(
                f"column {name} holds {kinds[name]}, which has no equal values: name another column"
            )


def source_of(output: str, snapshot: Snapshot, clip_id: str) -> str:
    """Returns the URI of the video of a clip."""
    for uri in table_parts(output, "clips", snapshot=snapshot):
        table = parquet.read_columns(uri, ["clip_id", "source_uri"])
        found = table.filter(arrow.equal(table["clip_id"], clip_id))["source_uri"]
        if len(found):
            return str(found[0])
    raise KeyError(clip_id)


def _light(table: pa.Table, coded: Sequence[str], rank: str) -> tuple[pa.Array, pa.Table]:
    """Returns what is held in memory of a batch of clips, ids apart: long texts that repeat become codes."""
    table = table.combine_chunks()
    seconds = table["end_s"].to_numpy() - table["start_s"].to_numpy()
    columns = {name: table[name].dictionary_encode() for name in ("video_id", *coded)}
    is_kept = arrow.equal(table["status"], "kept")
    held = {"is_kept": is_kept, "seconds": seconds, **({"rank": _rank_values(table, rank)} if rank else {})}
    return short(table["clip_id"].combine_chunks()), pa.table({**columns, **held})


def _is_wanted(table: pa.Table) -> pa.Array:
    return arrow.is_in(table["status"], pa.array(["kept", "duplicate"]))


def _cap_codes(output: str, table: pa.Table, ids: pa.Array, cap_by: str) -> np.ndarray:
    if not cap_by:
        return np.broadcast_to(-1, len(ids))
    return codes_of(table[cap_by])[0] if cap_by != CLUSTER else _clusters(output, ids)


def _clusters(output: str, ids: pa.Array) -> np.ndarray:
    """The cluster of each clip, as deduplication left it in the documented tree."""
    found = np.full(len(ids), -1)
    files = store.find(layout.join(layout.dedup_dir(output), KMEANS), (".parquet",))
    if not files:
        raise SpecError(f"{output} was not deduplicated: it has no clusters to cap by")
    for file in files:
        cluster = int(file.uri.partition("centroid=")[2].partition("/")[0])
        members = parquet.read_columns(file.uri, ["id"])["id"].combine_chunks()
        found[places_in(ids, short(members)) >= 0] = cluster
    return found


def _rank_values(table: pa.Table, rank: str) -> np.ndarray:
    """Numbers ``(N,)`` of which the smaller is the better; a null is the worst."""
    values = table[rank.removeprefix("-")].cast(pa.float64()).fill_null(float("nan")).to_numpy()
    return np.where(np.isnan(values), np.inf, values if rank.startswith("-") else -values)


def duplicate_pairs(output: str, snapshot: Snapshot, clips: Clips) -> Sequence[tuple[np.ndarray, np.ndarray]]:
    """Returns codes of videos ``(P,)`` that a link joins: by a clip that repeats one, or by a whole copy."""
    if "duplicates" not in snapshot.tables or not snapshot.num_rows("duplicates"):
        return []
    tables = [parquet.read_columns(uri) for uri in table_parts(output, "duplicates", snapshot=snapshot)]
    table = pa.concat_tables(tables)
    return [_of_clips(table, clips), _of_videos(output, snapshot, table, clips)]


def _of_clips(table: pa.Table, clips: Clips) -> tuple[np.ndarray, np.ndarray]:
    rows = table.filter(arrow.equal(table["scope"], "clip"))
    videos = np.append(clips.videos, -1)
    named = (short(rows[name].combine_chunks()) for name in ("clip_id", "duplicate_of"))
    one, other = (videos[places_in(names, clips.ids)] for names in named)
    return one, other


def _of_videos(
    output: str, snapshot: Snapshot, table: pa.Table, clips: Clips
) -> tuple[np.ndarray, np.ndarray]:
    """Copies of videos are named by URI."""
    rows = table.filter(arrow.equal(table["scope"], "video"))
    uris = table_parts(output, "videos", snapshot=snapshot)
    videos = pa.concat_tables([parquet.read_columns(uri, ["uri", "video_id"]) for uri in uris])
    codes = np.append(places_in(videos["video_id"].combine_chunks(), clips.video_ids), -1)
    known = videos["uri"].combine_chunks()
    one, other = (codes[places_in(rows[n].combine_chunks(), known)] for n in ("clip_id", "duplicate_of"))
    return one, other

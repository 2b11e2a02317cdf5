"""From collected state to the six published tables, the same for any order of the runs that made it. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

import numpy as np
import pyarrow as pa

from clipmill import arrow
from clipmill.dataset.collect import Collection
from clipmill.dataset.rows.clip_rows import PlacedClips, clip_table, window_table
from clipmill.dataset.rows.verdicts import failed_items, judge_clips
from clipmill.dataset.rows.video_fates import VideoFate, failed_videos, video_fates
from clipmill.dataset.rows.video_rows import (
    dropped_by_cause,
    failed_stages_of_videos,
    shot_table,
    video_table,
)
from clipmill.dataset.schemas import DUPLICATES, REJECTIONS, TABLES
from clipmill.dedup.exact import Copy
from clipmill.outcomes.run_end import Tally, merged
from clipmill.state.splits import Row

_REPEAT = {"duplicate_of": "duplicate_of", "duplicate_group": "group_id", "similarity": "similarity"}
"""Column of the clips -> column of the duplicates."""

_AMONG_EQUALS = {
    Copy.RENAMED: "the same file, first by name",
    Copy.REMUXED: "the same pictures and sound, first by name",
}


@dataclass(frozen=True)
class Tables:
    """The six tables, in a fixed order of rows.

    ``dropped_s`` splits the time of curated videos that is in no clip by cause. ``num_open`` counts the clips
    of which the next run tries something, windows too. ``failures`` counts what has no result.
    ``compared`` are the clips that no stage before deduplication rejected.
    """

    videos: pa.Table
    shots: pa.Table
    clips: pa.Table
    windows: pa.Table
    rejections: pa.Table
    duplicates: pa.Table
    dropped_s: Mapping[str, float]
    num_open: int = 0
    failures: tuple[Tally, ...] = ()
    compared: pa.Array = field(default_factory=lambda: pa.array([], pa.string()))

    def by_name(self) -> dict[str, pa.Table]:
        """Returns table name -> table, in the order of ``TABLES``."""
        return {name: cast(pa.Table, getattr(self, name)) for name in TABLES}


def assemble_range(collection: Collection, *, stopped: pa.Array | None = None) -> Tables:
    """Returns the tables of a range of sources before duplicate clips are marked.

    ``stopped`` are the clips that deduplication does not let pass to stages behind it.
    """
    verdicts = judge_clips(collection, stopped=stopped)
    videos = video_fates(collection, verdicts)
    placed = PlacedClips(collection, verdicts, videos)
    clips = clip_table(placed)
    return Tables(
        videos=video_table(collection, videos),
        shots=shot_table(videos, collection.splits),
        clips=clips,
        windows=window_table(placed),
        rejections=_rejections(videos, placed, clips),
        duplicates=pa.Table.from_pylist([dict(row) for row in _copies(videos)], schema=DUPLICATES),
        dropped_s=dropped_by_cause(videos, collection.splits),
        num_open=int(verdicts.is_open[placed.places[0]].sum()),
        failures=merged(
            [
                *failed_videos(videos),
                *failed_stages_of_videos(collection, videos),
                *failed_items(collection, verdicts),
            ]
        ),
        compared=_compared(placed),
    )


def _compared(placed: PlacedClips) -> pa.Array:
    plan, rejected = placed.collection.plan, placed.verdicts.rejected
    early = [place for place, rejection in rejected.items() if not plan.by_key[rejection.key].phase]
    places = placed.places[0]
    return placed.verdicts.rows.ids.take(pa.array(places[~np.isin(places, early)], pa.int64()))


def repeats_of(duplicates: pa.Table | None) -> pa.Table:
    """Returns the rows of clips, by clip id."""
    if duplicates is None:
        return DUPLICATES.empty_table()
    return duplicates.filter(arrow.equal(duplicates["scope"], "clip")).sort_by("clip_id")


def stopped_clips(repeats: pa.Table) -> pa.Array:
    """Returns the clips that deduplication does not let pass."""
    return repeats["clip_id"].combine_chunks()


def kept_ids(tables: Tables) -> pa.Array:
    """Returns the clips that no stage rejected."""
    return tables.clips.filter(arrow.equal(tables.clips["status"], "kept"))["clip_id"].combine_chunks()


def usable(repeats: pa.Table, passed: pa.Array, compared: pa.Array) -> pa.Table:
    """Returns the repeats of which the clip passed and what it repeats was compared and repeats nothing.

    A clip stays a duplicate where a stage behind deduplication rejects the one that it repeats: it ran for
    that one only.
    """
    marked = repeats.filter(arrow.is_in(repeats["clip_id"], passed))
    to_passed = arrow.flags(arrow.is_in(marked["duplicate_of"], compared))
    to_marked = arrow.flags(arrow.is_in(marked["duplicate_of"], marked["clip_id"].combine_chunks()))
    return marked.filter(pa.array(to_passed & ~to_marked))


def with_repeats(tables: Tables, repeats: pa.Table) -> Tables:
    """Returns tables in which the clips of the usable ``repeats`` are duplicates."""
    clips = tables.clips
    own = repeats.filter(arrow.is_in(repeats["clip_id"], clips["clip_id"].combine_chunks()))
    places = arrow.index_in(clips["clip_id"].combine_chunks(), own["clip_id"].combine_chunks())
    status = arrow.if_else(places.is_valid(), pa.scalar("duplicate"), clips["status"].combine_chunks())
    columns = {"status": status, **{name: own[column].take(places) for name, column in _REPEAT.items()}}
    for name, values in columns.items():
        clips = clips.set_column(clips.schema.get_field_index(name), clips.schema.field(name), values)
    return replace(tables, clips=clips, duplicates=pa.concat_tables([tables.duplicates, own]))


def _copies(videos: Sequence[VideoFate]) -> Iterator[Row]:
    """Exact duplicates of whole videos, named by URI."""
    for video in videos:
        if video.duplicate:
            yield {
                "clip_id": video.source.uri,
                "duplicate_of": video.duplicate.duplicate_of,
                "group_id": video.duplicate.group_id,
                "similarity": 1.0,
                "method": "exact",
                "scope": "video",
                "kept_because": _AMONG_EQUALS[video.duplicate.copy],
            }


def _rejections(videos: Sequence[VideoFate], placed: PlacedClips, clips: pa.Table) -> pa.Table:
    """Rejected videos and filtered clips, by URI and then by place in the video."""
    rows: list[dict[str, object]] = [
        {
            "uri": video.source.uri,
            "video_id": video.inspection["video_id"] if video.inspection else None,
            "stage": video.stage,
            "reason": video.reason,
            "message": video.message,
        }
        for video in videos
        if video.status == "rejected"
    ]
    filtered = np.flatnonzero(arrow.flags(arrow.equal(clips["status"], "filtered")))
    names = ["source_uri", "video_id", "clip_id"]
    places = placed.places[0][filtered]
    for row, place in zip(clips.select(names).take(pa.array(filtered)).to_pylist(), places, strict=True):
        rejection = placed.verdicts.rejected[int(place)]
        why = {"stage": rejection.key, "reason": rejection.reason, "message": rejection.message}
        rows.append({"uri": row.pop("source_uri"), **row, **why})
    rows.sort(key=lambda row: str(row["uri"]))  # stable: clips stay in their order
    return pa.Table.from_pylist(rows, schema=REJECTIONS)

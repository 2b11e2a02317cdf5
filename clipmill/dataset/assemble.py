"""From collected state to the six published tables, the same for any order of the runs that made it. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

import pyarrow as pa

from clipmill import identity
from clipmill.base_columns import SCHEMA_VERSION
from clipmill.dataset.collect import Collection, Row
from clipmill.dataset.schemas import (
    DUPLICATES,
    REJECTIONS,
    SHOTS,
    TABLES,
    VIDEOS,
    clips_schema,
    windows_schema,
)
from clipmill.dataset.stage_columns import Shown, clip_errors, digest_column, stage_columns
from clipmill.dataset.video_fates import VideoFate, split_clips, video_fates
from clipmill.dataset.video_rows import shot_rows, video_row
from clipmill.planning.judgement import Rejection, judge
from clipmill.planning.plan import Plan
from clipmill.records import ClipSpan


@dataclass(frozen=True)
class Tables:
    """The six tables, in a fixed order of rows.

    ``dropped_s`` splits the time of curated videos that is in no clip by cause.
    """

    videos: pa.Table
    shots: pa.Table
    clips: pa.Table
    windows: pa.Table
    rejections: pa.Table
    duplicates: pa.Table
    dropped_s: Mapping[str, float]

    def by_name(self) -> dict[str, pa.Table]:
        """Returns table name -> table, in the order of ``TABLES``."""
        return {name: cast(pa.Table, getattr(self, name)) for name in TABLES}


@dataclass(frozen=True)
class PlacedClip:
    """A clip of a curated video."""

    video: VideoFate
    span: ClipSpan


def assemble(collection: Collection, *, duplicates: pa.Table | None = None) -> Tables:
    """Returns the tables of a collection. ``duplicates`` are the rows that semantic deduplication found.

    Videos are sorted by URI, clips by source and frames, everything else follows them. Rows of ``duplicates``
    that speak of a clip that did not pass, or point to one that is not kept, are left out.
    """
    plan = collection.plan
    if plan.num_phases > 1:
        collection = replace(
            collection, known=replace(collection.known, passed=_unique(collection, duplicates))
        )
    videos = video_fates(collection)
    clips = [PlacedClip(video, span) for video in videos for span in video.clips]
    ids = [clip.span.clip_id for clip in clips]
    clip_nodes = [node for node in plan.nodes if node.stage.grain == "clip"]
    rejected = judge(clip_nodes, collection.known.tables, ids)
    repeats = _usable(duplicates, set(ids) - set(rejected))
    shown = Shown(plan, rejected).by_node(ids)
    return Tables(
        videos=pa.Table.from_pylist([dict(video_row(video)) for video in videos], schema=VIDEOS),
        shots=pa.Table.from_pylist([dict(row) for video in videos for row in shot_rows(video)], schema=SHOTS),
        clips=_clips(collection, clips, rejected, repeats, shown),
        windows=_windows(collection, clips, shown),
        rejections=pa.Table.from_pylist(list(_rejections(videos, clips, rejected)), schema=REJECTIONS),
        duplicates=pa.Table.from_pylist(
            [dict(row) for row in (*_copies(videos), *(repeats[name] for name in sorted(repeats)))],
            schema=DUPLICATES,
        ),
        dropped_s=_dropped_s(videos),
    )


def _unique(collection: Collection, duplicates: pa.Table | None) -> frozenset[str]:
    """The clips that deduplication let pass."""
    found = [] if duplicates is None else duplicates.to_pylist()
    dropped = {row["clip_id"] for row in found if row["scope"] == "clip"}
    clips = (clip.clip_id for split in collection.splits.values() for clip in split_clips(split))
    return frozenset(clip_id for clip_id in clips if clip_id not in dropped)


def _clips(
    collection: Collection,
    clips: Sequence[PlacedClip],
    rejected: Mapping[str, Rejection],
    repeats: Mapping[str, Row],
    shown: Mapping[str, Sequence[bool]],
) -> pa.Table:
    plan, tables = collection.plan, collection.known.tables
    ids = [clip.span.clip_id for clip in clips]
    columns = stage_columns(plan, "clip", tables, ids, shown, output=collection.output)
    visible = {key: dict(zip(ids, flags, strict=True)) for key, flags in shown.items()}
    errors = clip_errors(plan, tables, visible)
    base = [_clip_row(clip, rejected, repeats, errors) for clip in clips]
    schema = clips_schema(plan)
    names = [name for name in schema.names if name not in columns]
    placed = pa.Table.from_pylist(base, schema=pa.schema([schema.field(name) for name in names]))
    columns["encode_digest"] = digest_column(plan, columns, len(clips))
    return pa.table(
        [columns.get(name, placed[name] if name in names else None) for name in schema.names], schema=schema
    )


def _clip_row(
    clip: PlacedClip,
    rejected: Mapping[str, Rejection],
    repeats: Mapping[str, Row],
    errors: Mapping[str, str],
) -> dict[str, object]:
    span, video = clip.span, clip.video
    rejection, repeat = rejected.get(span.clip_id), repeats.get(span.clip_id)
    return {
        **{name: getattr(span, name) for name in ("clip_id", "start_s", "end_s", "start_pts", "end_pts")},
        "video_id": video.inspection["video_id"] if video.inspection else None,
        "source_uri": video.source.uri,
        "time_base": video.split["time_base"] if video.split else None,
        "start_frame": span.frames.start_frame,
        "end_frame": span.frames.end_frame,
        "status": "filtered" if rejection else "duplicate" if repeat else "kept",
        "reason": rejection.reason if rejection else None,
        "duplicate_of": repeat["duplicate_of"] if repeat else None,
        "duplicate_group": repeat["group_id"] if repeat else None,
        "similarity": repeat["similarity"] if repeat else None,
        "errors": errors.get(span.clip_id, "{}"),
        "schema_version": SCHEMA_VERSION,
    }


def _windows(
    collection: Collection, clips: Sequence[PlacedClip], shown: Mapping[str, Sequence[bool]]
) -> pa.Table:
    """Times are placed by frame count between a clip's ends: within a VFR clip they are approximate."""
    plan = collection.plan
    rows: list[dict[str, object]] = []
    owners: list[int] = []
    for index, clip in enumerate(clips):
        for row in _window_rows(plan, clip.span):
            rows.append(row)
            owners.append(index)
    ids = [str(row["window_id"]) for row in rows]
    flags = {key: [of_clip[owner] for owner in owners] for key, of_clip in shown.items()}
    columns = stage_columns(plan, "window", collection.known.tables, ids, flags, output=collection.output)
    schema = windows_schema(plan)
    names = [name for name in schema.names if name not in columns]
    placed = pa.Table.from_pylist(rows, schema=pa.schema([schema.field(name) for name in names]))
    return pa.table(
        [columns.get(name, placed[name] if name in names else None) for name in schema.names], schema=schema
    )


def _window_rows(plan: Plan, clip: ClipSpan) -> Iterator[dict[str, object]]:
    num_frames = clip.frames.num_frames
    for span in plan.windows_of(clip):
        yield {
            "window_id": identity.window_id(clip.clip_id, span.start_frame, span.end_frame),
            "clip_id": clip.clip_id,
            "start_frame": span.start_frame,
            "end_frame": span.end_frame,
            "start_s": clip.start_s + clip.duration_s * span.start_frame / num_frames,
            "end_s": clip.start_s + clip.duration_s * span.end_frame / num_frames,
        }


def _usable(duplicates: pa.Table | None, passed: set[str]) -> dict[str, Row]:
    """Clip -> its row of the duplicates, where it and what it duplicates are both in the set."""
    if duplicates is None:
        return {}
    rows = cast("list[dict[str, object]]", duplicates.to_pylist())
    marked = {str(row["clip_id"]): row for row in rows if row["scope"] == "clip" and row["clip_id"] in passed}
    kept = passed - set(marked)
    return {clip_id: row for clip_id, row in marked.items() if row["duplicate_of"] in kept}


def _copies(videos: Iterable[VideoFate]) -> Iterator[Row]:
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
            }


def _rejections(
    videos: Sequence[VideoFate], clips: Sequence[PlacedClip], rejected: Mapping[str, Rejection]
) -> list[dict[str, object]]:
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
    rows += [
        {
            "uri": clip.video.source.uri,
            "video_id": clip.video.inspection["video_id"] if clip.video.inspection else None,
            "clip_id": clip.span.clip_id,
            "stage": rejection.key,
            "reason": rejection.reason,
            "message": rejection.message,
        }
        for clip in clips
        if (rejection := rejected.get(clip.span.clip_id))
    ]
    return sorted(rows, key=lambda row: str(row["uri"]))  # stable: clips stay in their order


def _dropped_s(videos: Iterable[VideoFate]) -> dict[str, float]:
    seconds: defaultdict[str, float] = defaultdict(float)
    for video in videos:
        if video.status == "curated" and video.split:
            for span in cast("list[dict[str, object]]", video.split["dropped"] or []):
                seconds[str(span["cause"])] += cast(float, span["end_s"]) - cast(float, span["start_s"])
    return dict(sorted(seconds.items()))

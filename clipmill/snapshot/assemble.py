"""From collected state to the six published tables, the same for any order of the runs that made it. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import cast

import pyarrow as pa

from clipmill.plan import RunPlan
from clipmill.records import ClipSpan
from clipmill.snapshot.clip_fates import ClipFate, clip_fate, verdict
from clipmill.snapshot.clip_rows import clip_row, window_rows
from clipmill.snapshot.collect import Collection, Row
from clipmill.snapshot.video_fates import ClipRows, VideoFate, clip_rows, video_fates
from clipmill.snapshot.video_rows import shot_rows, video_row
from clipmill.storage.tables import TABLE_SCHEMAS
from clipmill.storage.verdicts import FILTERED_FILE_STAGE, MODEL_FILTER_STAGES, SCORE_STAGES, StageRows


@dataclass(frozen=True)
class Tables:
    """The six tables, with the columns of ``clipmill.storage.tables``, in a fixed order of rows.

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
        """Table name -> table, in the order of ``TABLE_SCHEMAS``."""
        return {name: cast(pa.Table, getattr(self, name)) for name in TABLE_SCHEMAS}


@dataclass(frozen=True)
class _JudgedClip:
    video: VideoFate
    span: ClipSpan
    fate: ClipFate
    rows: StageRows


def assemble(collection: Collection, *, duplicates: pa.Table | None = None) -> Tables:
    """The tables of a collection. ``duplicates`` are the rows that semantic deduplication found.

    Videos are sorted by URI, clips by source and frames, everything else follows them. Rows of ``duplicates``
    that speak of a clip that did not pass, or point to one that is not kept, are left out.
    """
    rows = clip_rows(collection)
    videos = video_fates(collection, rows)
    clips = list(_judged(videos, rows, collection.plan))
    passed = {clip.span.clip_id for clip in clips if clip.fate.reason is None}
    repeats = _usable(duplicates, passed)
    output, plan = collection.output, collection.plan
    return Tables(
        videos=_table("videos", (video_row(video) for video in videos)),
        shots=_table("shots", (row for video in videos for row in shot_rows(video))),
        clips=_table("clips", (_clip_row(clip, repeats, plan, output) for clip in clips)),
        windows=_table(
            "windows",
            (row for clip in clips for row in window_rows(clip.span, clip.rows, plan=plan, output=output)),
        ),
        rejections=_table("rejections", _rejections(videos, clips)),
        duplicates=_table("duplicates", [*_copies(videos), *(repeats[name] for name in sorted(repeats))]),
        dropped_s=_dropped_s(videos),
    )


def _judged(videos: Iterable[VideoFate], rows: ClipRows, plan: RunPlan) -> Iterator[_JudgedClip]:
    for video in videos:
        for span in video.clips:
            of_clip = rows.of(span.clip_id)
            yield _JudgedClip(video, span, clip_fate(of_clip, plan), _relevant(of_clip, plan))


def _relevant(rows: StageRows, plan: RunPlan) -> StageRows:
    """Rows that count today: a clip the filters reject shows scores and preview, not what it once was."""
    if not verdict(rows, plan):
        return rows
    keeps_file = plan.writer is not None and plan.writer.write_filtered_clips
    shown = {*SCORE_STAGES, *MODEL_FILTER_STAGES, "preview", *([FILTERED_FILE_STAGE] if keeps_file else [])}
    return {stage: row for stage, row in rows.items() if stage in shown}


def _clip_row(clip: _JudgedClip, repeats: Mapping[str, Row], plan: RunPlan, output: str) -> Row:
    repeat = repeats.get(clip.span.clip_id)
    row = clip_row(clip.video, clip.span, clip.fate, clip.rows, plan=plan, output=output)
    if repeat is None:
        return row
    marks = {
        "status": "duplicate",
        "duplicate_of": repeat["duplicate_of"],
        "similarity": repeat["similarity"],
    }
    return {**row, **marks, "duplicate_group": repeat["group_id"]}


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


def _rejections(videos: list[VideoFate], clips: list[_JudgedClip]) -> list[Row]:
    """Rejected videos and filtered clips, by URI and then by place in the video."""
    rows: list[Row] = [
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
            "stage": clip.fate.stage,
            "reason": clip.fate.reason,
            "message": clip.fate.message,
        }
        for clip in clips
        if clip.fate.reason
    ]
    return sorted(rows, key=lambda row: str(row["uri"]))  # stable: clips stay in their order


def _dropped_s(videos: Iterable[VideoFate]) -> dict[str, float]:
    seconds: defaultdict[str, float] = defaultdict(float)
    for video in videos:
        if video.status == "curated" and video.split:
            for span in cast("list[dict[str, object]]", video.split["dropped"] or []):
                seconds[str(span["cause"])] += cast(float, span["end_s"]) - cast(float, span["start_s"])
    return dict(sorted(seconds.items()))


def _table(name: str, rows: Iterable[Row]) -> pa.Table:
    return pa.Table.from_pylist([dict(row) for row in rows], schema=TABLE_SCHEMAS[name])

"""The documented JSON of a video and of its chunks of clips. Pure."""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import pyarrow as pa

from clipmill import layout
from clipmill.dataset.assemble import Tables
from clipmill.dataset.exports.clip_json import as_json, framerate, has_passed, source_json
from clipmill.state.splits import Row
from clipmill.tasks.video import ClipStats

_CLIP_COLUMNS = (
    "clip_id", "source_uri", "status", "reason", "start_s", "end_s", "clip_uri", "embedding_algorithm",
)  # fmt: skip
_CHUNK_CLIP_S = 8
"""A chunk is closed once it holds this much clip time for each clip it may hold, as in NeMo Curator."""


@dataclass(frozen=True)
class _WindowFacts:
    """What windows say of clips: which have a preview, and their captions by ``<start>_<last frame>``."""

    previewed: set[str]
    captions: Mapping[str, Mapping[str, str]]
    enhanced: Mapping[str, Mapping[str, str]]


def video_files(tables: Tables, source_root: str, clips_per_chunk: int | None) -> Iterator[tuple[str, bytes]]:
    """Yields (name, content) of the files of ``processed_videos``; curated videos only."""
    for name, video, chunks in _curated(tables, source_root, clips_per_chunk):
        yield f"{name}.json", as_json(video_json(video, num_chunks=len(chunks)))


def chunk_files(tables: Tables, source_root: str, clips_per_chunk: int | None) -> Iterator[tuple[str, bytes]]:
    """Yields (name, content) of the files of ``processed_clip_chunks``; None makes one chunk of all clips."""
    previewed = {row["clip_id"] for row in _there(tables.windows, "preview_uri") if row["preview_uri"]}
    captions, enhanced = (_texts(tables.windows, column) for column in ("caption", "enhanced_caption"))
    window_facts = _WindowFacts(previewed, captions, enhanced)
    for name, video, chunks in _curated(tables, source_root, clips_per_chunk):
        for index, clips in enumerate(chunks):
            yield f"{name}_{index}.json", as_json(chunk_json(video, index, clips, window_facts))


def _curated(
    tables: Tables, source_root: str, clips_per_chunk: int | None
) -> Iterator[tuple[str, Row, list[list[Row]]]]:
    """Yields name, row and chunks of clips of each curated video."""
    columns = [name for name in _CLIP_COLUMNS if name in tables.clips.column_names]
    clips = _by_source(tables.clips.select(columns).to_pylist())
    budget_s = math.inf if clips_per_chunk is None else clips_per_chunk * _CHUNK_CLIP_S
    for video in tables.videos.to_pylist():
        if video["status"] == "curated":
            name = layout.relative_source(video["uri"], source_root)
            yield name, video, chunked(clips.get(video["uri"], []), budget_s=budget_s)


def chunked(clips: Iterable[Row], *, budget_s: float) -> list[list[Row]]:
    """Runs of clips; a run ends with the clip (counted in whole seconds) that reaches the budget."""
    chunks: list[list[Row]] = [[]]
    held_s = 0
    for clip in clips:
        if held_s >= budget_s:
            chunks.append([])
            held_s = 0
        chunks[-1].append(clip)
        held_s += int(_duration_s(clip))
    return chunks


def video_json(video: Row, *, num_chunks: int) -> Mapping[str, object]:
    """The keys of ``processed_videos/<path>.json``; ``oddities`` is ours, and only there are any."""
    content: dict[str, object] = {
        "video": video["uri"],
        "height": video["height"],
        "width": video["width"],
        "framerate": framerate(video),
        "num_frames": video["num_frames"],
        "duration": video["duration_s"],
        "video_codec": video["video_codec"],
        "pixel_format": video["pixel_format"],
        "audio_format": video["audio_codec"],
        "num_total_clips": video["num_clips"],
        "num_clip_chunks": num_chunks,
    }
    content |= source_json(video)
    if video["oddities"]:
        content["oddities"] = video["oddities"]
    return content


def _there(windows: pa.Table, column: str) -> list[dict[str, Any]]:
    """Rows of the windows with a column; none where its stage is off."""
    if column not in windows.column_names:
        return []
    return windows.select(["clip_id", "start_frame", "end_frame", column]).to_pylist()


def _texts(windows: pa.Table, column: str) -> dict[str, dict[str, str]]:
    """Clip -> window, with an inclusive end -> text."""
    texts: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for row in _there(windows, column):
        if row[column] is not None:
            texts[row["clip_id"]][f"{row['start_frame']}_{row['end_frame'] - 1}"] = row[column]
    return dict(texts)


def chunk_json(video: Row, index: int, clips: list[Row], window_facts: _WindowFacts) -> Mapping[str, object]:
    """The keys of ``processed_clip_chunks/<path>_<index>.json``."""
    stats = _stats(clips, window_facts)
    passed = [str(clip["clip_id"]) for clip in clips if has_passed(clip)]
    return {
        "video": video["uri"],
        "clip_chunk_index": index,
        "num_clips_filtered_by_motion": stats.num_filtered_by_motion,
        "num_clips_filtered_by_aesthetic": stats.num_filtered_by_aesthetic,
        "num_clips_passed": stats.num_passed,
        "num_clips_transcoded": stats.num_transcoded,
        "num_clips_with_embeddings": stats.num_with_embeddings,
        "num_clips_with_caption": stats.num_with_caption,
        "num_clips_with_webp": stats.num_with_webp,
        "total_clip_duration": round(stats.total_clip_duration, 6),
        "max_clip_duration": round(stats.max_clip_duration, 6),
        "clips": passed,
        "filtered_clips": [clip["clip_id"] for clip in clips if not has_passed(clip)],
        "all_windows": {name: window_facts.captions.get(name, {}) for name in passed},
        "all_windows_enhanced_caption": {name: window_facts.enhanced.get(name, {}) for name in passed},
    }


def _stats(clips: Iterable[Row], window_facts: _WindowFacts) -> ClipStats:
    total = ClipStats()
    for clip in clips:
        passed = has_passed(clip)
        duration_s = _duration_s(clip)
        total.combine(
            ClipStats(
                num_filtered_by_motion=int(clip["reason"] == "low_motion"),
                num_filtered_by_aesthetic=int(clip["reason"] == "low_aesthetic"),
                num_passed=int(passed),
                num_transcoded=int(clip.get("clip_uri") is not None),
                num_with_embeddings=int(clip.get("embedding_algorithm") is not None),
                num_with_caption=int(clip["clip_id"] in window_facts.captions),
                num_with_webp=int(clip["clip_id"] in window_facts.previewed),
                total_clip_duration=duration_s,
                max_clip_duration=duration_s,
            )
        )
    return total


def _duration_s(clip: Row) -> float:
    return cast(float, clip["end_s"]) - cast(float, clip["start_s"])


def _by_source(clips: Iterable[Row]) -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = {}
    for clip in clips:
        groups.setdefault(str(clip["source_uri"]), []).append(clip)
    return groups

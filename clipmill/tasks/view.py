"""The compatibility view: a chunk as the documented ``VideoTask``. Pure.

This module and those beside it are the only ones outside of stages that name columns of built-in stages.
"""

import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path

from clipmill.engine.chunk import Chunk
from clipmill.planning.judgement import AlignedRows, Rejection
from clipmill.planning.plan import Plan
from clipmill.records import ClipSpan
from clipmill.stages.process_stage import ProcessStage
from clipmill.storage.store import is_local
from clipmill.tasks.clip_view import fill_clip
from clipmill.tasks.row import Row
from clipmill.tasks.sample_view import fill_samples
from clipmill.tasks.video import Clip, ClipStats, RemotePath, Video, VideoMetadata, VideoTask
from clipmill.tasks.window_view import fill_windows

SCAN_ERROR = "scan"
DROPPED_ERROR = "custom"
"""Name of the error of a clip that a ``process(task)`` stage dropped."""


def task_of(chunk: Chunk, plan: Plan) -> VideoTask:
    """Returns the documented view of a chunk: its clips with everything that is known of them.

    ``frame_array``, ``source_bytes``, ``mp4_bytes``, and buffers and previews that lie in an output are not
    filled.
    """
    work = chunk.work
    uri = work.source.uri
    clips = list(_clips(chunk, plan))
    video = Video(
        input_video=Path(uri) if is_local(uri) else RemotePath(uri),
        metadata=VideoMetadata.from_facts(work.facts, size_bytes=work.source.size_bytes),
        clips=[clip for clip in clips if clip.reason is None],
        filtered_clips=[clip for clip in clips if clip.reason is not None],
        num_total_clips=chunk.num_clips,
        num_clip_chunks=chunk.num_chunks,
        clip_chunk_index=chunk.index,
        errors={**_process_errors(chunk, plan), **({SCAN_ERROR: chunk.error} if chunk.error else {})},
        source=work.source,
        video_id=work.video_id,
        facts=work.facts,
    )
    video.clip_stats = clip_stats(video)
    return VideoTask(data=video, task_id=f"{work.video_id}_{chunk.index}")


class JoinedTasks(list[VideoTask]):
    """Tasks of a run: one of a later phase gives what its clips found out to those of the earlier tasks."""

    def __init__(self) -> None:
        super().__init__()
        self._owners: dict[uuid.UUID, tuple[Video, Clip]] = {}

    def take(self, task: VideoTask) -> None:
        """Joins windows, errors and reasons of known clips; clips of earlier runs stay in ``task``."""
        new: list[Clip] = []
        for clip in _all_clips(task.data):
            if (owner := self._owners.get(clip.uuid)) is None:
                new.append(clip)
            else:
                _join(*owner, clip)
        if new or not _all_clips(task.data):
            _divide(task.data, new)
            self._owners |= {clip.uuid: (task.data, clip) for clip in new}
            self.append(task)


def _join(video: Video, known: Clip, later: Clip) -> None:
    known.windows, known.reason = later.windows, later.reason or known.reason
    known.errors |= later.errors
    _divide(video, _all_clips(video))


def _all_clips(video: Video) -> list[Clip]:
    return [*video.clips, *video.filtered_clips]


def _divide(video: Video, clips: list[Clip]) -> None:
    video.clips = [clip for clip in clips if clip.reason is None]
    video.filtered_clips = [clip for clip in clips if clip.reason is not None]
    video.clip_stats = clip_stats(video)


def _clips(chunk: Chunk, plan: Plan) -> Iterator[Clip]:
    rows = AlignedRows(plan.nodes, chunk.rows, [clip.clip_id for clip in chunk.clips])
    clips = [_bare_clip(chunk, span) for span in chunk.clips]
    for index, clip in enumerate(clips):
        fill_samples(clip, chunk, plan, index)
        for node in plan.nodes:
            if node.stage.grain == "clip" and (table := rows.of(node.key)) is not None:
                fill_clip(clip, node, Row(table, index))
        _fill_rejection(clip, chunk.rejected.get(str(clip.uuid)), plan)
    fill_windows(clips, chunk, plan)
    return iter(clips)


def _bare_clip(chunk: Chunk, span: ClipSpan) -> Clip:
    return Clip(
        uuid=uuid.UUID(span.clip_id),
        source_video=chunk.work.source.uri,
        span=(span.start_s, span.end_s),
        place=span,
        buffer=chunk.files.get(span.clip_id),
    )


def _fill_rejection(clip: Clip, rejection: Rejection | None, plan: Plan) -> None:
    if rejection is None:
        return
    clip.reason = rejection.reason
    if isinstance(plan.by_key[rejection.key].stage, ProcessStage):
        clip.errors[DROPPED_ERROR] = rejection.message


def _process_errors(chunk: Chunk, plan: Plan) -> Mapping[str, str]:
    """Name -> what a ``process(task)`` stage raised, and the errors of the video that it added."""
    found: dict[str, str] = {}
    for node in plan.nodes:
        table = chunk.rows.get(node.key)
        if not isinstance(node.stage, ProcessStage) or table is None:
            continue
        for index in range(len(table)):
            row = Row(table, index)
            found |= row.texts_by_name("video_errors")
            if row.has_failed:
                found[node.stage.processor.name] = cause_of(row.message, node.key)
    return found


def cause_of(message: str, key: str) -> str:
    """Returns type and text of the exception that a failure's message names, without its traceback."""
    return message.partition("\n")[0].removeprefix(f"stage {key}: ")


MOTION_REASON, AESTHETIC_REASON = "low_motion", "low_aesthetic"
"""Reasons that the documented counts tell apart."""


def clip_stats(video: Video) -> ClipStats:
    """Returns the documented counts over a video's clips; durations include those of filtered clips."""
    stats = ClipStats()
    for clip in (*video.clips, *video.filtered_clips):
        stats.combine(_of_clip(clip))
    return stats


def _of_clip(clip: Clip) -> ClipStats:
    return ClipStats(
        num_filtered_by_motion=int(clip.reason == MOTION_REASON),
        num_filtered_by_aesthetic=int(clip.reason == AESTHETIC_REASON),
        num_passed=int(clip.reason is None),
        num_transcoded=int(clip.file is not None),
        num_with_embeddings=int(clip.embedding is not None),
        num_with_caption=int(any(window.caption for window in clip.windows)),
        num_with_webp=int(any(window.preview_path or window.webp_bytes for window in clip.windows)),
        total_clip_duration=clip.duration,
        max_clip_duration=clip.duration,
    )

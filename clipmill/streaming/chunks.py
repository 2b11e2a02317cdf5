"""From a split and the arrays of the pass to chunks of clips that carry their scores and sampled frames."""

import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from clipmill.media.contracts import ScanArrays
from clipmill.plan import RunPlan
from clipmill.records import ClipSpan, WorkItem
from clipmill.scores.motion import clip_motion, spread_share
from clipmill.scores.quality import clip_quality
from clipmill.scores.verdict import motion_verdict, quality_verdict
from clipmill.stages.video.clipping.clip_frame_extraction import FrameExtractionPolicy, frame_signature
from clipmill.stages.video.filtering.motion_filter import MotionVectorDecodeStage
from clipmill.storage.store import is_local
from clipmill.streaming.clip_log import log_clip
from clipmill.streaming.parcel import FRAME_BUDGET_BYTES
from clipmill.streaming.sampling import (
    budget_shares,
    common_rate,
    frame_rates,
    frames_bytes_of_clip,
    frames_of_clip,
    samples_inside,
    thin,
)
from clipmill.timeline import split_windows
from clipmill.video import Clip, RemotePath, Video, VideoMetadata, VideoTask, Window


@dataclass(frozen=True)
class Given:
    """What was given of a video so far."""

    num_chunks: int = 0
    num_clips: int = 0


_NOTHING = Given()


def clips_of(item: WorkItem, spans: Iterable[ClipSpan], arrays: ScanArrays, plan: RunPlan) -> Iterator[Clip]:
    """The clips of a video with windows, scores, verdict and sampled frames.

    Of a clip that a filter rejects, only the frames of its preview are sampled.
    """
    rates = frame_rates(plan, item.missing)
    preview_rates = [plan.preview.target_fps] if plan.preview and "preview" in item.missing else []
    for span in spans:
        clip = bare_clip(item, span, plan)
        _score(clip, span, arrays, item, plan)
        if rates:
            taken = rates if clip.reason is None else preview_rates
            _sample(clip, span, arrays, plan, grid_fps=float(common_rate(rates)), rates=taken)
        log_clip(clip, plan)
        yield clip


def bare_clip(item: WorkItem, span: ClipSpan, plan: RunPlan) -> Clip:
    """A clip that nobody has looked at yet."""
    return Clip(
        uuid=uuid.UUID(span.clip_id),
        source_video=item.source.uri,
        span=(span.start_s, span.end_s),
        place=span,
        windows=windows_of(span, plan),
        reason=item.filtered.get(span.clip_id),
    )


def windows_of(span: ClipSpan, plan: RunPlan) -> list[Window]:
    """The caption windows of a clip, inclusive ends as the documents have them."""
    spans = split_windows(
        span.frames.num_frames,
        window_size=plan.windows.window_size,
        remainder_threshold=plan.windows.remainder_threshold,
    )
    return [Window(window.start_frame, window.end_frame - 1) for window in spans]


def chunks_of(
    item: WorkItem, spans: Sequence[ClipSpan], arrays: ScanArrays, plan: RunPlan, *, before: Given = _NOTHING
) -> Iterator[VideoTask]:
    """Groups of clips whose frames fit the row budget; no clips are one empty chunk.

    ``arrays`` cover the clips. The groups are known before the first frame is copied, so that every chunk can
    say how many there are, those given ``before`` counted.
    """
    rates = frame_rates(plan, item.missing)
    sizes = [
        frames_bytes_of_clip(arrays, span.frames, rates=rates, budget=FRAME_BUDGET_BYTES) for span in spans
    ]
    groups = _grouped(spans, sizes)
    for index, group in enumerate(groups):
        clips = list(clips_of(item, group, arrays, plan))
        yield _task(
            item,
            clips,
            chunk_index=before.num_chunks + index,
            num_chunks=before.num_chunks + len(groups),
            num_clips=before.num_clips + len(spans),
        )


def _grouped(spans: Sequence[ClipSpan], sizes: Sequence[int]) -> list[list[ClipSpan]]:
    groups: list[list[ClipSpan]] = [[]]
    held_bytes = 0
    for span, size in zip(spans, sizes, strict=True):
        if groups[-1] and held_bytes + size > FRAME_BUDGET_BYTES:
            groups.append([])
            held_bytes = 0
        groups[-1].append(span)
        held_bytes += size
    return groups


def unscanned_task(item: WorkItem, spans: Sequence[ClipSpan], plan: RunPlan) -> VideoTask:
    """All clips of a video in one chunk, without scores or frames."""
    clips = [bare_clip(item, span, plan) for span in spans]
    return _task(item, clips, chunk_index=0, num_chunks=1, num_clips=len(clips))


def empty_task(item: WorkItem, *, error: str = "", before: Given = _NOTHING) -> VideoTask:
    """The task of a video that gave no clips, or none but those ``before``; ``error`` says why."""
    number = before.num_chunks
    task = _task(item, [], chunk_index=number, num_chunks=number + 1, num_clips=before.num_clips)
    if error:
        task.data.errors["scan"] = error
    return task


def _task(
    item: WorkItem, clips: list[Clip], *, chunk_index: int, num_chunks: int, num_clips: int
) -> VideoTask:
    uri = item.source.uri
    video = Video(
        input_video=Path(uri) if is_local(uri) else RemotePath(uri),
        metadata=VideoMetadata.from_facts(item.facts, size_bytes=item.source.size_bytes),
        clips=[clip for clip in clips if clip.reason is None],
        filtered_clips=[clip for clip in clips if clip.reason is not None],
        num_total_clips=num_clips,
        num_clip_chunks=num_chunks,
        clip_chunk_index=chunk_index,
        source=item.source,
        video_id=item.video_id,
        facts=item.facts,
    )
    return VideoTask(data=video, task_id=f"{item.video_id}_{chunk_index}")


def _score(clip: Clip, span: ClipSpan, arrays: ScanArrays, item: WorkItem, plan: RunPlan) -> None:
    if plan.motion and "motion" in item.missing:
        inside = samples_inside(arrays.motion_frames, span.frames, paired=True)
        blocks = spread_share(arrays.motion_blocks[inside], share=plan.motion.target_duration_ratio)
        scores = clip_motion(
            blocks,
            width_px=item.facts.shown_size_px[0],
            height_px=item.facts.shown_size_px[1],
            parts=_parts(arrays, inside, plan.motion) if plan.motion.separate_camera else None,
        )
        if scores is None:
            clip.errors["motion"] = "no motion data"
        else:
            clip.set_motion(scores)
            clip.decoded_motion_data = blocks if plan.customs else None
            verdict = motion_verdict(scores, plan.motion_filter) if plan.motion_filter else None
            clip.reason = clip.reason or verdict
    if plan.quality and "quality" in item.missing:
        inside = samples_inside(arrays.quality_frames, span.frames, paired=False)
        first_frame = span.frames.start_frame - arrays.first_frame
        thumbnails = arrays.thumbnails[first_frame : first_frame + span.frames.num_frames]
        clip.quality = clip_quality(arrays.quality_measures[inside], thumbnails)
        clip.reason = clip.reason or quality_verdict(clip.quality, plan.quality)


def _parts(arrays: ScanArrays, inside: slice, spec: MotionVectorDecodeStage) -> np.ndarray:
    return spread_share(arrays.motion_parts[inside], share=spec.target_duration_ratio)


def _sample(
    clip: Clip, span: ClipSpan, arrays: ScanArrays, plan: RunPlan, *, grid_fps: float, rates: list[float]
) -> None:
    for fps, budget in budget_shares(rates, FRAME_BUDGET_BYTES).items():
        frames = frames_of_clip(arrays, span.frames, grid_fps=grid_fps, fps=fps)
        if len(frames):
            clip.extracted_frames[frame_signature(FrameExtractionPolicy.SEQUENCE, fps)] = thin(frames, budget)
    if rates and not clip.extracted_frames:
        clip.errors["frames"] = f"no sampled frame at {grid_fps:g} a second inside the clip"
    if plan.frames and FrameExtractionPolicy.MIDDLE in plan.frames.extraction_policies:
        for fps in plan.frames.rates_fps:
            sequence = clip.extracted_frames.get(frame_signature(FrameExtractionPolicy.SEQUENCE, fps))
            if sequence is not None:
                middle = len(sequence) // 2
                signature = frame_signature(FrameExtractionPolicy.MIDDLE, fps)
                clip.extracted_frames[signature] = sequence[middle : middle + 1]

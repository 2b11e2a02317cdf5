"""Sampled frames as files, where a run asks for them: of each clip, or of the whole video."""

from collections.abc import Iterator
from io import BytesIO

import numpy as np
from PIL import Image

from clipmill import layout
from clipmill.media.contracts import ScanArrays
from clipmill.plan import RunPlan
from clipmill.records import WorkItem
from clipmill.stages.video.clipping.clip_frame_extraction import (
    ClipFrameExtractionStage,
    FrameExtractionPolicy,
    frame_signature,
)
from clipmill.storage import store
from clipmill.streaming.sampling import common_rate, frame_rates
from clipmill.video import Clip

JPEG_QUALITY = 92


def write_clip_frames(clip: Clip, spec: ClipFrameExtractionStage, *, output: str) -> None:
    """Write the frames of a clip that ``spec`` asks for; those sampled for other stages stay unwritten."""
    folder = layout.join(layout.frames_dir(output), str(clip.uuid))
    for signature in signatures(spec):
        if signature in clip.extracted_frames:
            _write(folder, signature, clip.extracted_frames[signature], height_px=spec.target_height_px)


def write_video_frames(arrays: ScanArrays, item: WorkItem, plan: RunPlan, *, output: str) -> None:
    """Write the frames of a whole video, from the worker that decoded it: they never travel."""
    if plan.frames is None:
        return
    folder = layout.join(layout.frames_dir(output), item.video_id)
    grid_fps = common_rate(frame_rates(plan, item.missing))
    for fps in plan.frames.rates_fps:
        sequence = arrays.frames[:: round(grid_fps / common_rate([fps]))]
        for policy in plan.frames.extraction_policies:
            taken = chosen(sequence, policy)
            _write(folder, frame_signature(policy, fps), taken, height_px=plan.frames.target_height_px)


def chosen(sequence: np.ndarray, policy: FrameExtractionPolicy) -> np.ndarray:
    """The frames of a sequence, uint8 ``(T, h, w, 3)``, that a policy takes."""
    middle = len(sequence) // 2
    return sequence[middle : middle + 1] if policy is FrameExtractionPolicy.MIDDLE else sequence


def signatures(spec: ClipFrameExtractionStage) -> Iterator[str]:
    """The keys of ``Clip.extracted_frames`` that a spec asks for."""
    for policy in spec.extraction_policies:
        yield from (frame_signature(policy, fps) for fps in spec.rates_fps)


def _write(folder: str, signature: str, frames: np.ndarray, *, height_px: int) -> None:
    for index, frame in enumerate(frames):
        store.put_bytes(
            layout.join(folder, f"{signature}_{index:05d}.jpg"), _jpeg(frame, height_px=height_px)
        )


def _jpeg(frame: np.ndarray, *, height_px: int) -> bytes:
    """At most ``height_px`` high: another stage may have needed larger frames of the one decode."""
    picture = Image.fromarray(frame)
    if picture.height > height_px:
        width_px = max(1, round(picture.width * height_px / picture.height))
        picture = picture.resize((width_px, height_px), Image.Resampling.LANCZOS)
    buffer = BytesIO()
    picture.save(buffer, format="JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()

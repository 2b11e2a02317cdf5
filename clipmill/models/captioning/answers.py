"""Requests about items of a stage, and what their answers mean for the stage's columns."""

from collections.abc import Callable, Mapping

from clipmill.models.captioning.base import Caption, CaptionRequest
from clipmill.models.captioning.frames import WindowOptions, window_frames
from clipmill.outcomes.failures import ENDPOINT_ERROR
from clipmill.records import FrameSpan
from clipmill.stages.worker import Failed, Item

MODEL_FAILED = "model_failed"
"""Reason of an item about which a model of this machine could not be asked."""

Values = Mapping[str, object]


def frames_request(item: Item, window: FrameSpan, prompt: str, options: WindowOptions) -> CaptionRequest:
    """Returns what a captioner is asked about a window of a clip whose frames were sampled."""
    if item.frames is None or item.frame_numbers is None:
        raise ValueError(f"item {item.id} has no sampled frames")
    source_fps = item.clip.frames.num_frames / item.clip.duration_s
    frames, fps = window_frames(
        item.frames, item.frame_numbers, window, source_fps=source_fps, options=options
    )
    return CaptionRequest(item.id, frames, fps, prompt)


def whole_clip(item: Item) -> FrameSpan:
    """Returns a clip as one window."""
    return FrameSpan(0, item.clip.frames.num_frames)


def values_or_failure(answer: Caption, values: Callable[[Caption], Values]) -> Values | Failed:
    """Returns ``values`` of an answer, or a failure that another run may not have."""
    if answer.is_retryable:
        reason = ENDPOINT_ERROR if answer.is_remote else MODEL_FAILED
        return Failed("retryable", reason, answer.message)
    return values(answer)

"""What a model gets to see of the windows of a clip, out of the frames that the one decode sampled."""

from collections.abc import Iterator

import numpy as np

from clipmill import identity
from clipmill.models.caption_frames import window_frames
from clipmill.models.captioner import CaptionRequest
from clipmill.records import FrameSpan
from clipmill.stages.video.caption.caption_preparation import CaptionPreparationStage
from clipmill.stages.video.clipping.clip_frame_extraction import FrameExtractionPolicy, frame_signature
from clipmill.streaming.parcel import Parcel
from clipmill.video import Clip, Window


def windows_of(parcel: Parcel) -> Iterator[tuple[Clip, Window, str]]:
    """The windows of the clips that passed, with their ids."""
    for clip in parcel.task.data.clips:
        for window in clip.windows:
            yield clip, window, identity.window_id(str(clip.uuid), window.start_frame, window.end_frame + 1)


def has_frames(clip: Clip, spec: CaptionPreparationStage) -> bool:
    """Whether there is anything to show."""
    return clip.place is not None and _key(spec) in clip.extracted_frames


def request_of(
    window_id: str, clip: Clip, span: FrameSpan, prompt: str, spec: CaptionPreparationStage
) -> CaptionRequest:
    """What a captioner is asked about a run of frames of a clip that has frames."""
    assert clip.place is not None
    samples = clip.extracted_frames[_key(spec)]
    num_frames = clip.place.frames.num_frames
    # Samples lie on an even grid of time; where frames do too, these are theirs, else the nearest guess.
    sampled = np.arange(len(samples)) * num_frames // len(samples)
    frames, fps = window_frames(
        samples, sampled, span, source_fps=num_frames / clip.place.duration_s, spec=spec
    )
    return CaptionRequest(window_id, frames, fps, prompt)


def span_of(window: Window) -> FrameSpan:
    """A window as a half-open run of frames."""
    return FrameSpan(window.start_frame, window.end_frame + 1)


def _key(spec: CaptionPreparationStage) -> str:
    return frame_signature(FrameExtractionPolicy.SEQUENCE, spec.sampling_fps)

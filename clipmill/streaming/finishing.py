"""The finish operator: previews and frames are written, pixels are dropped, what is left are facts."""

import logging
from collections.abc import Iterator, Sequence

import numpy as np

from clipmill import layout
from clipmill.errors import ClipmillError
from clipmill.media.preview import encode_preview, preview_warnings
from clipmill.media.runner import codec_runner
from clipmill.plan import RunPlan
from clipmill.stages.video.clipping.clip_frame_extraction import FrameExtractionPolicy, frame_signature
from clipmill.stages.video.preview.preview import PreviewStage
from clipmill.storage import store
from clipmill.streaming.customs import Customs
from clipmill.streaming.frame_files import write_clip_frames
from clipmill.streaming.parcel import Parcel
from clipmill.streaming.stopwatch import Stopwatch
from clipmill.video import Clip, Video, Window

logger = logging.getLogger(__name__)

PREVIEW_S = 120.0
"""Limit for one window's preview; a slow core needs about one second."""


class Finisher:
    """The last operator: with an ``output``, nothing with pixels leaves it."""

    name = "finish"

    def __init__(self, plan: RunPlan, output: str | None) -> None:
        self._plan = plan
        self._output = output
        self._child = codec_runner(plan.limits)
        self._customs = Customs(plan, self.name, output=output)

    def __call__(self, parcels: Sequence[Parcel]) -> Iterator[Parcel]:
        """Write what is asked for, and strip the parcel."""
        for parcel in parcels:
            watch = Stopwatch(self.name, parcel.item.video_id, self._child)
            if self._plan.preview and "preview" in parcel.item.missing:
                self._preview(parcel, self._plan.preview)
            parcel = self._customs(parcel)
            if self._output is not None:
                if self._plan.frames and "frames" in parcel.item.missing:
                    for clip in parcel.task.data.clips:
                        write_clip_frames(clip, self._plan.frames, output=self._output)
                _drop_pixels(parcel)
            self._log_written(parcel.task.data)
            yield parcel.measured(watch.lap(parcel.task.data.clip_chunk_index))

    def _log_written(self, video: Video) -> None:
        if self._plan.writer:
            place = (video.clip_chunk_index + 1, video.num_clip_chunks)
            self._plan.writer.log().debug(
                "%s, chunk %d of %d: %s", video.input_path, *place, video.clip_stats
            )

    def _preview(self, parcel: Parcel, spec: PreviewStage) -> None:
        if parcel.task.data.clip_chunk_index == 0:
            for warning in preview_warnings(parcel.item.facts, spec):
                logger.warning("%s: %s", parcel.item.source.uri, warning)
        key = frame_signature(FrameExtractionPolicy.SEQUENCE, spec.target_fps)
        video = parcel.task.data
        for clip in (*video.clips, *video.filtered_clips):
            frames = clip.extracted_frames.get(key)
            for window in clip.windows:
                self._preview_window(clip, window, frames, spec)

    def _preview_window(
        self, clip: Clip, window: Window, frames: np.ndarray | None, spec: PreviewStage
    ) -> None:
        """A preview that fails is logged with its cause, and the clip stays."""
        try:
            if frames is None or clip.place is None:
                raise ClipmillError("the clip has no sampled frames")
            part = frames_of_window(frames, window, num_frames=clip.place.frames.num_frames)
            webp = self._child.run(encode_preview, part, spec=spec, timeout_s=PREVIEW_S, stall_s=PREVIEW_S)
            window.webp_bytes = webp
            spec.log().debug(
                "%s, frames %d to %d: %d bytes", clip.uuid, window.start_frame, window.end_frame, len(webp)
            )
            if self._output is not None:
                uri = layout.preview_path(self._output, str(clip.uuid), window.start_frame, window.end_frame)
                store.put_bytes(uri, webp)
        except ClipmillError as error:
            name = f"preview_{window.start_frame}_{window.end_frame}"
            logger.warning("no preview of clip %s: %s", clip.uuid, error)
            clip.errors[name] = str(error)


def frames_of_window(frames: np.ndarray, window: Window, *, num_frames: int) -> np.ndarray:
    """The share of a clip's evenly sampled frames that falls into a window; at least one frame."""
    first = round(window.start_frame / num_frames * len(frames))
    last = round((window.end_frame + 1) / num_frames * len(frames))
    first = min(first, len(frames) - 1)
    return frames[first : max(last, first + 1)]


def _drop_pixels(parcel: Parcel) -> None:
    video = parcel.task.data
    video.source_bytes = video.frame_array = None
    for clip in (*video.clips, *video.filtered_clips):
        clip.buffer = clip.decoded_motion_data = None
        clip.extracted_frames = {}
        for window in clip.windows:
            window.has_preview = window.webp_bytes is not None
            window.mp4_bytes = window.webp_bytes = None

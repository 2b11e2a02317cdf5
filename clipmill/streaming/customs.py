"""Custom stages: what they may see is lent to the task while they run; what they drop is named."""

import logging
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from clipmill import layout
from clipmill.errors import ClipmillError, SpecError, StoreError, TransientStoreError
from clipmill.media.runner import codec_runner
from clipmill.media.window import window_mp4
from clipmill.plan import CustomStage, RunPlan
from clipmill.records import ClipReason, WorkItem
from clipmill.stages.video.clipping.clip_extraction_stages import ClipTranscodingStage
from clipmill.storage import store
from clipmill.storage.verdicts import CUSTOM_STAGE
from clipmill.streaming.clip_stats import clip_stats
from clipmill.streaming.parcel import Parcel
from clipmill.video import Clip, Video, VideoTask

logger = logging.getLogger(__name__)

MAX_SOURCE_BYTES = 256 << 20
"""Larger sources are not read into memory; a stage that wants one has its path."""
WINDOW_S = 120.0
"""Limit for cutting one window out of a clip; it has a few hundred frames."""


@dataclass(frozen=True)
class SourceView:
    """What stages that run right after the scan see of the source, beside its clips."""

    frame_array: np.ndarray | None = None
    source_bytes: bytes | None = None


class Customs:
    """The custom stages at the end of one operator, in the order they were added; often none.

    ``Clip.buffer`` and ``Window.mp4_bytes`` are filled from the clips' files, as soon as there are any, and
    emptied again: without an ``output`` only the buffers stay.
    """

    def __init__(self, plan: RunPlan, operator: str, *, output: str | None = None) -> None:
        self._stages = plan.customs_after(operator)
        self._transcode = plan.transcode or ClipTranscodingStage()
        self._output = output
        self._child = codec_runner(plan.limits)  # not started before it runs

    def view_of(self, item: WorkItem, thumbnails: np.ndarray) -> SourceView:
        """The source's thumbnails and bytes, if there is anybody to see them."""
        if not self._stages:
            return SourceView()
        if item.source.size_bytes > MAX_SOURCE_BYTES:
            return SourceView(thumbnails)
        try:
            return SourceView(thumbnails, store.read_bytes(item.source.uri))
        except TransientStoreError:
            raise
        except StoreError as error:
            logger.warning("custom stages do not see the bytes of a source: %s", error)
            return SourceView(thumbnails)

    def __call__(self, parcel: Parcel, *, source: SourceView | None = None) -> Parcel:
        """The parcel with what the stages made of its task. A rejected video is shown to none of them.

        ``clip_stats`` is true before each of them and after the last. A stage that fails leaves a message in
        ``errors``, the clips stay. SpecError for one that returns anything but the task of the same clips.
        """
        task = parcel.task
        if self._stages and not (parcel.outcome and parcel.outcome.reason):
            self._lend(task.data, source or SourceView())
            for stage in self._stages:
                task = _processed(stage, task)
            self._take_back(task.data)
        task.data.clip_stats = clip_stats(task.data)
        return replace(parcel, task=task)

    def _lend(self, video: Video, source: SourceView) -> None:
        video.frame_array, video.source_bytes = source.frame_array, source.source_bytes
        for clip in video.clips:
            if clip.file is None:
                continue
            if clip.buffer is None and self._output is not None:
                clip.buffer = store.read_bytes(layout.join(self._output, clip.file.path))
            if clip.buffer is not None:
                self._lend_windows(clip, clip.buffer)

    def _lend_windows(self, clip: Clip, data: bytes) -> None:
        assert clip.place is not None
        with tempfile.TemporaryDirectory(prefix="clipmill-window-") as folder:
            path = Path(folder, "clip.mp4")
            for window in clip.windows:
                if window.end_frame - window.start_frame + 1 == clip.place.frames.num_frames:
                    window.mp4_bytes = data
                    continue
                path.write_bytes(data)
                window.mp4_bytes = self._window_mp4(clip, path, window.start_frame, window.end_frame + 1)

    def _window_mp4(self, clip: Clip, path: Path, start_frame: int, end_frame: int) -> bytes | None:
        limits_s = {"timeout_s": WINDOW_S, "stall_s": WINDOW_S}
        try:
            return self._child.run(
                window_mp4, str(path), start_frame, end_frame, spec=self._transcode, **limits_s
            )
        except (ClipmillError, ValueError) as error:
            name = f"window_{start_frame}_{end_frame - 1}"
            logger.warning("no mp4 of %s of clip %s: %s", name, clip.uuid, error)
            clip.errors[name] = str(error)
            return None

    def _take_back(self, video: Video) -> None:
        video.frame_array = video.source_bytes = None
        for clip in (*video.clips, *video.filtered_clips):
            if self._output is not None:
                clip.buffer = None
            for window in clip.windows:
                window.mp4_bytes = None


def _processed(stage: CustomStage, task: VideoTask) -> VideoTask:
    video = task.data
    video.clip_stats = clip_stats(video)
    before = [(clip, clip.reason) for clip in (*video.clips, *video.filtered_clips)]
    try:
        returned = stage.process(task)
    except Exception as error:  # noqa: BLE001 - a user's stage may raise anything; the run goes on
        logger.warning("stage %s failed on %s: %s", stage.name, video.input_path, error)
        video.errors[stage.name] = f"{type(error).__name__}: {error}"
        returned = task
    if not isinstance(returned, VideoTask):
        kind = type(returned).__name__
        raise SpecError(f"stage {stage.name} returned {kind}, and must return the VideoTask")
    _settle(returned.data, before, stage.name)
    return returned


def _settle(video: Video, before: Sequence[tuple[Clip, ClipReason | None]], stage_name: str) -> None:
    """Sort the clips by their reason, whichever way the stage dropped some: none is lost, none comes back."""
    passed = {clip.uuid for clip in video.clips}
    now = {clip.uuid: clip for clip in (*video.clips, *video.filtered_clips)}
    if made_up := now.keys() - {clip.uuid for clip, _ in before}:
        raise SpecError(f"stage {stage_name} added clip {min(map(str, made_up))}; stages can only drop clips")
    settled = [(now.get(clip.uuid, clip), reason) for clip, reason in before]
    for clip, reason in settled:
        if reason is not None:
            clip.reason = reason
        elif clip.reason is not None or clip.uuid not in passed:
            clip.reason = clip.reason if clip.reason in set(ClipReason) else ClipReason.CUSTOM
            clip.errors[CUSTOM_STAGE] = f"stage {stage_name} dropped it"
    video.clips = [clip for clip, _ in settled if clip.reason is None]
    video.filtered_clips = [clip for clip, _ in settled if clip.reason is not None]

"""Takes decoded frames in display order and writes what a plan asks of them."""

from fractions import Fraction

import numpy as np
from av.video.frame import VideoFrame

from clipmill.media.contracts import ScanPlan
from clipmill.media.rendering import Renderer
from clipmill.media.sampling import (
    BlockMotion,
    Grid,
    LumaPairs,
    Measure,
    Pictures,
    Quality,
    Rows,
    Sampler,
    Shown,
)
from clipmill.media.spool import Column, Spool, time_s
from clipmill.media.vectors import VectorMotion

MAX_SLACK_S = 0.0005
"""Half a millisecond: what Matroska's clock may round a timestamp by."""


class Collector:
    """Writes a row for each frame, and samples a frame once it is known until when it was on screen.

    Never holds more than two frames. ``coded_size_px`` is (width, height) of the first frame.
    """

    def __init__(
        self,
        spool: Spool,
        plan: ScanPlan,
        renderer: Renderer,
        *,
        coded_size_px: tuple[int, int],
        time_base: Fraction,
    ) -> None:
        self._spool = spool
        self._renderer = renderer
        self._wants_thumbnails = plan.thumbnails
        self._time_base = time_base
        parts = spool["motion_parts"] if plan.separates_camera else None
        self._motion = BlockMotion(spool["motion_blocks"], parts=parts)
        measures = _measures(spool, plan, renderer, self._motion, coded_size_px=coded_size_px)
        slack_s = min(MAX_SLACK_S, float(time_base) / 2)
        samplers = [
            Sampler(Grid(fps, slack_s=slack_s), measure, frames=frames, rows=rows)
            if fps is not None
            else None
            for fps, measure, frames, rows in measures
        ]
        self._samplers = [sampler for sampler in samplers if sampler]
        self._paired = samplers[1]
        self._shown: Shown | None = None
        self._first_pts: int | None = None
        self.num_frames = 0
        self.time_s = 0.0

    def take(self, frame: VideoFrame, pts: int, *, is_key: bool) -> None:
        """The next frame; it ends the time on screen of the frame before."""
        self._end_shown(pts)
        before = self._shown.frame if self._shown is not None else None
        self._shown = Shown(self.num_frames, frame, before, self._thumbnail(frame))
        self._spool["is_key"].append(is_key)
        self.num_frames += 1
        self._spool.next_frame()

    @property
    def thumbnail(self) -> np.ndarray | None:
        """Of the last frame taken; None where none is wanted."""
        return self._shown.thumbnail if self._shown is not None else None

    def seconds_until(self, pts: int) -> float:
        """Seconds from the first frame to ``pts``; 0 before there is one."""
        return 0.0 if self._first_pts is None else time_s(pts, self._first_pts, self._time_base)

    def begin_at(self, pts: int, *, first_pts: int) -> None:
        """What follows begins at ``pts``, in the midst of a video whose first frame is at ``first_pts``."""
        self._first_pts = first_pts
        for sampler in self._samplers:
            sampler.skip_until(time_s(pts, first_pts, self._time_base))

    def finish(self, end_pts: int) -> None:
        """``end_pts`` is the end of the last frame."""
        self._end_shown(end_pts)
        self._motion.flush()

    def finish_before(self, frame: VideoFrame, pts: int, *, end_pts: int) -> None:
        """``frame``, shown from ``pts`` to ``end_pts``, is another's but for what compares two frames."""
        self._end_shown(pts)
        if self._paired is not None and self._shown is not None:
            following = Shown(self.num_frames, frame, self._shown.frame, None)
            self._paired.shown_until(following, self.seconds_until(end_pts))
        self._motion.flush()

    def _end_shown(self, pts: int) -> None:
        if self._first_pts is None:
            self._first_pts = pts
        self._spool["pts"].append(pts)
        self.time_s = time_s(pts, self._first_pts, self._time_base)
        self._spool["times_s"].append(self.time_s)
        if self._shown is not None:
            for sampler in self._samplers:
                sampler.shown_until(self._shown, self.time_s)

    def _thumbnail(self, frame: VideoFrame) -> np.ndarray | None:
        if not self._wants_thumbnails:
            return None
        thumbnail = self._renderer.thumbnail(frame)
        self._spool["thumbnails"].append(thumbnail)
        return thumbnail


def _measures(
    spool: Spool, plan: ScanPlan, renderer: Renderer, blocks: BlockMotion, *, coded_size_px: tuple[int, int]
) -> list[tuple[float | None, Measure, Column, Rows]]:
    """Instants a second, measure, where the frames' numbers go, and where its rows go."""
    motion: tuple[Measure, Rows] = LumaPairs(renderer, coded_size_px=coded_size_px), blocks
    if plan.motion_source == "vectors":
        motion = VectorMotion(coded_size_px=coded_size_px), spool["motion_blocks"]
    return [
        (plan.frames_fps, Pictures(renderer), spool["sampled_frames"], spool["frames"]),
        (plan.motion_fps, motion[0], spool["motion_frames"], motion[1]),
        (plan.quality_fps, Quality(renderer), spool["quality_frames"], spool["quality_measures"]),
    ]

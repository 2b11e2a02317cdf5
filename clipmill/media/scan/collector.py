"""Takes decoded frames in display order and writes what a plan asks of them."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
from av.video.frame import VideoFrame

from clipmill.media.frames.deinterlace import WholePictures
from clipmill.media.frames.render import Renderer
from clipmill.media.frames.time_grid import Grid
from clipmill.media.frames.timestamps import MAX_TICKS
from clipmill.media.scan.frame_measures import FrameMeasure, FullSize
from clipmill.media.scan.motion_vectors import VectorMotion
from clipmill.media.scan.samplers import BlockMotion, LumaPairs, Pictures, Rows, Sampler, Shown, Taker
from clipmill.media.scan.spool import Spool
from clipmill.media.scan.tracks import PER_FRAME
from clipmill.media.types import ScanPlan
from clipmill.stages.reads import Frames, Measure, Motion, Sample


class Collector:
    """Writes a row for each frame, and samples a frame once it is known until when it was on screen.

    Never holds more than two frames, four of an interlaced film. ``coded_size_px`` is (width, height) of the
    first frame.
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
        self._tick_s = time_base.numerator, time_base.denominator
        self._takers = Takers(spool, renderer, coded_size_px=coded_size_px)
        self._samplers = {
            read: Sampler(
                Grid(read.fps, time_base=time_base), self._takers.of(read), frames=spool.track(read).frames
            )
            for read in dict.fromkeys(plan.samples)
        }
        self._due_ticks = 0
        self._columns = {name: spool[name] for name in PER_FRAME}
        self._whole = WholePictures() if plan.deinterlace == "auto" else None
        self._shown: Shown | None = None
        self._first_pts: int | None = None
        self.num_frames = 0
        self.time_s = 0.0

    def take(self, frame: VideoFrame, pts: int, *, is_key: bool, level: float | None = None) -> None:
        """The next frame; it ends the time on screen of the frame before. ``level`` is of its sound."""
        self._end_shown(pts, after=frame)
        self._shown = self._next(frame, self._thumbnail(frame))
        self._columns["is_key"].append(is_key)
        if level is not None:
            self._columns["levels"].append(level)
        self.num_frames += 1
        self._spool.next_frame()

    @property
    def thumbnail(self) -> np.ndarray | None:
        """Of the last frame taken; None where none is wanted."""
        return self._shown.thumbnail if self._shown is not None else None

    def seconds_until(self, pts: int) -> float:
        """Seconds from the first frame to ``pts``; 0 before there is one."""
        first_pts, (numerator, denominator) = self._first_pts, self._tick_s
        return 0.0 if first_pts is None else (pts - first_pts) * numerator / denominator

    def begin_at(self, pts: int, *, first_pts: int) -> None:
        """What follows begins at ``pts``, in the midst of a video whose first frame is at ``first_pts``."""
        self._first_pts = first_pts
        for sampler in self._samplers.values():
            sampler.skip_until(pts - first_pts)

    def finish(self, end_pts: int) -> None:
        """``end_pts`` is the end of the last frame."""
        self._end_shown(end_pts)
        self._takers.flush()

    def finish_before(self, frame: VideoFrame, pts: int, *, end_pts: int) -> None:
        """``frame``, shown from ``pts`` to ``end_pts``, is another's but for what compares two frames."""
        self._end_shown(pts, after=frame)
        if self._shown is not None and self._first_pts is not None:
            following = self._next(frame, None)
            for read, sampler in self._samplers.items():
                if isinstance(read, Motion):
                    sampler.shown_until(following, end_pts - self._first_pts)
        self._takers.flush()

    def _next(self, frame: VideoFrame, thumbnail: np.ndarray | None) -> Shown:
        """What is shown behind the frame on screen."""
        shown = self._shown
        if shown is None:
            return Shown(self.num_frames, frame, None, thumbnail, whole=self._whole)
        earlier = shown.before if shown.frame.interlaced_frame else None
        return Shown(self.num_frames, frame, shown.frame, thumbnail, earlier, whole=self._whole)

    def _end_shown(self, pts: int, *, after: VideoFrame | None = None) -> None:
        """The frame on screen goes, for another one or at the end."""
        if self._first_pts is None:
            self._first_pts = pts
        self._columns["pts"].append(pts)
        self.time_s = self.seconds_until(pts)
        self._columns["times_s"].append(self.time_s)
        if self._shown is not None and pts - self._first_pts > self._due_ticks:
            shown = replace(self._shown, after=after) if self._shown.frame.interlaced_frame else self._shown
            for sampler in self._samplers.values():
                sampler.shown_until(shown, pts - self._first_pts)
            self._takers.let_go()
            self._due_ticks = min(
                (sampler.due_ticks for sampler in self._samplers.values()), default=MAX_TICKS
            )

    def _thumbnail(self, frame: VideoFrame) -> np.ndarray | None:
        if not self._wants_thumbnails:
            return None
        thumbnail = self._renderer.thumbnail(frame)
        self._columns["thumbnails"].append(thumbnail)
        return thumbnail


class Takers:
    """What takes the reads of a plan from the frames of one video."""

    def __init__(self, spool: Spool, renderer: Renderer, *, coded_size_px: tuple[int, int]) -> None:
        self._spool = spool
        self._renderer = renderer
        self._coded_size_px = coded_size_px
        self._full_size = FullSize(renderer)
        self._pictures: dict[int, Pictures] = {}
        self._blocks: list[BlockMotion] = []

    def of(self, read: Sample) -> Taker:
        """Returns what takes one read. Reads of one height share their pictures."""
        match read:
            case Frames():
                return self._pictures_of(read.height_px)
            case Motion():
                return self._motion(read)
            case Measure():
                measure = FrameMeasure(read, self._full_size, report=self._spool.report_failure)
                return Rows(measure, self._spool.track(read).values[0].append)

    def let_go(self) -> None:
        """Forgets the frame on screen."""
        self._full_size.let_go()

    def flush(self) -> None:
        """Writes what still waits."""
        for blocks in self._blocks:
            blocks.flush()

    def _pictures_of(self, height_px: int) -> Pictures:
        if height_px not in self._pictures:
            self._pictures[height_px] = Pictures(self._renderer, height_px, self._spool.track(height_px))
        return self._pictures[height_px]

    def _motion(self, read: Motion) -> Rows:
        columns = self._spool.track(read).values
        if read.source == "vectors":
            return Rows(VectorMotion(coded_size_px=self._coded_size_px), columns[0].append)
        blocks = BlockMotion(*columns)
        self._blocks.append(blocks)
        return Rows(LumaPairs(self._renderer, coded_size_px=self._coded_size_px), blocks.append)

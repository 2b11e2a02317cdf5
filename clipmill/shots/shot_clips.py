"""From one shot to its clips, while the shot grows.

A boundary at ``t`` seconds is the first frame whose time is at least ``t``: files with a variable frame rate
are cut where a player would cut them, and ``frame / fps`` occurs nowhere. Where the frame before is held so
long that the clip would be more than ``HELD_S`` longer than it may be, the boundary is that frame. A frame
that is held longer than a clip may be is in none.
"""

from array import array
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf, isnan, nan
from typing import Self

from clipmill.records import TIME_TOLERANCE_S, DropCause, FrameSpan
from clipmill.stages.clip_rules import ClipRules

HELD_S = 0.1
"""Frames of 10 a second and more may lengthen a clip by the rest of the last one."""


SNAP_S = 1.0
"""How much earlier than it may a clip ends at a pause."""

SILENCE_DB, PAUSE_DB = -70.0, -20.0
"""It is silent below the first, in dB of full scale; a pause is that much less than the loudest around it."""

NOISY_PAUSE_DB, NOISE_DB = -10.0, 3.0
"""Where the quietest is that much less than the loudest, what is near it is a pause: noise fills pauses."""


class RecentTimes:
    """Times of the latest frames, in seconds from the first one, by their number in the video.

    And how loud it is around each, in dB; NaN where that is not known.
    """

    def __init__(self) -> None:
        self._times_s = array("d")
        self._levels = array("d")
        self._first_frame = 0

    @property
    def num_frames(self) -> int:
        """Frames so far, including those that were dropped."""
        return self._first_frame + len(self._times_s)

    def append(self, times_s: Sequence[float], levels: Sequence[float] | None = None) -> None:
        """Adds the times of the next frames, ascending."""
        self._times_s.extend(times_s)
        self._levels.extend([nan] * len(times_s) if levels is None else levels)

    def last_pause(self, first: int, last: int) -> int | None:
        """Returns the last frame of ``[first, last]`` around which it is silent, or far less loud."""
        levels = self._levels[max(0, first - self._first_frame) : last + 1 - self._first_frame]
        known = [level for level in levels if not isnan(level)]
        loudest, quietest = max(known, default=nan), min(known, default=nan)
        quiet = max(SILENCE_DB, loudest + PAUSE_DB)
        if quietest <= loudest + NOISY_PAUSE_DB:
            quiet = max(quiet, quietest + NOISE_DB)
        pauses = (first + place for place, level in enumerate(levels) if level <= quiet)
        return max(pauses, default=None)

    def at(self, frame: int) -> float:
        """Returns the time of a frame; IndexError for one that was dropped or is still to come."""
        if frame < self._first_frame:
            raise IndexError(f"the time of frame {frame} was dropped")
        return self._times_s[frame - self._first_frame]

    def frame_at(self, time_s: float) -> int:
        """Returns the first frame whose time is at least ``time_s``; ``num_frames`` where there is none."""
        return self._first_frame + bisect_left(self._times_s, time_s - TIME_TOLERANCE_S)

    def drop_before(self, frame: int) -> None:
        """Drops the times of frames before ``frame``."""
        num_dropped = max(0, frame - self._first_frame)
        del self._times_s[:num_dropped], self._levels[:num_dropped]
        self._first_frame = max(frame, self._first_frame)


@dataclass(frozen=True)
class ClipGrid:
    """Where clips lie in a shot: one every ``step_s`` from the shot's core on, each ``length_s`` long.

    The core is the shot without ``crop_s`` at either end. ``length_s`` None: as long as the step. Frames of
    the core in no clip are dropped as ``outside``. A clip that the grid ends, not the shot, ends up to
    ``snap_s`` earlier at a pause, if it has ``min_length_s`` by then; the next one begins there.
    """

    step_s: float
    length_s: float | None
    crop_s: float
    is_by_clock: bool  # a clip is as long as the grid says, not as its frames are shown
    outside: DropCause
    snap_s: float = 0.0
    min_length_s: float = 0.0

    @classmethod
    def of(cls, rules: ClipRules) -> Self:
        """Returns the grid of an extractor's rules; with a stride the video is one shot."""
        max_length_s, crop_s = rules.max_length_s or inf, rules.crop_s
        if rules.stride_s is not None:
            return cls(rules.stride_s, max_length_s, 0.0, True, DropCause.BETWEEN)
        step_s, length_s = (
            (inf, max_length_s) if rules.max_length_mode == "truncate" else (max_length_s, None)
        )
        snap_s = SNAP_S if rules.snap_to_silence else 0.0
        min_length_s = rules.min_length_s or 0.0
        return cls(step_s, length_s, crop_s, False, DropCause.TRUNCATED, snap_s, min_length_s)

    def start_s(self, core_s: float, index: int) -> float:
        """Returns the start of a clip, in seconds."""
        return core_s + index * self.step_s if index else core_s

    def end_s(self, core_s: float, index: int) -> float:
        """Returns the end of a clip, in seconds, where the shot is long enough."""
        if self.length_s is None:
            return self.start_s(core_s, index + 1)
        return self.start_s(core_s, index) + self.length_s


@dataclass(frozen=True)
class Candidate:
    """A clip, if ``length_s`` is enough, and if it is not one frame that is held too long."""

    span: FrameSpan
    length_s: float
    is_held: bool = False


class ShotClips:
    """Finds the clips of one shot, each as soon as its end is certain.

    The frames of the shot below ``num_decided`` are in a clip that was found, in ``growing``, or in none. No
    clip that is still to come starts before ``needed_from``. ``growing`` is the next clip, as far as its
    frames are known to be its own.
    """

    def __init__(self, grid: ClipGrid, times: RecentTimes, first_frame: int) -> None:
        self._grid, self._times = grid, times
        self._first_frame, self._first_s = first_frame, times.at(first_frame)
        self._core_start: int | None = None  # until it is known that something is left of the shot
        self._core_s = 0.0
        self._index = 0
        self.growing: FrameSpan | None = None
        self.num_decided = self.needed_from = first_frame

    @property
    def grid_length_s(self) -> float:
        """How long the next clip is by the clock; the shot may end before."""
        return self._end_s - self._start_s

    def grow(self, end_frame: int) -> list[Candidate]:
        """Returns the clips that end within a shot that goes on at least to ``end_frame``."""
        core_start, core_end = self._core(end_frame)
        if core_start >= core_end:
            self.num_decided = min(core_start, end_frame)
            return []
        if self._core_start is None:
            self._core_start, self._core_s = core_start, self._times.at(core_start)
        found: list[Candidate] = []
        last_end = min(core_end, self._times.num_frames - 1)
        while (end := self._times.frame_at(self._end_s)) <= last_end:
            found += self._next(end, inf)
        start = self._times.frame_at(self._start_s)
        end = last_end if self._end_s < inf else core_end  # it is not known how long the last frame is held
        if self._grid.snap_s and self._end_s < inf:
            end = min(end, self._times.frame_at(self._snap_from_s))
        self.growing = FrameSpan(start, end) if start < end else None
        decided = max(start, end) if start < core_end else core_end
        self.num_decided = decided if self._start_s < inf else end_frame
        self.needed_from = min(start, core_end)
        return found

    def close(self, end_frame: int) -> tuple[list[Candidate], FrameSpan | None]:
        """Returns the clips that are left in a shot that ends at ``end_frame``, and its core, if any."""
        found = self.grow(end_frame)
        if self._core_start is None:
            return found, None
        _, core_end = self._core(end_frame)
        while self._times.frame_at(self._start_s) < core_end:
            found += self._next(core_end, self._times.at(core_end))
        return found, FrameSpan(self._core_start, core_end)

    def _core(self, end_frame: int) -> tuple[int, int]:
        """First frame and end of where clips may lie in a shot that goes on to ``end_frame``."""
        start, end, crop_s = self._core_start, end_frame, self._grid.crop_s
        if start is None:
            start = self._times.frame_at(self._first_s + crop_s) if crop_s else self._first_frame
        if crop_s:
            end_s = self._times.at(min(end_frame, self._times.num_frames - 1))
            end = min(end_frame, self._times.frame_at(end_s - crop_s))
        return start, end

    def _next(self, end: int, shot_end_s: float) -> list[Candidate]:
        """The next clip of the grid, which ends at frame ``end``; none where it holds no frame."""
        start, start_s, end_s = self._times.frame_at(self._start_s), self._start_s, self._end_s
        snap_from = max(start + 1, self._times.frame_at(self._snap_from_s))
        self._index += 1
        if start >= end:
            return []
        is_held = self._times.at(end) > end_s + HELD_S
        kept_end = end - 1 if is_held and end - start > 1 else end
        if self._grid.snap_s and end_s <= self._times.at(end) + TIME_TOLERANCE_S and not is_held:
            kept_end = self._times.last_pause(snap_from, end) or end
        if (is_held or kept_end < end) and self._grid.length_s is None:
            self._core_s, self._index = self._times.at(kept_end), 0
        if not self._grid.is_by_clock:
            length_s = self._times.at(kept_end) - self._times.at(start)
            return [Candidate(FrameSpan(start, kept_end), length_s, is_held and kept_end == end)]
        clip_end_s = min(end_s, shot_end_s, self._times.at(kept_end))
        clip = Candidate(FrameSpan(start, kept_end), clip_end_s - start_s)
        held = Candidate(FrameSpan(end - 1, end), 0.0, is_held=True)
        return [clip, held] if kept_end < end else [replace(clip, is_held=is_held)]

    @property
    def _start_s(self) -> float:
        return self._grid.start_s(self._core_s, self._index)

    @property
    def _snap_from_s(self) -> float:
        """The earliest time at which the next clip may end at a pause."""
        return max(self._end_s - self._grid.snap_s, self._start_s + self._grid.min_length_s)

    @property
    def _end_s(self) -> float:
        return self._grid.end_s(self._core_s, self._index)

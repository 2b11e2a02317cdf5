"""The rules from cuts to clips: for a whole video, for parts of a long one, and frame by frame."""

from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise

import numpy as np

from clipmill.records import CLOCK_ROUNDING_S, DropCause, DroppedSpan, FrameSpan, Split
from clipmill.shots.shot_boundaries import ShotBoundaries
from clipmill.shots.shot_clips import Candidate, ClipGrid, RecentTimes, ShotClips
from clipmill.stages.clip_rules import ClipRules
from clipmill.stages.cut_finder import CutFinder, LookingAhead

Drop = tuple[FrameSpan, DropCause]


class ClipState(Enum):
    """What is known of a clip."""

    GROWING = "growing"  # its end is open, and it may be too short
    LIKELY = "likely"  # its end is open, and no cut was seen that makes it too short
    KEPT = "kept"
    DROPPED = "dropped"  # too short, or a picture that is held too long


@dataclass(frozen=True)
class ClipUpdate:
    """What became known of the clip that starts with ``span``; ``shot_index`` is -1 without shots."""

    span: FrameSpan
    state: ClipState
    shot_index: int


class ClipSplitter:
    """Turns cuts into clips while a video streams by; parts of any length give the same clips.

    Per shot: ``crop_s`` off both ends (also at the start and end of the video), then ``max_length_s``, then
    ``min_length_s``; at last ``limit_clips`` over the whole video. A shot is too short if the crop leaves
    nothing of it. With a stride, and then without a finder, the whole video is one shot: clips
    of ``clip_len_s`` every ``clip_stride_s``, which may overlap.

    Updates come in the order of frames. That of a clip whose end is open comes last, and again with each
    part. Beyond ``limit_clips`` there are none. Memory is that of the times of the longest clip.
    """

    def __init__(self, rules: ClipRules, finder: CutFinder | None = None) -> None:
        is_by_clock = rules.stride_s is not None
        if is_by_clock == (finder is not None):
            raise ValueError("clips by a stride have no finder of cuts, clips of shots need one")
        self._min_length_s = (rules.min_length_s or 0.0) - CLOCK_ROUNDING_S
        self._limit = rules.limit_clips
        self._needs_cut = not is_by_clock and not rules.entire_scene_as_clip
        self._grid, self._finder = ClipGrid.of(rules), finder
        self._ahead = finder if isinstance(finder, LookingAhead) else None
        self._times, self._boundaries = RecentTimes(), ShotBoundaries()
        self._open: ShotClips | None = None
        self._num_frames = self._num_final = self._num_shots = 0
        self._kept: list[ClipUpdate] = []
        self._drops: list[Drop] = []

    @property
    def latency_frames(self) -> int:
        """How many frames come, at least, before it is known whether the first one is in a clip."""
        return self._finder.latency_frames if self._finder else 0

    @property
    def least_latency_frames(self) -> int:
        """As ``latency_frames``, but before ``look_ahead`` knows it."""
        return self._ahead.least_latency_frames if self._ahead else self.latency_frames

    @property
    def num_decided(self) -> int:
        """Frames of which each is in a clip that an update named, or in none."""
        return self._open.num_decided if self._open else self._next_frame

    @property
    def needed_from(self) -> int:
        """No clip that is still to be kept starts before this frame."""
        return self._open.needed_from if self._open else self._next_frame

    @property
    def _next_frame(self) -> int:
        return min(self._boundaries.start_frame, self._num_final)

    def feed(
        self, thumbnails: np.ndarray | None, times_s: np.ndarray, levels: np.ndarray | None = None
    ) -> list[ClipUpdate]:
        """Returns what the next frames make known.

        ``thumbnails`` is uint8 ``(n, 27, 48, 3)``, and not looked at without a finder; ``times_s`` is
        ``(n,)``, in seconds from the video's first frame. ``levels`` ``(n,)`` is how loud it is around each
        frame, in dB; without it no clip ends at a pause.
        """
        self._times.append(times_s.tolist(), None if levels is None else levels.tolist())
        self._num_frames = self._num_final = self._times.num_frames
        if self._finder is not None:
            assert thumbnails is not None
            self._boundaries.add(self._finder.feed(thumbnails, times_s))
            self._num_final = min(self._finder.num_final, self._num_frames)
        updates = self._close(self._boundaries.close_before(self._num_final)) + self._grow()
        self._times.drop_before(self.needed_from)
        return updates

    @property
    def num_known(self) -> int:
        """Frames of which ``look_ahead`` knows all hard cuts."""
        return self._ahead.cuts_ahead()[1] if self._ahead else self._num_final

    def look_ahead(self) -> tuple[list[ClipUpdate], int]:
        """Returns the updates that come if no gradual transition does, and how many frames they decide.

        They begin with the clip that the last update left open.
        """
        if self._ahead is None:
            return [], self.num_decided
        shared = {id(self._ahead): self._ahead, id(self._kept): [*self._kept], id(self._drops): []}
        guess = deepcopy(self, shared)
        cuts, guess._num_final = self._ahead.cuts_ahead()
        guess._boundaries.add(cuts)
        updates = guess._close(guess._boundaries.close_before(guess._num_final)) + guess._grow()
        return updates, guess.num_decided

    def finish(self, end_s: float) -> list[ClipUpdate]:
        """Returns what is left once the last frame was fed, which ends at ``end_s``."""
        if self._finder is not None:
            self._boundaries.add(self._finder.finish())
        self._num_final = self._num_frames
        self._times.append([end_s])
        return self._close(self._boundaries.close_last(self._num_frames))

    def split(self) -> Split:
        """Returns the whole split, after ``finish``. Every frame is in a clip or in a dropped span."""
        clips = tuple(update.span for update in self._kept)
        return Split(
            clips,
            _dropped_spans(self._drops, clips, self._num_frames),
            self._boundaries.shots(self._num_frames) if self._finder else (),
            tuple(update.shot_index for update in self._kept),
        )

    @property
    def _shot_index(self) -> int:
        return self._num_shots if self._finder else -1

    def _close(self, shots: Iterable[FrameSpan]) -> list[ClipUpdate]:
        """Updates of the shots that are over."""
        updates: list[ClipUpdate] = []
        for shot in shots:
            updates += self._close_one(shot)
            self._open = None
            self._num_shots += 1
        return updates

    def _close_one(self, shot: FrameSpan) -> list[ClipUpdate]:
        if self._needs_cut and shot == FrameSpan(0, self._num_frames):
            self._drops.append((shot, DropCause.UNCUT))
            return []
        clips = self._open or ShotClips(self._grid, self._times, shot.start_frame)
        found, core = clips.close(shot.end_frame)
        if core is None:
            self._drops.append((shot, DropCause.TOO_SHORT))
        else:
            self._drops += [(shot, DropCause.CROPPED), (core, self._grid.outside)]
        return self._judged(found)

    def _grow(self) -> list[ClipUpdate]:
        """Updates of the shot whose end is open."""
        start_frame = self._boundaries.start_frame
        if start_frame >= self._num_final:
            return []
        self._open = self._open or ShotClips(self._grid, self._times, start_frame)
        if self._needs_cut and start_frame == 0:
            return []
        updates = self._judged(self._open.grow(self._num_final))
        growing = self._open.growing
        if growing is not None and not self._is_full:
            state = ClipState.LIKELY if self._is_likely(self._open, growing) else ClipState.GROWING
            updates.append(ClipUpdate(growing, state, self._shot_index))
        return updates

    def _judged(self, candidates: Iterable[Candidate]) -> list[ClipUpdate]:
        """Updates of clips whose end is known: those long enough are kept, up to the limit."""
        updates: list[ClipUpdate] = []
        for candidate in candidates:
            span = candidate.span
            cause = self._cause_against(candidate)
            if cause:
                self._drops.append((span, cause))
                if not self._is_full:  # else nothing was said of it while it grew
                    updates.append(ClipUpdate(span, ClipState.DROPPED, self._shot_index))
            elif self._is_full:
                self._drops.append((span, DropCause.OVER_LIMIT))
            elif not self._kept or span != self._kept[-1].span:  # a stride may be less than a frame
                self._kept.append(ClipUpdate(span, ClipState.KEPT, self._shot_index))
                updates.append(self._kept[-1])
        return updates

    def _cause_against(self, candidate: Candidate) -> DropCause | None:
        if candidate.is_held:
            return DropCause.HELD
        return DropCause.TOO_SHORT if candidate.length_s < self._min_length_s else None

    @property
    def _is_full(self) -> bool:
        return 0 < self._limit <= len(self._kept)

    def _is_likely(self, clips: ShotClips, growing: FrameSpan) -> bool:
        """Whether a clip is long enough if it ends where a hard cut was seen, or none up to there."""
        if self._finder is None:
            return clips.grid_length_s >= self._min_length_s
        frame = min(self._finder.no_cut_until(clips.num_decided - 1), self._num_frames - 1)
        length_s = self._times.at(frame) - self._grid.crop_s - self._times.at(growing.start_frame)
        return length_s >= self._min_length_s


def split_whole(
    splitter: ClipSplitter,
    thumbnails: np.ndarray | None,
    times_s: np.ndarray,
    levels: np.ndarray | None = None,
) -> Split:
    """Returns the split of a whole video.

    ``times_s`` is float ``(N + 1,)``: the time of each of the N frames in seconds from the first one, and the
    end of the last; ``levels`` ``(N,)`` as for ``feed``. ValueError without frames.
    """
    if times_s.ndim != 1 or len(times_s) < 2:
        raise ValueError(f"times_s must be (N + 1,) with at least one frame, got {times_s.shape = }")
    splitter.feed(thumbnails, times_s[:-1], levels)
    splitter.finish(float(times_s[-1]))
    return splitter.split()


_STRENGTH = (
    DropCause.GRADUAL, DropCause.UNCUT, DropCause.CROPPED, DropCause.TRUNCATED, DropCause.BETWEEN,
    DropCause.HELD, DropCause.TOO_SHORT, DropCause.OVER_LIMIT,
)  # fmt: skip
"""Causes ascending: of several spans over one frame, the one of the last cause counts."""


def _dropped_spans(
    drops: Iterable[Drop], clips: Iterable[FrameSpan], num_frames: int
) -> tuple[DroppedSpan, ...]:
    """The runs of frames that are in no clip; frames of one cause that touch are one span."""
    codes = np.zeros(num_frames, dtype=np.int8)  # GRADUAL where no span says more
    for span, cause in drops:
        covered = codes[span.start_frame : span.end_frame]
        np.maximum(covered, _STRENGTH.index(cause), out=covered)
    for clip in clips:
        codes[clip.start_frame : clip.end_frame] = -1
    edges = [0, *(np.flatnonzero(np.diff(codes)) + 1).tolist(), num_frames]
    runs = [(start, end, int(codes[start])) for start, end in pairwise(edges)]
    return tuple(
        DroppedSpan(FrameSpan(start, end), _STRENGTH[code]) for start, end, code in runs if code >= 0
    )

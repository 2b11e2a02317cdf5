"""Which of the places that look like mixtures are a dissolve or a fade, and where it starts and ends."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from clipmill.records import FrameSpan
from clipmill.shots.blend import are_two_pictures, is_blank, is_even, is_flat, is_mixed, is_plain
from clipmill.shots.gradual import NO_CELLS, SPANS, Candidate, Mixtures, shrink
from clipmill.shots.strip import Strip

MIN_FRAMES = 4
EDGE_RATE = 0.3
"""A transition ends where it advances at less than this share of its mean speed."""

NEAR_CUT_FRAMES = 3
"""A transition that starts or ends so near a hard cut fades from nothing or to nothing there."""

ROOM = 2
"""A transition lies within its candidate and so many times its length on either side."""

REACH_FRAMES = ROOM * (max(SPANS) - 1) + 1
"""No transition starts further before the start of its candidate."""

MAX_JOIN_FRAMES = max(SPANS)
"""A longer blank between two fades is a shot."""

MAX_RUN_FRAMES = 1500
"""Candidates near each other are chosen from together, the best first; those of so many frames are not held
back any longer, so that a film that never stands still needs no more memory."""


class GradualTransitions:
    """Finds the dissolves and fades of a stream of frames, block by block, ascending and disjoint.

    A higher ``threshold`` (0..1) finds fewer. A range does not reach across a hard cut unless the cut is in
    its middle half, where only a mixture can look like one. A fade out and the fade in that follows a blank
    of at most ``MAX_JOIN_FRAMES`` are one range. ``num_final``: no range that starts below this frame is
    still to come.
    """

    def __init__(self, *, threshold: float) -> None:
        self._mixtures = Mixtures(threshold=threshold)
        self._strip = Strip()
        self._cells, self._times_s = Strip(NO_CELLS), Strip(np.empty(0))
        self._runs = Runs()
        self._hard: list[int] = []
        self._chosen: list[FrameSpan] = []
        self._taken: list[FrameSpan] = []
        self._last: FrameSpan | None = None
        self.num_final = 0

    @property
    def num_held_frames(self) -> int:
        """Frames that may still be looked at."""
        return self._strip.num_held_frames

    @property
    def found_ahead(self) -> tuple[FrameSpan, ...]:
        """Ranges that were found and may still become one with others."""
        return tuple(sorted([*self._chosen, *([self._last] if self._last else [])]))

    def feed(
        self, thumbnails: np.ndarray, times_s: np.ndarray, hard: Sequence[int], *, num_hard_final: int
    ) -> list[FrameSpan]:
        """The ranges that the next frames, uint8 ``(n, 27, 48, 3)``, make final.

        ``times_s`` is ``(n,)``, in seconds. ``hard`` are the hard cuts that became final meanwhile; those
        below ``num_hard_final`` all have.
        """
        self._hard += hard
        self._strip.append(thumbnails)
        small = shrink(thumbnails)
        self._cells.append(small)
        self._times_s.append(times_s)
        self._runs.add(self._mixtures.feed(small, times_s), num_scanned=self._mixtures.num_scanned)
        self._choose(known=min(num_hard_final, self._strip.num_frames))
        return self._joined(before=self._frontier())

    def finish(self, hard: Sequence[int]) -> list[FrameSpan]:
        """The ranges among the last frames."""
        self._hard += hard
        num_frames = self._strip.num_frames
        self._runs.add(self._mixtures.finish(), num_scanned=num_frames)
        self._runs.close()
        self._choose(known=num_frames + max(SPANS) + REACH_FRAMES)
        found = self._joined(before=num_frames)
        last = [self._last] if self._last else []
        self._last, self.num_final = None, num_frames
        return found + last

    def _choose(self, *, known: int) -> None:
        """Take the best candidate of each run, then the best of those that do not overlap it, and so on."""
        while (run := self._runs.next(known)) is not None:
            for candidate in sorted(run, reverse=True):
                if any(_overlap(candidate.middle_half, span) for span in self._taken):
                    continue
                span = _refine(candidate, self._strip, self._cells, self._times_s, self._hard)
                if span:
                    self._chosen.append(span)
                    self._taken.append(span)

    def _frontier(self) -> int:
        """No transition that is still to be chosen starts before this frame."""
        frontier = self._mixtures.num_scanned + 1 - REACH_FRAMES
        lowest = self._runs.lowest_frame
        return max(0, frontier if lowest is None else min(frontier, lowest))

    def _joined(self, *, before: int) -> list[FrameSpan]:
        """Make spans one that overlap, or that have only blank pictures between them; those that are done.

        All spans that start before frame ``before`` are chosen.
        """
        done: list[FrameSpan] = []
        for span in sorted(span for span in self._chosen if span.start_frame < before):
            done += self._join(span)
        self._chosen = [span for span in self._chosen if span.start_frame >= before]
        if self._last and before - self._last.end_frame > MAX_JOIN_FRAMES:
            done.append(self._last)
            self._last = None
        self.num_final = min(before, self._last.start_frame if self._last else before)
        self._forget(min(before, self._last.end_frame if self._last else before))
        return done

    def _join(self, span: FrameSpan) -> list[FrameSpan]:
        last, self._last = self._last, span
        if last is None:
            return []
        num_between = span.start_frame - last.end_frame
        if num_between > MAX_JOIN_FRAMES:
            return [last]
        if num_between > 0 and not is_blank(self._strip.between(last.end_frame, span.start_frame)):
            return [last]
        end = max(last.end_frame, span.end_frame)
        self._last = FrameSpan(min(last.start_frame, span.start_frame), end)
        return []

    def _forget(self, frame: int) -> None:
        self._strip.drop_before(frame)
        self._cells.drop_before(frame)
        self._times_s.drop_before(frame)
        self._hard = [cut for cut in self._hard if cut >= frame]
        self._taken = [span for span in self._taken if span.end_frame > frame]


@dataclass
class Run:
    """Candidates that are chosen from together, ascending by start, and how far they reach.

    All transitions among them lie in frames ``[low, high)``; one that starts from ``apart_from`` on neither
    takes the middle of any of them nor has its own taken.
    """

    candidates: list[Candidate]
    low: int
    high: int
    apart_from: int

    @classmethod
    def of(cls, candidate: Candidate) -> Self:
        """A run of one."""
        low, high = room(candidate)
        middle_of_later = candidate.middle_half[1] + REACH_FRAMES  # which starts behind its start
        return cls([candidate], low, high, max(high, middle_of_later))

    def add(self, candidate: Candidate) -> None:
        """One more."""
        other = Run.of(candidate)
        self.candidates.append(candidate)
        self.low, self.high = min(self.low, other.low), max(self.high, other.high)
        self.apart_from = max(self.apart_from, other.apart_from)


class Runs:
    """Groups candidates so that what is chosen from one run does not depend on another."""

    def __init__(self) -> None:
        self._open: Run | None = None
        self._closed: deque[Run] = deque()

    @property
    def lowest_frame(self) -> int | None:
        """Where the first transition that is still to be chosen may start; None without candidates."""
        return min((run.low for run in (*self._closed, self._open) if run), default=None)

    def add(self, candidates: Sequence[Candidate], *, num_scanned: int) -> None:
        """The next candidates, ascending by start; later ones start behind ``num_scanned``."""
        for candidate in candidates:
            self._close_before(candidate.start_frame)
            if self._open:
                self._open.add(candidate)
            else:
                self._open = Run.of(candidate)
        self._close_before(num_scanned + 1)

    def close(self) -> None:
        """There are no further candidates."""
        if self._open:
            self._closed.append(self._open)
            self._open = None

    def next(self, known: int) -> list[Candidate] | None:
        """The next run, once everything below frame ``known`` is enough to choose from it."""
        if not self._closed or self._closed[0].high > known:
            return None
        return self._closed.popleft().candidates

    def _close_before(self, start_frame: int) -> None:
        if not self._open:
            return
        is_long = start_frame - self._open.candidates[0].start_frame >= MAX_RUN_FRAMES
        if is_long or start_frame >= self._open.apart_from:
            self.close()


def room(candidate: Candidate) -> tuple[int, int]:
    """Frames ``[low, high)`` in which the transition lies, hard cuts apart; may be outside the film."""
    margin = 1 + ROOM * candidate.num_frames
    return candidate.start_frame - margin, candidate.end_frame + margin


def _overlap(frames: tuple[int, int], span: FrameSpan) -> bool:
    return max(frames[0], span.start_frame) < min(frames[1], span.end_frame)


def _refine(
    candidate: Candidate, strip: Strip, cells: Strip, times_s: Strip, cuts: Sequence[int]
) -> FrameSpan | None:
    """Move both ends to where the mixture starts and stops to advance; None where nothing is left."""
    length = candidate.num_frames
    low, high = _room(candidate, cuts, strip.num_frames)
    first, last = max(candidate.start_frame - 1, low), min(candidate.end_frame, high - 1)
    if last - first < MIN_FRAMES or not is_even(cells.between(first, last + 1)):
        return None
    if not is_flat(strip.between(first, last + 1)):
        return None
    small, first, last = cells.between(low, high), first - low, last - low
    line = small[last] - small[first]
    advance = np.diff(small @ line) / max(float(line @ line), 1e-6)
    moving = np.convolve(advance, np.full(3, 1 / 3), mode="same") * length > EDGE_RATE
    middle = (first + last) // 2
    still_before = np.flatnonzero(~moving[:middle])
    still_after = np.flatnonzero(~moving[middle:])
    start = int(still_before[-1]) + 2 if len(still_before) else 0
    end = middle + int(still_after[0]) if len(still_after) else high - low
    whole = slice(max(0, start - 1), min(end, high - low - 1) + 1)
    mixture, shown_s = small[whole], times_s.between(low, high)[whole]
    if end - start < MIN_FRAMES or not are_two_pictures(mixture[0], mixture[-1]):
        return None
    if not is_mixed(mixture, shown_s):
        return None
    span = FrameSpan(low + start, low + end)
    return None if _is_cut_off(span, cells, cuts) else span


def _is_cut_off(span: FrameSpan, cells: Strip, cuts: Sequence[int]) -> bool:
    """Whether a hard cut parts an end of a span from its shot, and a picture is seen at that end.

    A dissolve shows both of its shots for a while before and behind it.
    """
    before = any(0 <= span.start_frame - cut <= NEAR_CUT_FRAMES for cut in cuts)
    behind = any(0 <= cut - span.end_frame <= NEAR_CUT_FRAMES for cut in cuts)
    ends = [span.start_frame] * before + [span.end_frame - 1] * behind
    return any(not is_plain(cells.between(frame, frame + 1)[0]) for frame in ends)


def _room(candidate: Candidate, cuts: Sequence[int], num_frames: int) -> tuple[int, int]:
    """Frames ``[low, high)`` in which the transition must lie: its surroundings up to the next hard cuts."""
    low, high = room(candidate)
    margin = candidate.num_frames // 4
    for cut in cuts:
        if cut <= candidate.start_frame + margin:
            low = max(low, cut)
        elif cut >= candidate.end_frame - margin:
            high = min(high, cut)
    return max(0, low), min(num_frames, high)

"""Exact presentation times of frames as they leave the decoder, and what was wrong with them."""

from collections import Counter
from dataclasses import dataclass
from fractions import Fraction

BACKWARD_JUMP_S = 1.0
"""A timestamp that lies this far back starts a new timeline; a single one nearer is an error of its own."""
FORWARD_JUMP_S = 600.0
"""A frame that would be shown for longer than this is followed by a jump of the clock."""
LATE, JUMP_BACK = "with a timestamp not after the one before", "where timestamps jump back"
SOUND_JUMP = "beside which only the clock of the sound jumps"
MAX_DISTINCT_STEPS = 1024
MAX_TICKS = 1 << 60
"""A timestamp beyond this is none: sums of such would not fit 64 bits."""


@dataclass(frozen=True)
class Stretch:
    """Frames between two jumps of the clock, in ticks: what the file says plus ``shift`` is their pts.

    ``first`` is the file's timestamp of the first frame, ``last_before`` that of the frame before it.
    """

    first: int
    shift: int
    last_before: int | None = None

    @property
    def start_pts(self) -> int:
        """Repaired pts of the first frame."""
        return self.first + self.shift


class Timeline:
    """Gives each frame a pts above that of the frame before; the decoder's order is the display order.

    A missing pts continues with the frame before's duration; a repeated or earlier one moves to the next
    tick. A jump back of ``BACKWARD_JUMP_S`` or more, or of two frames in a row, as in joined recordings, and
    a jump ahead of ``FORWARD_JUMP_S`` shift what follows right behind the frame before. If the frame behind
    a jump back is on the old clock again, one was late, as a decoder holds it back over damage: no jump.
    """

    def __init__(self, time_base: Fraction) -> None:
        self._time_base = time_base
        self._longest_step = int(FORWARD_JUMP_S / time_base)
        self._shift = 0
        self._faults: Counter[str] = Counter()
        self._steps: Counter[int] = Counter()
        self._last: int | None = None
        self._duration = 0
        self._was_late = False
        self._stretches: list[Stretch] = []
        self._last_stored: int | None = None
        self._before_jump: tuple[int, int] | None = None

    @property
    def stretches(self) -> tuple[Stretch, ...]:
        """The stretches between jumps of the clock so far; sound and pictures have the same clock."""
        return tuple(self._stretches)

    @property
    def has_jumped(self) -> bool:
        """Whether the clock jumped so far, or that of the sound alone."""
        return len(self._stretches) > 1 or SOUND_JUMP in self._faults

    def begin_part(self) -> None:
        """The next frame is of another stream, in which the video goes on."""
        self._faults["behind which another stream goes on"] += 1

    def begin_files(self, num_files: int) -> None:
        """The video goes on in so many files more, put one behind the other, whose clock goes on too."""
        if num_files:
            self._faults["behind which another file goes on"] += num_files

    def see_sound_jumps(self, num_jumps: int) -> None:
        """The clock of the sound jumped so often so far where that of the pictures did not."""
        if num_jumps:
            self._faults[SOUND_JUMP] = num_jumps

    @property
    def repairs(self) -> str:
        """What was wrong, with counts; empty when nothing was."""
        return ", ".join(f"{count} frames {fault}" for fault, count in sorted(self._faults.items()))

    def place(self, pts: int | None, duration: int) -> int:
        """The pts of the next frame; ``duration`` in ticks, 0 when unknown."""
        placed = self._placed(pts)
        self._last_stored = pts if pts is not None else self._last_stored
        if self._last is not None:
            self._count(placed - self._last)
        self._last, self._duration = placed, duration if self._is_plausible(duration) else 0
        return placed

    def end(self, frame_duration: int) -> int:
        """Where the last frame ends: after its duration, else the median step, else ``frame_duration``."""
        if self._last is None:
            raise ValueError("a timeline without frames has no end")
        return self._last + max(1, self._duration or self._median() or frame_duration)

    @property
    def is_vfr(self) -> bool:
        """Whether steps between frames differ by more than timestamps rounded to this time base do."""
        return vary(self._steps)

    @property
    def steps(self) -> Counter[int]:
        """How often each step between frames came, in ticks; of the first ``MAX_DISTINCT_STEPS`` kinds."""
        return Counter(self._steps)

    @property
    def knows_end(self) -> bool:
        """Whether the last frame says how long it lasts."""
        return self._duration > 0

    def _placed(self, pts: int | None) -> int:
        if pts is not None and abs(pts) > MAX_TICKS:
            pts = None
        if self._last is None:
            self._stretches = [Stretch(pts or 0, 0)]
            return pts or 0
        step = self._duration or self._median() or 1
        if pts is None:
            self._faults["without a timestamp"] += 1
            return self._last + step
        self._undo_jump(pts)
        if pts + self._shift > self._last:
            self._was_late = False
            if self._is_plausible(pts + self._shift - self._last):
                return pts + self._shift
            return self._jumped(pts, step, "where timestamps jump ahead")
        is_single = not self._was_late
        self._was_late = True
        if is_single and (self._last - pts - self._shift) * self._time_base < BACKWARD_JUMP_S:
            self._faults[LATE] += 1
            return self._last + 1
        before = self._shift, self._last
        placed = self._jumped(pts, step, JUMP_BACK)
        self._before_jump = before
        return placed

    def _undo_jump(self, pts: int) -> None:
        """Go back to the clock before a jump of one frame, if the next one is on that clock again."""
        before, self._before_jump = self._before_jump, None
        if before is None or self._last is None:
            return
        (shift, last), a_second = before, BACKWARD_JUMP_S / self._time_base
        if pts + self._shift - self._last > a_second and 0 < pts + shift - last <= a_second:
            self._shift = shift
            self._stretches.pop()
            self._faults = self._faults + Counter([LATE]) - Counter([JUMP_BACK])

    def _is_plausible(self, step: int) -> bool:
        return step <= self._longest_step

    def _jumped(self, pts: int, step: int, fault: str) -> int:
        assert self._last is not None
        self._faults[fault] += 1
        self._shift = self._last + step - pts
        self._stretches.append(Stretch(pts, self._shift, self._last_stored))
        self._was_late = False
        return self._last + step

    def _count(self, step: int) -> None:
        if len(self._steps) < MAX_DISTINCT_STEPS or step in self._steps:  # bounded for any file
            self._steps[step] += 1

    def _median(self) -> int:
        return median_step(self._steps)


def vary(steps: Counter[int]) -> bool:
    """Whether steps between frames differ by more than timestamps rounded to their time base do."""
    if not steps:
        return False
    typical = median_step(steps)
    rounding = 1 if typical >= 4 else 0
    tolerance = max(rounding, typical * 0.02)
    return max(steps) - typical > tolerance or typical - min(steps) > tolerance


def median_step(steps: Counter[int]) -> int:
    """The median step between frames; 0 when there is none."""
    half, below = steps.total() / 2, 0
    for step in sorted(steps):
        below += steps[step]
        if below >= half:
            return step
    return 0

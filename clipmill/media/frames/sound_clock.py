"""Jumps of the clock of sound alone, and how they differ from missing sound. Pure.

Behind missing sound, a packet lies beside the pictures of its time, as the packets before did. Behind a jump
of its clock it lies beside the pictures that follow those before the jump. Programs that sort packets by time
put it behind these pictures instead: then the sound outlasts all pictures by as much as its clock jumped.
"""

from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Self

from clipmill.media.frames.timestamps import FORWARD_JUMP_S

JUMP_S = 1.0
"""What sound and its pictures lie apart in a file changes by less than this without a jump of a clock."""

USUAL_S = 5.0
"""Where sound lies further than this from its pictures in the file, these say nothing about its time."""

MOST_STEPS = 3
"""Of more steps, some explain by chance why sound and pictures do not end together."""

SMOOTHING = 8


@dataclass(frozen=True)
class SoundJump:
    """From packet ``number`` of a track on, ``shift_s`` is added to its times, in place of any before it."""

    number: int
    shift_s: float


@dataclass(frozen=True)
class _Step:
    """Sound that does not go on where it ended: at ``from_s`` in place of ``end_s``, from packet ``number``.

    ``lag_s`` is how far behind its pictures it usually lay, ``jitter_s`` the most that this was wrong by.
    ``by_place_s`` is what has to be added to its times so that it lies there again.
    """

    number: int
    from_s: float
    end_s: float
    lag_s: float
    jitter_s: float
    by_place_s: float = 0.0

    @property
    def follows_s(self) -> float:
        """What has to be added to its times so that it goes on where it ended."""
        return self.end_s - self.from_s

    @property
    def alone_s(self) -> float:
        """What has to be added to its times if either sound or pictures step without the other."""
        return self.follows_s or self.by_place_s

    def seen(self, lag_s: float) -> Self:
        """The step, behind which sound lies so far behind its pictures."""
        moved_s = lag_s - self.lag_s
        is_moved = abs(self.lag_s) <= USUAL_S and abs(moved_s) > max(JUMP_S, 2 * self.jitter_s)
        return replace(self, by_place_s=moved_s if is_moved else 0.0)


class SoundClock:
    """Follows the packets of one track in the order of the file, and finds the jumps of its clock alone.

    A step is decided upon behind a second of sound: pictures that jump as well do so by then.
    """

    def __init__(self) -> None:
        self._corrections: dict[int, float] = {}
        self._number = -1
        self._shift_s = 0.0
        self._end_s: float | None = None
        self._length_s = self._beside_s = self._lag_s = self._jitter_s = 0.0
        self._doubted: _Step | None = None
        self._left: list[_Step] = []
        self._goes_back = False

    @property
    def num_jumps(self) -> int:
        """How many jumps are known so far."""
        return len(self._corrections)

    @property
    def jumps(self) -> list[SoundJump]:
        """The jumps that are known so far, ascending; the last ones are known behind the ``end``."""
        numbers = sorted(self._corrections)
        shifts = accumulate(self._corrections[number] for number in numbers)
        return [SoundJump(number, shift) for number, shift in zip(numbers, shifts, strict=True)]

    def see(self, start_s: float, length_s: float, *, beside_s: float | None) -> None:
        """Takes in the next packet, which lies behind pictures of ``beside_s``; None if before all of them.

        A packet of more than a second is taken for one as long as the last: in an mp4 it fills a gap.
        """
        self._number += 1
        if beside_s is None:
            return
        self._length_s = length_s if length_s <= JUMP_S else self._length_s
        at_s, before_s = start_s + self._shift_s, self._end_s
        picture_step_s = beside_s - self._beside_s
        self._end_s, self._beside_s = at_s + self._length_s, beside_s
        if before_s is None:
            self._lag_s = beside_s - at_s
            return
        self._goes_back |= picture_step_s < -JUMP_S
        if abs(at_s - before_s) > JUMP_S:
            self._doubted = self._stepped(at_s, before_s)
        elif self._doubted is None and JUMP_S < picture_step_s < FORWARD_JUMP_S:
            self._doubted = self._stepped(at_s, at_s)
        if picture_step_s:
            self._see_lag(at_s, beside_s - at_s)

    def _see_lag(self, at_s: float, lag_s: float) -> None:
        """Takes in how far behind a picture the first packet of sound behind it is; others say nothing."""
        if self._doubted is not None and at_s - self._doubted.from_s >= JUMP_S:
            lag_s -= self._decide(self._doubted.seen(lag_s))
            self._lag_s = lag_s
        if self._doubted is None:
            self._jitter_s = max(self._jitter_s, abs(lag_s - self._lag_s))
            self._lag_s += (lag_s - self._lag_s) / SMOOTHING

    def end(self, pictures_end_s: float) -> None:
        """The last packet was seen, and the last picture ends at ``pictures_end_s``.

        Steps of sound or pictures alone are jumps if they explain why both do not end together. Where sound
        is missing besides, it goes by its place, if pictures go on there.
        """
        left = [*self._left, *([self._doubted] if self._doubted is not None else [])]
        if self._goes_back or len(left) > MOST_STEPS:
            return
        apart_s = pictures_end_s - (self._end_s or 0.0)
        for group in [*([step] for step in left), left]:
            if abs(apart_s) > JUMP_S and abs(sum(step.alone_s for step in group) - apart_s) <= JUMP_S:
                for step in group:
                    self._jump(step, step.alone_s)
                return
        for step in left:
            lies_s = step.from_s + step.by_place_s + step.lag_s
            if step.by_place_s and step.follows_s and lies_s < pictures_end_s - JUMP_S:
                self._jump(step, step.by_place_s)

    def _stepped(self, at_s: float, before_s: float) -> _Step | None:
        """The step that is in doubt now; None where the packets before had wrong times."""
        if self._doubted is None or not self._doubted.follows_s:  # pictures stepped a moment before
            return _Step(self._number, at_s, before_s, self._lag_s, self._jitter_s)
        is_back = abs(at_s - self._doubted.end_s) <= JUMP_S
        return None if is_back else replace(self._doubted, from_s=at_s)

    def _decide(self, step: _Step) -> float:
        """Returns what is added to times behind a step from now on."""
        self._doubted = None
        if not step.by_place_s or abs(step.follows_s - step.by_place_s) > JUMP_S:
            self._left.append(step)
            return 0.0
        self._end_s = (self._end_s or 0.0) + step.follows_s
        self._jump(step, step.follows_s)
        return step.follows_s

    def _jump(self, step: _Step, correction_s: float) -> None:
        """Add to all times from a step on."""
        self._corrections[step.number] = correction_s
        self._shift_s += correction_s

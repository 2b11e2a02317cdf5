"""Cuts of the content detector, where a shot network decides about those that are in doubt."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from clipmill.models.shots.base import ShotNetwork
from clipmill.records import Cuts, FrameSpan
from clipmill.shots.candidates import BEFORE_CUT, FROM_CUT
from clipmill.shots.content import ContentCutFinder, ContentOptions
from clipmill.shots.strip import Strip
from clipmill.shots.windows import CONTEXT, STRIDE, WINDOW_FRAMES

DOUBT, SURE = 0.02, 0.95
"""Probabilities of the content detector between which the network is asked."""
VETO = 0.005
"""What the network gives at least around a cut that stays: it gives dark and shaken ones little more."""


class VerifiedCutFinder:
    """Finds gradual transitions and sure cuts by content, and asks the network about cuts in doubt.

    A cut of the content detector is dropped where the network gives it less than ``VETO``. One that the
    content detector finds too unlikely is added where the network gives it ``accept`` or more. The network
    looks at the windows of its grid that hold a frame in doubt; ``num_windows`` counts them.
    """

    def __init__(self, network: ShotNetwork, *, content: ContentOptions, accept: float) -> None:
        hard = replace(content, find_gradual=False)
        self._network, self._accept = network, accept
        self._content = ContentCutFinder(content)
        self._doubting = ContentCutFinder(replace(hard, threshold=DOUBT))
        self._sure = ContentCutFinder(replace(hard, threshold=SURE))
        self._strip = Strip()
        self._answers: dict[int, np.ndarray] = {}  # by window
        self._hard: set[int] = set()
        self._doubted: set[int] = set()
        self._gradual: list[FrameSpan] = []  # not yet given
        self._given: list[FrameSpan] = []  # those that may reach beyond num_final
        self.latency_frames = self._content.latency_frames + WINDOW_FRAMES
        self.num_final = 0
        self.num_windows = 0

    def feed(self, thumbnails: np.ndarray, times_s: np.ndarray | None = None) -> Cuts:
        """Returns what the next frames make final, as ``ContentCutFinder`` does."""
        finders = (self._content, self._doubting, self._sure)
        self._strip.append(thumbnails)
        self._take(*(finder.feed(thumbnails, times_s) for finder in finders))
        return self._settled(min(finder.num_final for finder in finders), is_last=False)

    def finish(self) -> Cuts:
        """Returns what is left once the last frame was fed."""
        self._take(self._content.finish(), self._doubting.finish(), self._sure.finish())
        return self._settled(self._strip.num_frames + 1, is_last=True)

    def no_cut_until(self, frame: int) -> int:
        """Where ``num_final`` is: the network may add a cut."""
        return max(frame + 1, self.num_final)

    def _take(self, found: Cuts, doubted: Cuts, sure: Cuts) -> None:
        self._hard |= set(found.hard)
        self._gradual += found.gradual
        self._doubted = self._doubted.union(doubted.hard).difference(sure.hard)

    def _settled(self, horizon: int, *, is_last: bool) -> Cuts:
        """The cuts below ``horizon``, up to the first in doubt whose windows wait for frames."""
        num_seen = self._strip.num_frames
        due = sorted(cut for cut in self._doubted if cut < horizon)
        waiting = (cut for cut in due if not is_last and _windows_end(cut) > num_seen)
        end = next(waiting, horizon)
        asked = [cut for cut in due if cut < end]
        self._ask({number for cut in asked for number in _windows(cut)})
        self._judge(asked)
        hard = sorted(cut for cut in self._hard if cut < end)
        gradual = tuple(span for span in self._gradual if span.start_frame < end)
        self._given += gradual
        found = Cuts(tuple(cut for cut in hard if not self._is_within(cut)), gradual)
        self._forget(end)
        return found

    def _judge(self, asked: Iterable[int]) -> None:
        for cut in asked:
            probability = self._probability(cut)
            if probability >= self._accept:
                self._hard.add(cut)
            elif probability < VETO:
                self._hard.discard(cut)

    def _ask(self, windows: set[int]) -> None:
        new = sorted(windows - self._answers.keys())
        if not new:
            return
        answers = self._network.predict(np.stack([self._window(number) for number in new]))
        for number, answer in zip(new, answers, strict=True):
            self._answers[number] = answer[CONTEXT : CONTEXT + STRIDE]
        self.num_windows += len(new)

    def _window(self, number: int) -> np.ndarray:
        """Frames of a window; before its first and after its last frame a video stands still."""
        start = number * STRIDE - CONTEXT
        shown = np.clip(np.arange(start, start + WINDOW_FRAMES), 0, self._strip.num_frames - 1)
        return self._strip.between(int(shown[0]), int(shown[-1]) + 1)[shown - shown[0]]

    def _probability(self, cut: int) -> float:
        """The network's largest probability around a cut, rounded as ``MarkedRuns`` rounds."""
        frames = range(max(0, cut - BEFORE_CUT), cut + FROM_CUT)
        near = [self._answers[frame // STRIDE][frame % STRIDE] for frame in frames]
        return float(np.round(max(near), 6))

    def _is_within(self, cut: int) -> bool:
        return any(span.start_frame < cut < span.end_frame for span in self._given)

    def _forget(self, end: int) -> None:
        self.num_final = end
        self._hard = {cut for cut in self._hard if cut >= end}
        self._doubted = {cut for cut in self._doubted if cut >= end}
        self._gradual = [span for span in self._gradual if span.start_frame >= end]
        self._given = [span for span in self._given if span.end_frame > end]
        first = max(0, end - BEFORE_CUT) // STRIDE
        self._answers = {number: answer for number, answer in self._answers.items() if number >= first}
        self._strip.drop_before(min(first * STRIDE - CONTEXT, self._strip.num_frames - 1))


def _windows(cut: int) -> range:
    """The windows that answer for the frames around a cut."""
    return range(max(0, cut - BEFORE_CUT) // STRIDE, (cut + FROM_CUT - 1) // STRIDE + 1)


def _windows_end(cut: int) -> int:
    """The frame behind the last one that these windows show."""
    return _windows(cut)[-1] * STRIDE - CONTEXT + WINDOW_FRAMES

"""Which of several copies of one shot is the best one.

The choice takes all copies of a group at once, so that it depends neither on their order nor on pairs that
disagree: first those that are only a part of another one go, then those that were edited; then
pictures of one size, then each size's best from the smallest picture to the largest.

- Of one size: the clearly sharper ones, of these the ones with the smallest bars, then the longest, then of
  each codec the one with the highest bit rate, and last the smallest id.
- Of two sizes: the larger picture if it is sharper when both are shown at the smaller size. A larger one that
  is not sharper there was enlarged.

Without sketches the sharpness of the whole picture says whether a larger one was enlarged. What is not known
decides nothing: of two sizes of unknown sharpness the larger one is better.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from math import log

from clipmill.dedup.copies.edits import Edit
from clipmill.dedup.copies.fingerprints import Sketch
from clipmill.dedup.copies.sharpness import sharper_by

SAME_SIZE = 1.05
"""Pictures are of one size up to this ratio of their pixels: bars are found to a line or two."""
CLEARLY_SHARPER = 0.1
"""Logarithm of the energy of detail; clips sampled at other instants differ by 0.08 at most (docs)."""
LARGER_IS_SHARPER = 0.05
"""Copies shrunk by half or a quarter lose 0.14 and more; enlarged ones gain 0.01 at most."""
ENLARGED = 2.4
"""Enlarging by a factor lowers the log-variance of the Laplacian by 2.7 to 4.2 times the factor's logarithm;
larger originals are at most 2.1 times below their shrunk copies (docs)."""
SAME_BARS = 0.02
SAME_LENGTH, SAME_LENGTH_S = 0.01, 0.1
PART = 0.45
"""A clip shorter than this share of another one is a part of it: it never stays in place of the whole."""


class Advantage(StrEnum):
    """Why one of two copies is kept."""

    NO_OVERLAY = "no text or logo over it"
    NOT_SHARPENED = "not sharpened"
    SHARPER = "sharper"
    LARGER = "larger picture"
    NOT_ENLARGED = "as sharp without being enlarged"
    SMALLER_BARS = "smaller bars"
    LONGER = "longer"
    BIT_RATE = "higher bit rate"
    ID = "smaller id"
    GROUP = "best of its group"


@dataclass(frozen=True)
class Facts:
    """What a table of clips says of one; None where it does not.

    ``num_pixels`` is of the clip's file, ``bars`` the share of its pictures that is black, 0..1.
    ``sharpness`` is the log-variance of the Laplacian, which compares only clips of one length.
    """

    num_pixels: float | None = None
    bars: float | None = None
    sharpness: float | None = None
    length_s: float | None = None
    bit_rate: float | None = None
    codec: str | None = None


NOTHING_KNOWN = Facts()


@dataclass(frozen=True, eq=False)
class ClipCopy:
    """One clip of a group of copies; ``edit`` is what was done to it alone."""

    id: str
    sketch: Sketch | None = field(default=None, repr=False)
    facts: Facts = NOTHING_KNOWN
    edit: Edit | None = None

    @property
    def num_frames(self) -> int:
        """Sampled frames that its sketch stands for; 0 without one."""
        return 0 if self.sketch is None else self.sketch.step * self.sketch.views.shape[1]

    @property
    def picture_pixels(self) -> float:
        """Pixels between the bars; 0 where they are not known."""
        if self.sketch is not None and self.sketch.detail is not None:
            width, height = self.sketch.detail.picture_px
            return float(width * height)
        return (self.facts.num_pixels or 0.0) * (1 - (self.facts.bars or 0.0))

    @property
    def bars(self) -> float | None:
        """Share of the picture that is bars, 0..1."""
        if self.sketch is not None and self.sketch.detail is not None:
            width, height = self.sketch.detail.frame_px
            return 1 - self.picture_pixels / max(width * height, 1)
        return self.facts.bars


def best_copy(copies: Sequence[ClipCopy]) -> ClipCopy:
    """Returns the one of ``copies`` that is kept, whatever order they come in."""
    best, *larger = (_best_of_one_size(same) for same in _by_size(_unedited(_wholes(copies))))
    for one in larger:
        best = one if _is_worth_its_size(one, best) else best
    return best


def in_order(copies: Sequence[ClipCopy]) -> list[ClipCopy]:
    """Returns the copies, the best first, then the best of what is left."""
    left, found = list(copies), list[ClipCopy]()
    while left:
        found.append(best_copy(left))
        left.remove(found[-1])
    return found


def advantage(keeper: ClipCopy, other: ClipCopy) -> Advantage:
    """Returns why ``keeper`` is better than the ``other``, or that only the group says so."""
    why, is_keepers = _first_difference(keeper, other)
    return why if is_keepers else Advantage.GROUP


def _first_difference(one: ClipCopy, other: ClipCopy) -> tuple[Advantage, bool]:
    """What tells the two apart, and whether it speaks for ``one``."""
    if len(whole := _wholes([one, other])) == 1:
        return Advantage.LONGER, whole[0] is one
    if len(left := _unedited([one, other])) == 1:
        return _WITHOUT[one.edit or other.edit], left[0] is one
    if not _is_of_size(max(one.picture_pixels, other.picture_pixels), of=_smaller(one, other)):
        larger, smaller = (other, one) if one is _smaller_of(one, other) else (one, other)
        sharper = _gain(larger, smaller)
        if sharper is None or sharper >= LARGER_IS_SHARPER:
            return Advantage.LARGER, larger is one
        is_clear = sharper <= -CLEARLY_SHARPER
        return Advantage.SHARPER if is_clear else Advantage.NOT_ENLARGED, smaller is one
    for why, keep in _CRITERIA:
        left = keep([one, other])
        if len(left) == 1:
            return why, left[0] is one
    return Advantage.ID, one.id < other.id


def _wholes(copies: Sequence[ClipCopy]) -> list[ClipCopy]:
    """Those that are no small part of the longest; lengths are the table's, or else those of the sketches."""
    lengths = [copy.facts.length_s for copy in copies]
    if lengths.count(None) == len(lengths):
        lengths = [float(copy.num_frames) or None for copy in copies]
    least = PART * max((length for length in lengths if length is not None), default=0.0)
    return [copy for copy, length in zip(copies, lengths, strict=True) if length is None or length >= least]


def _unedited(copies: Sequence[ClipCopy]) -> Sequence[ClipCopy]:
    return [copy for copy in copies if copy.edit is None] or copies


def _smaller_of(one: ClipCopy, other: ClipCopy) -> ClipCopy:
    return one if one.picture_pixels <= other.picture_pixels else other


def _smaller(one: ClipCopy, other: ClipCopy) -> float:
    return _smaller_of(one, other).picture_pixels


def _by_size(copies: Sequence[ClipCopy]) -> Iterator[list[ClipCopy]]:
    """Yields the copies of each size, the smallest pictures first."""
    same = list[ClipCopy]()
    for one in sorted(copies, key=lambda copy: (copy.picture_pixels, copy.id)):
        if same and not _is_of_size(one.picture_pixels, of=same[0].picture_pixels):
            yield same
            same = []
        same.append(one)
    yield same


def _is_of_size(num_pixels: float, *, of: float) -> bool:
    return num_pixels <= SAME_SIZE * of


def _is_worth_its_size(larger: ClipCopy, smaller: ClipCopy) -> bool:
    sharper = _gain(larger, smaller)
    return sharper is None or sharper >= LARGER_IS_SHARPER


def _gain(larger: ClipCopy, smaller: ClipCopy) -> float | None:
    """What the larger picture shows more, as ``sharper_by``; without sketches by the sharpness of both."""
    by_sketch = sharper_by(larger.sketch, smaller.sketch)
    ours, theirs = larger.facts.sharpness, smaller.facts.sharpness
    if by_sketch is not None or ours is None or theirs is None or len(_longest([larger, smaller])) == 1:
        return by_sketch
    enlarged_by = log(larger.picture_pixels / max(smaller.picture_pixels, 1.0)) / 2
    return LARGER_IS_SHARPER if ours - theirs >= -ENLARGED * enlarged_by else 0.0


def _best_of_one_size(copies: list[ClipCopy]) -> ClipCopy:
    for _, keep in _CRITERIA:
        copies = keep(copies)
    return min(copies, key=lambda copy: copy.id)


def _sharpest(copies: list[ClipCopy]) -> list[ClipCopy]:
    """Those that are not clearly less sharp than another one."""
    if len(copies) == 1:
        return copies
    levels = _levels(copies)
    least = max((level for level in levels if level is not None), default=0.0) - CLEARLY_SHARPER
    return [copy for copy, level in zip(copies, levels, strict=True) if level is None or level > least]


def _levels(copies: list[ClipCopy]) -> list[float | None]:
    """How sharp copies are, beside the longest one with a detailed sketch; where none has one, by columns."""
    measured = [copy for copy in copies if copy.sketch is not None and copy.sketch.detail is not None]
    if measured:
        longest = min(measured, key=lambda copy: (-copy.num_frames, copy.id))
        return [0.0 if copy is longest else sharper_by(copy.sketch, longest.sketch) for copy in copies]
    are_as_long = len(_longest(copies)) == len(copies)
    return [copy.facts.sharpness if are_as_long else None for copy in copies]


def _least_barred(copies: list[ClipCopy]) -> list[ClipCopy]:
    known = [copy.bars for copy in copies if copy.bars is not None]
    most = min(known, default=0.0) + SAME_BARS
    return [copy for copy in copies if copy.bars is None or copy.bars <= most]


def _longest(copies: list[ClipCopy]) -> list[ClipCopy]:
    known = [copy.facts.length_s for copy in copies if copy.facts.length_s is not None]
    longest_s = max(known, default=0.0)
    least_s = longest_s - max(SAME_LENGTH_S, SAME_LENGTH * longest_s)
    return [copy for copy in copies if copy.facts.length_s is None or copy.facts.length_s >= least_s]


def _highest_rates(copies: list[ClipCopy]) -> list[ClipCopy]:
    """Of each codec the highest bit rate: rates of two codecs say nothing of each other."""
    highest = dict[str | None, float]()
    for copy in copies:
        codec, rate = copy.facts.codec, copy.facts.bit_rate or 0.0
        highest[codec] = max(highest.get(codec, 0.0), rate)
    return [copy for copy in copies if (copy.facts.bit_rate or 0.0) >= highest[copy.facts.codec]]


_WITHOUT: Mapping[Edit | None, Advantage] = {
    Edit.OVERLAY: Advantage.NO_OVERLAY,
    Edit.SHARPENED: Advantage.NOT_SHARPENED,
}
_CRITERIA: tuple[tuple[Advantage, Callable[[list[ClipCopy]], list[ClipCopy]]], ...] = (
    (Advantage.SHARPER, _sharpest),
    (Advantage.SMALLER_BARS, _least_barred),
    (Advantage.LONGER, _longest),
    (Advantage.BIT_RATE, _highest_rates),
)

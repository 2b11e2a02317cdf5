"""Which of several copies of one shot is the best one.

The choice takes all copies of a group at once, so that it depends neither on their order nor on pairs that
disagree: first those that are only a part of another one go, then those that were edited; then
pictures of one size, then each size's best from the smallest picture to the largest.

- Of one size: the clearly sharper ones, of these the ones with the smallest bars, then the longest, then the
  ones that lost less in coding, that have sound, that have more levels, then of each codec the ones with
  the highest bit rate and the largest file, which has more sound, and last the smallest id.
- Of two sizes: the larger picture if it is sharper when both are shown at the smaller size. A larger one that
  is not sharper there was enlarged; one that is higher only is larger.

Without sketches the sharpness of the whole picture says whether a larger one was enlarged. What is not known
decides nothing: of two sizes of unknown sharpness the larger one is better.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from math import inf, log

from clipmill.dedup.clip_copy import NOTHING_KNOWN, ClipCopy, Facts
from clipmill.dedup.copies.edits import Edit
from clipmill.dedup.copies.fingerprints import Sketch
from clipmill.dedup.copies.sharpness import finer_by, sharper_by

SAME_SIZE = 1.05
"""Pictures are of one size up to this ratio of their pixels: bars are found to a line or two."""
CLEARLY_SHARPER = 0.1
"""Logarithm of the energy of detail; clips sampled at other instants differ by 0.08 at most (docs)."""
FINER = 0.006
"""As ``CLEARLY_SHARPER``, of the same frames: a copy at a higher bit rate still lost 0.014 (docs)."""
FEW_BITS = 0.5
LARGER_IS_SHARPER = 0.05
"""Copies shrunk by half or a quarter lose 0.14 and more; enlarged ones gain 0.01 at most."""
ENLARGED = 2.4
"""Enlarging by a factor lowers the log-variance of the Laplacian by 2.7 to 4.2 times the factor's logarithm;
larger originals are at most 2.1 times below their shrunk copies (docs)."""
SAME_BARS = 0.02
SAME_LENGTH, SAME_LENGTH_S = 0.01, 0.1
PART = 0.45
"""A clip shorter than this share of another one is a part of it: it never stays in place of the whole."""

Levels = list[float | None]


class Advantage(StrEnum):
    """Why one of two copies is kept."""

    NO_OVERLAY = "no text or logo over it"
    WHOLE_PICTURE = "not cropped"
    NOT_SHARPENED = "not sharpened"
    SHARPER = "sharper"
    LARGER = "larger picture"
    NOT_ENLARGED = "as sharp without being enlarged"
    SMALLER_BARS = "smaller bars"
    LONGER = "longer"
    FINER = "less lost in coding"
    SOUND = "has sound"
    DEPTH = "more levels or colours"
    BIT_RATE = "higher bit rate"
    BYTES = "larger file"
    ID = "smaller id"
    GROUP = "best of its group"


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
    smaller, larger = sorted((one, other), key=lambda copy: copy.picture_pixels)
    if not _is_of_size(larger.picture_pixels, of=smaller.picture_pixels):
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
    if by_sketch is not None and abs(by_sketch) < CLEARLY_SHARPER and _are_as_wide(larger, smaller):
        return None
    ours, theirs = larger.facts.sharpness, smaller.facts.sharpness
    if by_sketch is not None or ours is None or theirs is None or len(_longest([larger, smaller])) == 1:
        return by_sketch
    enlarged_by = log(larger.picture_pixels / max(smaller.picture_pixels, 1.0)) / 2
    return LARGER_IS_SHARPER if ours - theirs >= -ENLARGED * enlarged_by else 0.0


def _are_as_wide(one: ClipCopy, other: ClipCopy) -> bool:
    """True where the one is higher only: detail is measured along rows."""
    details = [copy.detail for copy in (one, other)]
    widths = sorted(detail.picture_px[0] for detail in details if detail)
    return len(widths) == 2 and widths[1] <= SAME_SIZE * widths[0]


def _best_of_one_size(copies: list[ClipCopy]) -> ClipCopy:
    for _, keep in _CRITERIA:
        copies = keep(copies)
    return min(copies, key=lambda copy: copy.id)


def _sharpest(copies: list[ClipCopy]) -> list[ClipCopy]:
    """Those that are not clearly less sharp than another one; without sketches by columns."""
    if any(copy.detail for copy in copies):
        levels = _levels(copies, sharper_by)
    else:
        are_as_long = len(_longest(copies)) == len(copies)
        levels = [copy.facts.sharpness if are_as_long else None for copy in copies]
    return _near(copies, levels, to=levels, margin=CLEARLY_SHARPER)


def _finest(copies: list[ClipCopy]) -> list[ClipCopy]:
    """Those that lost no more in coding than another one, as far as the same frames show it.

    What a copy of few bits shows beyond another one of its codec is noise, and takes nothing from that one.
    """
    levels, most = _levels(copies, finer_by), _most(copies, _num_bits)
    of_many_bits = [
        level if (copy.facts.num_bits or inf) >= FEW_BITS * most[copy.facts.codec] else None
        for copy, level in zip(copies, levels, strict=True)
    ]
    return _near(copies, levels, to=of_many_bits, margin=FINER)


def _levels(copies: list[ClipCopy], by: Callable[[Sketch | None, Sketch | None], float | None]) -> Levels:
    """How much copies show, beside the longest one with a detailed sketch."""
    measured = [copy for copy in copies if copy.detail]
    longest = min(measured, key=lambda copy: (-copy.num_frames, copy.id), default=None)
    return [0.0 if copy is longest else by(copy.sketch, longest and longest.sketch) for copy in copies]


def _near(copies: list[ClipCopy], levels: Levels, *, to: Levels, margin: float) -> list[ClipCopy]:
    """Those within the margin of the highest level ``to`` which all are held; unknown levels are, too."""
    least = max((level for level in to if level is not None), default=-inf) - margin
    return [copy for copy, level in zip(copies, levels, strict=True) if level is None or level > least]


def _least_barred(copies: list[ClipCopy]) -> list[ClipCopy]:
    known = [copy.bars for copy in copies if copy.bars is not None]
    most = min(known, default=0.0) + SAME_BARS
    return [copy for copy in copies if copy.bars is None or copy.bars <= most]


def _longest(copies: list[ClipCopy]) -> list[ClipCopy]:
    known = [copy.facts for copy in copies if copy.facts.length_s is not None]
    longest = max(known, key=lambda facts: facts.length_s or 0.0, default=NOTHING_KNOWN)
    return [copy for copy in copies if _is_as_long(copy.facts, longest)]


def _is_as_long(one: Facts, longest: Facts) -> bool:
    """To a frame at least; the same frames shown faster are as long, too."""
    if one.length_s is None or longest.length_s is None:
        return True
    frame_s = max((facts.length_s or 0.0) / (facts.num_frames or inf) for facts in (one, longest))
    if one.length_s >= longest.length_s - max(SAME_LENGTH_S, SAME_LENGTH * longest.length_s, frame_s):
        return True
    apart = abs((one.num_frames or 0.0) - (longest.num_frames or inf))
    return apart <= SAME_LENGTH * (one.num_frames or 0.0)


def _with_sound(copies: list[ClipCopy]) -> list[ClipCopy]:
    return [copy for copy in copies if copy.facts.has_sound] or copies


def _deepest(copies: list[ClipCopy]) -> list[ClipCopy]:
    deepest = max(copy.facts.depth or 0.0 for copy in copies)
    return [copy for copy in copies if copy.facts.depth in (None, deepest)]


def _of_most_bits(copies: list[ClipCopy]) -> list[ClipCopy]:
    return _of_most(copies, _num_bits)


def _of_largest_files(copies: list[ClipCopy]) -> list[ClipCopy]:
    return _of_most(copies, lambda copy: copy.facts.num_bytes or 0.0)


def _of_most(copies: list[ClipCopy], amount: Callable[[ClipCopy], float]) -> list[ClipCopy]:
    """Of each codec those of most: bits of two codecs say nothing of each other."""
    most = _most(copies, amount)
    return [copy for copy in copies if amount(copy) >= most[copy.facts.codec]]


def _most(copies: list[ClipCopy], amount: Callable[[ClipCopy], float]) -> Mapping[str | None, float]:
    """The most of each codec; copies are as long as each other, or show the same frames."""
    most = dict[str | None, float]()
    for copy in copies:
        most[copy.facts.codec] = max(most.get(copy.facts.codec, 0.0), amount(copy))
    return most


def _num_bits(copy: ClipCopy) -> float:
    return copy.facts.num_bits or 0.0


_WITHOUT: Mapping[Edit | None, Advantage] = {
    Edit.OVERLAY: Advantage.NO_OVERLAY,
    Edit.CROPPED: Advantage.WHOLE_PICTURE,
    Edit.SHARPENED: Advantage.NOT_SHARPENED,
}
_CRITERIA: tuple[tuple[Advantage, Callable[[list[ClipCopy]], list[ClipCopy]]], ...] = (
    (Advantage.SHARPER, _sharpest),
    (Advantage.SMALLER_BARS, _least_barred),
    (Advantage.LONGER, _longest),
    (Advantage.FINER, _finest),
    (Advantage.SOUND, _with_sound),
    (Advantage.DEPTH, _deepest),
    (Advantage.BIT_RATE, _of_most_bits),
    (Advantage.BYTES, _of_largest_files),
)

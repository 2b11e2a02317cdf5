"""Which of two copies of a shot is sharper, compared at the smaller one's size and at the same instants."""

import numpy as np
import numpy.typing as npt

from clipmill.dedup.copies.alignment import evened_coarse
from clipmill.dedup.copies.fingerprints import Detail, Sketch
from clipmill.dedup.copies.time_alignment import Timing, find_timing, half_steps

_BANDS = 8  # two octaves: what a copy loses first
_LEAST_BANDS = 4
_NOISE = 0.05  # squared levels in a band that rounding to whole levels makes
_LEAST_DETAIL = 0.2  # squared levels in a band, below which a clip says nothing
_LEAD = 0.1  # copies sampled at other instants differ by less
_USUAL_BLOCKS = 1.25  # by so much the steps at block borders of copies differ without being seen

Variances = npt.NDArray[np.float32]


def sharper_by(one: Sketch | None, other: Sketch | None) -> float | None:
    """Returns how much more fine detail ``one`` shows, as a logarithm; negative where it is the ``other``.

    0.1 is 10 % more energy in the two octaves below the finest detail that the smaller picture can show,
    without the last quarter of an octave: there interpolation and coding noise decide. A lead that comes
    with steps at block borders counts against its copy. None where a sketch has no detail, the two share no
    stretch of time, or both are smooth.
    """
    if one is None or other is None or one.detail is None or other.detail is None:
        return None
    timing = _timing(one, other)
    bands = _compared_bands(one.detail, other.detail)
    if timing is None or bands is None:
        return None
    step = max(one.step, other.step)
    own = half_steps(_variances(one.detail, step // one.step, bands))[timing.half_steps]
    others = _variances(other.detail, step // other.step, bands)[timing.frames]
    seen = ~(np.isnan(own) | np.isnan(others)).any(axis=1)
    if not seen.any():
        return None
    ours, theirs = (each[seen].mean(axis=0, dtype=np.float64) for each in (own, others))
    if np.maximum(ours, theirs).mean() < _LEAST_DETAIL:
        return None
    ratios = np.log((ours + _NOISE) / (theirs + _NOISE)).clip(-1, 1)
    return round(_without_blocks(float(ratios.mean()), _more_blocks(one.detail, other.detail)), 6)


def _timing(one: Sketch, other: Sketch) -> Timing | None:
    step = max(one.step, other.step)
    pictures = [each.thinned(step)[0].astype(np.float32) for each in (one, other)]
    if one.either_way and other.either_way:
        pictures = [(each + each[..., ::-1]) / 2 for each in pictures]
    return find_timing(*(evened_coarse(each) for each in pictures))


def _compared_bands(one: Detail, other: Detail) -> slice | None:
    last = min(one.num_bands, other.num_bands) - 1
    return slice(max(0, last - _BANDS), last) if last >= _LEAST_BANDS else None


def _variances(detail: Detail, thinning: int, bands: slice) -> Variances:
    """Of every n-th frame; NaN where its pixels cannot show a band."""
    levels = detail.levels[::thinning, bands]
    return np.where(levels > 0, detail.variances()[::thinning, bands], np.float32(np.nan))


def _without_blocks(sharper: float, more_blocks: float) -> float:
    """How much sharper one copy is, counted against it where blocks may have made its lead.

    Without a lead blocks say nothing: a picture that moves across their grid has steps of its own there.
    """
    has_made_it = sharper * more_blocks > 0 and abs(sharper) >= _LEAD
    return sharper - more_blocks if has_made_it else sharper


def _more_blocks(one: Detail, other: Detail) -> float:
    """By how much ``one`` shows more blocks than the ``other``, beyond what is usual; negative likewise."""
    more = float(np.log(max(one.blockiness, 1.0) / max(other.blockiness, 1.0)))
    return float(np.sign(more)) * max(0.0, abs(more) - float(np.log(_USUAL_BLOCKS)))

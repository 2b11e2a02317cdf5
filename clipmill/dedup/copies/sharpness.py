"""Which of two copies of a shot is sharper, compared at the smaller one's size and at the same instants."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clipmill.dedup.copies.alignment import evened_coarse
from clipmill.dedup.copies.fingerprints import Detail, Sketch
from clipmill.dedup.copies.time_alignment import Timing, find_timing, half_steps

_BANDS = 8  # two octaves: what a copy loses first
_LEAST_BANDS = 4
_COARSE = 4  # bands that show contrast
_NOISE = 0.05  # squared levels in a band that rounding to whole levels makes
_LEAST_DETAIL = 0.2  # squared levels in a band, below which a clip says nothing
_SAME_FRAMES = 0.005  # squared deviations between coded copies of the same frames; others differ by more
_LEAD = 0.1  # copies sampled at other instants differ by less
_SAME_SIZE = 1.05  # as ``best_copy``
_ZONE_NOISE, _LEAST_IN_ZONE = 0.3, 1.0  # squared levels
_USUAL_BLOCKS = 1.25  # by so much the steps at block borders of copies differ without being seen

Variances = npt.NDArray[np.float32]


def sharper_by(one: Sketch | None, other: Sketch | None) -> float | None:
    """Returns how much more fine detail ``one`` shows, as a logarithm; negative where it is the ``other``.

    0.1 is 10 % more energy in the two octaves below the finest detail that the smaller picture can show,
    without the last quarter of an octave: there interpolation and coding noise decide. A lead that comes
    with steps at block borders counts against its copy, and neither contrast nor what only some zones of the
    picture show makes one. None where a sketch has no detail, the two share no
    stretch of time, or both are smooth.
    """
    if one is None or other is None or one.detail is None or other.detail is None:
        return None
    timing = _timing(one, other)
    shared = None if timing is None else band_gains(one, other, timing)
    if shared is None or len(shared) <= _LEAST_BANDS:
        return None
    compared = slice(max(0, len(shared) - 1 - _BANDS), len(shared) - 1)
    if shared.detail[compared].mean() < _LEAST_DETAIL:
        return None
    leads: list[float] = []
    for contrast in (0.0, shared.contrast):
        by_rows = shared.gains[compared] + shared.contrast - contrast
        leads.append(float(by_rows.clip(-1, 1).mean()))
        by_zone = zone_gains(one.detail, other.detail, contrast=contrast)
        leads += [] if by_zone is None or not len(by_zone) else [float(np.median(by_zone))]
    return round(_without_blocks(_shared_lead(leads), _more_blocks(one.detail, other.detail)), 6)


def finer_by(one: Sketch | None, other: Sketch | None) -> float | None:
    """Returns how much more fine detail ``one`` shows of the same frames, as ``sharper_by`` without contrast.

    Each coding takes some: of two copies the finer one is nearer to the original. None where other frames
    were sampled, which differ by more.
    """
    timing = _timing(one, other) if one and other else None
    if one is None or other is None or timing is None or not _are_of_same_frames(timing):
        return None
    shared = band_gains(one, other, timing)
    if shared is None or len(shared) <= _COARSE + _BANDS:
        return None
    compared = slice(len(shared) - 1 - _BANDS, len(shared) - 1)
    is_smooth = shared.detail[compared].mean() < _LEAST_DETAIL
    return None if is_smooth else round(float(shared.gains[compared].mean()), 6)


def _are_of_same_frames(timing: Timing) -> bool:
    is_at_once = timing.half_steps[0] % 2 == 0 and bool((np.diff(timing.half_steps) == 2).all())
    return is_at_once and timing.distance <= _SAME_FRAMES


@dataclass(frozen=True)
class BandGains:
    """How much more one copy shows of each band that both can show ``(B,)``, as a logarithm of energy.

    Without ``contrast``, by which it shows more of everything. ``detail`` is the larger of both, ``least``
    the smaller one, in squared levels.
    """

    gains: npt.NDArray[np.float64]
    detail: npt.NDArray[np.float64]
    least: npt.NDArray[np.float64]
    contrast: float

    def __len__(self) -> int:
        return len(self.gains)


def band_gains(one: Sketch, other: Sketch, timing: Timing) -> BandGains | None:
    """Returns how much more ``one`` shows at the same instants; None where nothing is measured at any."""
    if one.detail is None or other.detail is None:
        return None
    step, shared = max(one.step, other.step), min(one.detail.num_bands, other.detail.num_bands)
    own = half_steps(_variances(one.detail, step // one.step, shared))[timing.half_steps]
    others = _variances(other.detail, step // other.step, shared)[timing.frames]
    seen = ~(np.isnan(own) | np.isnan(others)).any(axis=1)
    if not seen.any():
        return None
    ours, theirs = (each[seen].mean(axis=0, dtype=np.float64) for each in (own, others))
    gains = np.log((ours + _NOISE) / (theirs + _NOISE))
    contrast = float(gains[:_COARSE].mean()) if shared > _COARSE + _BANDS + _LEAST_BANDS else 0.0
    return BandGains(gains - contrast, np.maximum(ours, theirs), np.minimum(ours, theirs), contrast)


def zone_gains(
    one: Detail | None, other: Detail | None, *, contrast: float
) -> npt.NDArray[np.float32] | None:
    """Returns how much more each zone with detail shows in ``one``, least detail of the ``other`` first.

    As a logarithm, without ``contrast``. None for pictures of two sizes, whose zones say nothing of each
    other, and where zones are not known.
    """
    if one is None or other is None:
        return None
    sizes = sorted(width * height for width, height in (one.picture_px, other.picture_px))
    if sizes[1] > _SAME_SIZE * sizes[0] or not (len(one.zones) and len(other.zones)):
        return None
    ours, theirs = one.zone_variances(), other.zone_variances()
    seen = np.maximum(ours, theirs) > _LEAST_IN_ZONE
    gains = np.log((ours[seen] + _ZONE_NOISE) / (theirs[seen] + _ZONE_NOISE))
    return gains[np.argsort(theirs[seen], kind="stable")] - np.float32(contrast)


def _shared_lead(leads: Sequence[float]) -> float:
    """The smallest of leads of one sign, else 0: contrast raises all, an overlay those of few zones."""
    return min(leads) if min(leads) > 0 else min(0.0, max(leads))


def _timing(one: Sketch, other: Sketch) -> Timing | None:
    step = max(one.step, other.step)
    pictures = [each.thinned(step)[0].astype(np.float32) for each in (one, other)]
    if one.either_way and other.either_way:
        pictures = [(each + each[..., ::-1]) / 2 for each in pictures]
    return find_timing(*(evened_coarse(each) for each in pictures))


def _variances(detail: Detail, thinning: int, num_bands: int) -> Variances:
    """Of every n-th frame; NaN where its pixels cannot show a band."""
    levels = detail.levels[::thinning, :num_bands]
    return np.where(levels > 0, detail.variances()[::thinning, :num_bands], np.float32(np.nan))


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

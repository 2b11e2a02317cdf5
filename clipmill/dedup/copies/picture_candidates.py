"""Clips that may be copies because one of two pictures of the one looks like a picture of the other.

The embedding of a clip is a mean over its time: it says little about its parts, and less where two clips have
half of their time in common. Of real films, beside the pairs whose embeddings are at least 0.3 alike: all
other copies (26 of 516 with about half in common, 81 of 144 parts of a longer clip), and 0.6 % of the pairs
of different footage. Embeddings that are 0.2 alike miss 6 and 58 of these, and propose 3 % more pairs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clipmill.dedup.candidates import NONE, Candidates, best_of, joined
from clipmill.dedup.copies.alignment import looks_of
from clipmill.dedup.copies.fingerprints import Pictures, Sketch
from clipmill.dedup.copies.time_alignment import LEAST_SHARE
from clipmill.dedup.vectors import Indices, round_scores

_LEAST_ALIKE = 0.7  # correlation of a probe with the likest picture of the other clip
_MOST = 4  # other clips that are looked at for each clip
_PROBES = (0.25, 0.75)  # of the clip's length
_CLIPS_AT_ONCE = 64

MayGo = Callable[[Indices, Indices], npt.NDArray[np.bool_]]
"""Of clips ``(B,)`` and others ``(L,)``: which ``(B, L)`` of the pairs are looked at."""


@dataclass(frozen=True)
class _Clips:
    """Some of the clips of a list: their places ``(N,)``, their lengths in sampled frames and their pictures.

    ``views`` are pictures without bars and with them, ``(P, 64)``; those of a clip begin at ``starts``.
    """

    places: Indices
    lengths: Indices
    views: tuple[Pictures, Pictures]
    starts: Indices

    @classmethod
    def of(cls, sketches: Sequence[Sketch | None]) -> "_Clips":
        """Those that have a sketch."""
        chosen = [(place, one) for place, one in enumerate(sketches) if one]
        counts = np.array([one.views.shape[1] for _, one in chosen], np.intp)
        first, last = (
            np.concatenate([np.zeros((0, 64), np.float32), *(looks_of(one.views[view]) for _, one in chosen)])
            for view in (0, -1)
        )
        return cls(
            np.array([place for place, _ in chosen], np.intp),
            np.array([one.step * one.views.shape[1] for _, one in chosen], np.intp),
            (first, last),
            np.cumsum(counts) - counts,
        )

    def probes(self, chosen: slice, view: Pictures) -> Pictures:
        """Two pictures of each of some clips, ``(B, 2, 64)``."""
        starts = self.starts[chosen]
        counts = np.diff([*self.starts, len(view)])[chosen]
        at = [starts + (share * counts).astype(np.intp) for share in _PROBES]
        return view[np.stack(at, axis=1)]


def picture_candidates(
    sketches: Sequence[Sketch | None], others: Sequence[Sketch | None], *, may_go: MayGo
) -> Candidates:
    """Of each of N clips the few of M others that it may repeat, with the likeness of its likest probe.

    The other one may be longer: the clip is then a part of it.
    """
    clips, there = _Clips.of(sketches), _Clips.of(others)
    if not (len(clips.places) and len(there.places)):
        return NONE
    found = list[Candidates]()
    for start in range(0, len(clips.places), _CLIPS_AT_ONCE):
        chosen = slice(start, start + _CLIPS_AT_ONCE)
        own = clips.places[chosen]
        is_long_enough = there.lengths >= LEAST_SHARE * clips.lengths[chosen, None]
        likeness = _likeness(clips, chosen, there)
        row, other = np.nonzero((likeness >= _LEAST_ALIKE) & is_long_enough & may_go(own, there.places))
        found.append(Candidates(own[row], there.places[other], round_scores(likeness[row, other])))
    return best_of(joined(found), _MOST)


def _likeness(clips: _Clips, chosen: slice, others: _Clips) -> npt.NDArray[np.float32]:
    """How alike the likest probe of some clips is to the likest picture of each other one, ``(B, L)``."""
    found = list[npt.NDArray[np.float32]]()
    for own, theirs in zip(clips.views, others.views, strict=True):
        probes = clips.probes(chosen, own)
        products = probes.reshape(-1, probes.shape[-1]) @ theirs.T
        best = np.maximum.reduceat(products, others.starts, axis=1)
        found.append(best.reshape(len(probes), len(_PROBES), -1).max(axis=1))
    return np.maximum(*found)

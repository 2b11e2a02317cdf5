"""The clip that stays of each group of duplicates, and why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain, combinations, product
from math import inf

import numpy as np
import pyarrow as pa

from clipmill.dedup.best_copy import advantage, best_copy, in_order
from clipmill.dedup.clip_copy import NOTHING_KNOWN, ClipCopy
from clipmill.dedup.copies.edits import Edit, find_edit
from clipmill.dedup.copies.fingerprints import decode
from clipmill.dedup.groups import Compare, members_of, roots, staying_first
from clipmill.dedup.vectors import Indices
from clipmill.dedup_job.step_io import Ranking
from clipmill.dedup_job.tables.fingerprint_column import sketches_of
from clipmill.dedup_job.tables.rank_columns import read_facts

EARLIER = "kept in an earlier run"
_RANKED: Mapping[str, str] = {
    "hard": "farther from the centre of its cluster",
    "easy": "nearer to the centre of its cluster",
    "random": "first by chance",
    "columns": "first by columns",
}
_MOST_IN_ORDER = 64
"""Clips of a group that are put in order; of a larger one the best stands first, then larger pictures."""

_EDITED_SIZES = 2.5
"""A copy counts as edited beside one of at least so many times fewer pixels; a larger one may be worth it."""
_LEAST_RATE = 0.3
"""Bits for each pixel of the duller copy, times the sharper one's: less tell that coding made it duller."""
_MOST_BESIDE = 16
"""Copies of a group beside which each is looked at."""


@dataclass(frozen=True)
class BestCopies:
    """The keepers of groups of copies; ``root`` ``(N,)`` names the group of each row.

    Rows below ``num_known`` were kept in earlier runs: they stay whatever comes.
    """

    copies: Sequence[ClipCopy]
    root: Indices
    num_known: int

    @cached_property
    def kept(self) -> Indices:
        """The keeper ``(N,)`` of each row, itself where it stays."""
        kept = self.root.copy()
        for members in self._groups:
            if members[0] >= self.num_known:
                best = best_copy([self.copies[row] for row in members])
                kept[members] = next(row for row in members if self.copies[row] is best)
        return kept

    def alike(self, compare: Compare, *, eps: float) -> Indices:
        """The keeper ``(N,)`` of each row: every one that goes is alike to its keeper."""
        kept = np.arange(len(self.root), dtype=np.intp)
        for members in self._groups:
            found = staying_first(compare, self._in_order(members), eps=eps, num_stay=self.num_known)
            kept[list(found)] = list(found.values())
        return kept

    def because(self, row: int, keeper: int) -> str:
        """Why the ``keeper`` stays for a row, in words."""
        if keeper < self.num_known:
            return EARLIER
        return str(advantage(self.copies[keeper], self.copies[row]))

    @cached_property
    def _groups(self) -> list[list[int]]:
        return members_of(self.root)

    def _in_order(self, members: Sequence[int]) -> Sequence[int]:
        """Rows of a group, the best first, behind those of earlier runs."""
        known = [row for row in members if row < self.num_known]
        place = {id(self.copies[row]): row for row in members[len(known) :]}
        new = [self.copies[row] for row in place.values()]
        if len(new) <= _MOST_IN_ORDER:
            return [*known, *(place[id(copy)] for copy in in_order(new))]
        best = best_copy(new)
        return [*known, place[id(best)], *(row for row in place.values() if self.copies[row] is not best)]


def best_copies(nodes: pa.Table, better: Indices, how: Ranking, *, num_known: int) -> BestCopies:
    """The choice among ``nodes``, of which ``better`` names an earlier one that each is joined to."""
    ids: list[str] = nodes["id"].to_pylist()
    sketches = sketches_of(nodes) or [None] * len(ids)
    facts = read_facts(how.columns_uri, ids)
    copies = [
        ClipCopy(name, decode(sketch) if sketch else None, facts.get(name, NOTHING_KNOWN))
        for name, sketch in zip(ids, sketches, strict=True)
    ]
    root = roots(better)
    for members in members_of(root):
        if members[0] >= num_known:
            for row, copy in zip(members, marked([copies[row] for row in members]), strict=True):
                copies[row] = copy
    return BestCopies(copies, root, num_known)


def ranked_first(how: Ranking, row: int, keeper: int, *, num_known: int) -> str:
    """Why a ``keeper`` that ranks before a row stays for it, in words."""
    del row
    if keeper < num_known:
        return EARLIER
    named = f"{_RANKED[how.which_to_keep]} {', '.join(how.columns)}"
    return named.strip()


def marked(copies: Sequence[ClipCopy]) -> list[ClipCopy]:
    """Returns the copies of a group, each with what was done to it and not to another one of its size."""
    ranked = sorted(copies, key=lambda copy: (-copy.picture_pixels, -copy.num_frames, copy.id))
    beside, others = ranked[:_MOST_BESIDE], ranked[_MOST_BESIDE:]
    edits = dict[str, Edit]()
    for pair in chain(combinations(beside, 2), product(beside, others)):
        found = _edited(*sorted(pair, key=lambda copy: copy.id))
        if found is not None:
            name, edit = found
            edits[name] = Edit.OVERLAY if edits.get(name) is Edit.OVERLAY else edit
    return [replace(copy, edit=edits.get(copy.id)) for copy in copies]


def _edited(one: ClipCopy, other: ClipCopy) -> tuple[str, Edit] | None:
    """The id of the edited one of two copies."""
    found = find_edit(one.sketch, other.sketch) if one.sketch and other.sketch else None
    if found is None:
        return None
    edit, is_one = found
    own, left = (one, other) if is_one else (other, one)
    is_coded = edit is Edit.SHARPENED and _rate(left) < _LEAST_RATE * _rate(own)
    return None if is_coded or own.picture_pixels > _EDITED_SIZES * left.picture_pixels else (own.id, edit)


def _rate(copy: ClipCopy) -> float:
    """Bits for each pixel of the picture; infinite where not known."""
    return copy.facts.bit_rate / max(copy.picture_pixels, 1.0) if copy.facts.bit_rate else inf

"""Copies that pictures propose."""

import numpy as np
import numpy.typing as npt

from clipmill.dedup.copies.fingerprints import Sketch
from clipmill.dedup.copies.picture_candidates import picture_candidates
from clipmill.dedup.vectors import Indices
from tests.support.films.sketches import pictures, sketched

PLACES = [sketched(pictures(seed, num_steps=12)) for seed in range(12)]


def pairs(clips: list[Sketch | None], others: list[Sketch | None]) -> set[tuple[int, int]]:
    def all_pairs(rows: Indices, to: Indices) -> npt.NDArray[np.bool_]:
        return np.ones((len(rows), len(to)), bool)

    found = picture_candidates(clips, others, may_go=all_pairs)
    return set(zip(found.row.tolist(), found.other.tolist(), strict=True))


def test_only_clips_of_one_place_are_proposed() -> None:
    assert pairs([*PLACES], [*PLACES]) == {(place, place) for place in range(len(PLACES))}


def test_a_part_is_proposed_and_never_the_longer_clip() -> None:
    part, late = sketched(pictures(3, from_step=6, num_steps=4)), sketched(pictures(5, from_step=6))
    assert pairs([part, late, None], [*PLACES, None]) == {(0, 3), (1, 5)}
    assert pairs([PLACES[3]], [part]) == set()


def test_few_of_many_are_proposed_and_only_those_that_may_go() -> None:
    many = [PLACES[0]] * 9
    assert len(pairs([PLACES[0]], [*many])) == 4
    found = picture_candidates([PLACES[0]], many, may_go=lambda rows, to: (to > 7)[None].repeat(len(rows), 0))
    assert found.other.tolist() == [8]

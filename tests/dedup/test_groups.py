from collections import deque
from functools import partial

import numpy as np
import pytest

from clipmill.dedup.groups import (
    group_id,
    is_duplicate,
    keepers,
    keepers_alike,
    roots,
    similarity_to,
)
from clipmill.dedup.vectors import unit_rows


def alike_keepers(unit: np.ndarray, better: np.ndarray, *, eps: float) -> np.ndarray:
    return keepers_alike(partial(similarity_to, unit), better, eps=eps)


def pairs(*rows: tuple[int, int]) -> np.ndarray:
    return np.array(rows, dtype=np.intp).reshape(-1, 2)


def reached_by_walking(num_rows: int, edges: np.ndarray, start: int) -> int:
    seen, queue = {start}, deque([start])
    while queue:
        row = queue.popleft()
        beside = {int(b) for a, b in edges if a == row} | {int(a) for a, b in edges if b == row}
        queue.extend(beside - seen)
        seen |= beside
    return min(seen)


def test_the_best_ranked_row_of_a_group_stays() -> None:
    assert keepers(5, pairs((2, 1), (4, 2))).tolist() == [0, 1, 1, 3, 1]


def test_groups_that_a_later_row_joins_share_one_keeper() -> None:
    assert keepers(4, pairs((3, 1), (3, 2))).tolist() == [0, 1, 1, 1]


def test_agrees_with_walking_the_graph() -> None:
    edges = np.random.default_rng(0).integers(0, 60, (40, 2)).astype(np.intp)
    assert keepers(60, edges).tolist() == [reached_by_walking(60, edges, row) for row in range(60)]


@pytest.mark.parametrize("num_rows", [0, 1, 3])
def test_without_pairs_every_row_stays(num_rows: int) -> None:
    assert keepers(num_rows, pairs()).tolist() == list(range(num_rows))


@pytest.mark.parametrize(
    ("similarity", "expected"),
    [(0.9, True), (np.float32(0.9), True), (0.8999996, True), (0.899999, False), (1.0, True), (0.0, False)],
)
def test_a_duplicate_reaches_the_threshold_in_six_digits(similarity: float, expected: bool) -> None:
    assert is_duplicate(np.array([similarity]), eps=0.1).tolist() == [expected]


def test_similarity_is_to_the_row_that_is_named() -> None:
    unit = unit_rows(np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 2.0]]))
    assert similarity_to(unit, np.array([1, 2]), np.array([0, 0])).tolist() == [0.707107, 0.0]


def test_a_group_is_named_after_its_keeper() -> None:
    assert group_id("a") == group_id("a") != group_id("b")


def at_degrees(*degrees: float) -> np.ndarray:
    angles = np.radians(degrees)
    return unit_rows(np.stack([np.cos(angles), np.sin(angles)], axis=1))


def test_a_chain_ends_at_its_best_row() -> None:
    assert roots(np.array([0, 0, 1, 3, 2, 3])).tolist() == [0, 0, 0, 3, 0, 3]


def test_a_row_alike_only_to_one_that_goes_stays() -> None:
    assert keepers_alike(
        partial(similarity_to, at_degrees(0, 20, 40)), np.array([0, 0, 1]), eps=0.1
    ).tolist() == [0, 0, 2]


def test_a_row_whose_better_one_goes_joins_the_most_similar_that_stays() -> None:
    unit = at_degrees(0, 20, 40, 30)
    assert alike_keepers(unit, np.array([0, 0, 1, 1]), eps=0.1).tolist() == [
        0,
        0,
        2,
        2,
    ]


def test_no_row_goes_for_a_keeper_it_is_not_alike_to() -> None:
    unit = at_degrees(*np.random.default_rng(5).uniform(0, 200, 60))
    similarity = np.tril(unit @ unit.T, -1)
    best = similarity.argmax(axis=1)
    better = np.where(similarity.max(axis=1) >= 0.99, best, np.arange(60))
    kept = alike_keepers(unit, better, eps=0.01)
    assert (np.einsum("nd,nd->n", unit, unit[kept]) >= 0.99 - 1e-5).all()
    assert (kept[kept] == kept).all()
    assert (kept != roots(better)).any()

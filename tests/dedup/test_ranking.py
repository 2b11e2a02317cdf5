from collections.abc import Callable

import numpy as np
import pytest

from clipmill.dedup.pairwise import nearest_earlier
from clipmill.dedup.ranking import rank_columns, rank_easy, rank_hard, rank_random
from clipmill.dedup.vectors import Floats, Indices, unit_rows

Rank = Callable[[list[str], Floats], Indices]

IDS = ["1", "2", "3", "4"]
DISTANCE = np.array([0.1, 0.8, 0.3, 0.6])


def named(ids: list[str], order: Indices) -> list[str]:
    return [ids[row] for row in order]


def test_hard_keeps_the_farthest() -> None:
    assert named(IDS, rank_hard(IDS, DISTANCE)) == ["2", "4", "3", "1"]


def test_easy_keeps_the_nearest() -> None:
    assert named(IDS, rank_easy(IDS, DISTANCE)) == ["1", "3", "4", "2"]


def test_equal_distances_are_ordered_by_id_in_the_same_direction() -> None:
    ids, distance = ["b", "c", "a"], np.array([0.5, 0.5, 0.5])
    assert named(ids, rank_easy(ids, distance)) == ["a", "b", "c"]
    assert named(ids, rank_hard(ids, distance)) == ["c", "b", "a"]


def test_noise_below_a_millionth_is_no_difference() -> None:
    ids, distance = ["b", "a"], np.array([0.5, 0.5 + 1e-7], dtype=np.float32)
    assert named(ids, rank_easy(ids, distance)) == ["a", "b"]


@pytest.mark.parametrize(
    ("rank", "ids", "max_ids"),
    [
        (rank_hard, [3, 2, 1, 5, 4, 0], [3, 3, 2, 1, 5, 5]),
        (rank_easy, [0, 4, 5, 1, 2, 3], [0, 0, 0, 0, 1, 2]),
    ],
    ids=["hard", "easy"],
)
def test_documented_order_and_pairs(rank: Rank, ids: list[int], max_ids: list[int]) -> None:
    vectors = np.array(
        [[1, 2, 3], [4, 5, 6], [7, 8, 9], [10, 11, 12], [1, 2, 3], [1, 2, 3]], dtype=np.float64
    )
    distance = np.array([0.1, 0.2, 0.3, 0.4, 0.1, 0.1])
    order = rank([str(row) for row in range(6)], distance)
    index, _ = nearest_earlier(unit_rows(vectors)[order])
    assert (order.tolist(), order[index].tolist()) == (ids, max_ids)


def test_random_follows_the_seed() -> None:
    ids = [f"clip-{row}" for row in range(50)]
    assert rank_random(ids, seed=1).tolist() == rank_random(ids, seed=1).tolist()
    assert rank_random(ids, seed=1).tolist() != rank_random(ids, seed=2).tolist()


def test_random_does_not_depend_on_the_order_of_rows_or_on_other_rows() -> None:
    ids = [f"clip-{row}" for row in range(50)]
    ranked = named(ids, rank_random(ids, seed=7))
    some = ids[::-2]
    assert named(some, rank_random(some, seed=7)) == [name for name in ranked if name in some]


def test_the_first_column_counts_most() -> None:
    priority, score = np.array([2.0, 1.0, 2.0, 1.0]), np.array([0.9, 0.5, 0.1, 0.7])
    order = rank_columns(IDS, [priority, score], ascending=[True, False])
    assert named(IDS, order) == ["4", "2", "1", "3"]


def test_equal_columns_are_ordered_by_id() -> None:
    ids = ["b", "c", "a"]
    assert named(ids, rank_columns(ids, [np.ones(3)], ascending=[False])) == ["a", "b", "c"]


@pytest.mark.parametrize("ascending", [True, False])
def test_missing_values_come_last(ascending: bool) -> None:
    order = rank_columns(IDS, [np.array([np.nan, 1.0, 2.0, np.nan])], ascending=[ascending])
    assert set(named(IDS, order)[2:]) == {"1", "4"}


def test_every_column_needs_a_direction() -> None:
    with pytest.raises(ValueError, match="one direction for each column"):
        rank_columns(IDS, [DISTANCE], ascending=[])


def test_every_id_needs_a_value() -> None:
    with pytest.raises(ValueError, match="one value for each of 4 ids"):
        rank_easy(IDS, DISTANCE[:2])


@pytest.mark.parametrize("rank", [rank_easy, rank_hard], ids=["easy", "hard"])
def test_nothing_to_rank(rank: Rank) -> None:
    assert rank([], np.zeros(0)).tolist() == []
    assert rank_random([], seed=0).tolist() == []

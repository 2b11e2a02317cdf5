import numpy as np
import pytest

from clipmill.dedup.pairwise import Ranked, nearest_among, nearest_earlier, nearest_earlier_across
from clipmill.dedup.vectors import Unit, unit_rows

COUNTED = unit_rows(
    np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9], [10, 11, 12], [1, 2, 3], [1, 2, 3]], dtype=np.float64)
)


def random_rows(num_rows: int, dim: int, *, seed: int = 0) -> Unit:
    return unit_rows(np.random.default_rng(seed).standard_normal((num_rows, dim)))


@pytest.mark.parametrize("batch_size", [1, 2, 3, 4, 5, 6])
def test_documented_similarities(batch_size: int) -> None:
    index, similarity = nearest_earlier(COUNTED, batch_size=batch_size)
    assert similarity == pytest.approx([0, 0.974631, 0.998190, 0.999618, 1, 1], abs=2e-6)
    assert index.tolist() == [0, 0, 1, 2, 0, 0]


@pytest.mark.parametrize("batch_size", [1, 7, 64, 1000])
@pytest.mark.parametrize("dim", [2, 33])
def test_agrees_with_brute_force(batch_size: int, dim: int) -> None:
    rows = random_rows(150, dim)
    index, similarity = nearest_earlier(rows, batch_size=batch_size)
    earlier = np.tril(rows @ rows.T, -1)
    assert similarity == pytest.approx(earlier.max(axis=1), abs=1.5e-6)
    named = np.where(similarity > 0, earlier[np.arange(150), index], 0.0)
    assert named == pytest.approx(earlier.max(axis=1), abs=1.5e-6)


@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_of_equal_copies_the_earliest_is_named(batch_size: int) -> None:
    rows = np.repeat(random_rows(1, 300), 40, axis=0)
    assert nearest_earlier(rows, batch_size=batch_size)[0].tolist() == [0] * 40


def test_only_earlier_rows_count() -> None:
    index, _ = nearest_earlier(random_rows(200, 3), batch_size=16)
    assert (index <= np.arange(200)).all()


def test_negative_similarity_floors_at_zero_and_names_the_row_itself() -> None:
    index, similarity = nearest_earlier(np.array([[1, 0], [-1, 0]], dtype=np.float32))
    assert (index.tolist(), similarity.tolist()) == ([0, 1], [0.0, 0.0])


def test_similarity_never_exceeds_one() -> None:
    rows = np.repeat(random_rows(50, 256), 2, axis=0) * np.float32(1 + 5e-4)
    assert nearest_earlier(rows)[1].max() == 1.0


@pytest.mark.parametrize("num_rows", [0, 1])
def test_too_few_rows_for_a_pair(num_rows: int) -> None:
    index, similarity = nearest_earlier(random_rows(num_rows, 4))
    assert (index.tolist(), similarity.tolist()) == (list(range(num_rows)), [0.0] * num_rows)


def test_a_row_that_is_not_of_unit_length_is_named() -> None:
    with pytest.raises(ValueError, match="row 1 does not have unit length"):
        nearest_earlier(np.array([[1, 0], [2, 0]], dtype=np.float32))


def test_batch_size_must_be_positive() -> None:
    with pytest.raises(ValueError, match="batch_size"):
        nearest_earlier(COUNTED, batch_size=0)


def split(rows: Unit, is_guest: np.ndarray) -> tuple[Ranked, Ranked]:
    places = np.arange(len(rows))
    return Ranked(rows[is_guest], places[is_guest]), Ranked(rows[~is_guest], places[~is_guest])


@pytest.mark.parametrize("batch_size", [1, 7, 1000])
def test_across_agrees_with_brute_force(batch_size: int) -> None:
    rows = random_rows(90, 5)
    is_guest = np.random.default_rng(1).random(90) < 0.3
    guests, residents = split(rows, is_guest)
    found = nearest_earlier_across(guests, residents, batch_size=batch_size)
    allowed = np.tril(rows @ rows.T, -1) * (is_guest[:, None] != is_guest)
    for (index, similarity), own, others in zip(found, (guests, residents), (residents, guests), strict=True):
        expected = allowed[own.place].max(axis=1)
        assert similarity == pytest.approx(expected, abs=1.5e-6)
        assert (index == -1).tolist() == (expected == 0).tolist()
        named = np.flatnonzero(index >= 0)
        places = others.place[index[named]]
        assert allowed[own.place[named], places] == pytest.approx(expected[named], abs=1.5e-6)


@pytest.mark.parametrize("batch_size", [1, 7, 1000])
def test_nearest_of_another_set_agrees_with_brute_force(batch_size: int) -> None:
    rows, others = random_rows(40, 5), random_rows(90, 5, seed=1)
    index, similarity = nearest_among(rows, others, batch_size=batch_size)
    products = rows @ others.T
    assert similarity == pytest.approx(products.max(axis=1), abs=1.5e-6)
    assert products[np.arange(40), index] == pytest.approx(products.max(axis=1), abs=1.5e-6)


def test_of_equal_others_the_first_is_named() -> None:
    row = random_rows(1, 300)
    assert nearest_among(row, np.repeat(row, 40, axis=0), batch_size=7)[0].tolist() == [0]


@pytest.mark.parametrize("others", [np.zeros((0, 2)), np.array([[-1, 0]])], ids=["none", "opposite"])
def test_without_a_positive_similarity_no_other_is_named(others: np.ndarray) -> None:
    index, similarity = nearest_among(np.array([[1, 0]], dtype=np.float32), others.astype(np.float32))
    assert (index.tolist(), similarity.tolist()) == ([-1], [0.0])


def test_places_have_to_ascend() -> None:
    with pytest.raises(ValueError, match="places must ascend"):
        Ranked(random_rows(2, 4), np.array([1, 0]))

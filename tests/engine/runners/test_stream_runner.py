"""Stages that are asked item by item: their model may die, and each item has an answer in the end."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import pytest

from clipmill.engine.chunk import Chunk
from clipmill.engine.runners.node_runner import SYSTEMATIC_ITEMS
from clipmill.engine.runners.stream_runner import MAX_DEATHS, NO_ANSWER, StreamRunner
from clipmill.errors import ClipmillError, EngineDied, StageBroken
from clipmill.stages.base import Failed, Item, StageContext
from tests.support.stages.engine_stages import (
    KEY,
    FakeStream,
    Scorer,
    chunk_of,
    clip_id,
    column,
    context_of,
    scorer_plan,
)

Say = Callable[[str], Mapping[str, object] | None]
DIED = EngineDied("fake", "it was killed")


class Asked(Scorer):
    """Opens the next of the workers that the test laid ready."""

    workers: list[object] = []  # noqa: RUF012 - a parameter of the stage

    def open(self, context: StageContext) -> object:  # pyright: ignore[reportIncompatibleMethodOverride] fakes
        return OPENED.pop(0)


OPENED: list[object] = []


def run(worker: object, *chunks: Chunk, then: Sequence[object] = ()) -> list[Chunk]:
    """The chunks in the order in which they go on; ``then`` are opened where a worker died."""
    return list(runner(worker, then=then)(chunks))


def runner(worker: object, *, then: Sequence[object] = ()) -> StreamRunner:
    OPENED[:] = then
    made = scorer_plan(Asked())
    return StreamRunner(made.by_key[KEY], made, context_of(made), worker)  # pyright: ignore[reportArgumentType] fakes


def says(score: float) -> Say:
    return lambda _: {"score": score}


def dies_at(*indices: int, answer: float = 0.5) -> Say:
    """Is killed by the clips of those indices."""
    deadly = {clip_id(index) for index in indices}

    def say(asked: str) -> Mapping[str, object]:
        if asked in deadly:
            raise DIED
        return {"score": answer}

    return say


def raises_at(*indices: int) -> Say:
    bad = {clip_id(index) for index in indices}

    def say(asked: str) -> Mapping[str, object]:
        if asked in bad:
            raise ArithmeticError("no such number")
        return {"score": 0.5}

    return say


def test_every_item_has_its_answer() -> None:
    worker = FakeStream(says(0.5))
    chunks = run(worker, chunk_of(2), chunk_of(1, first=2))
    assert [column(chunk, "score") for chunk in chunks] == [[0.5] * 2, [0.5]]
    assert worker.asked == [[clip_id(index) for index in range(3)]]


def test_a_chunk_goes_on_when_its_items_are_answered() -> None:
    worker = FakeStream(says(0.5))
    running = runner(worker)([chunk_of(1), chunk_of(2, first=1)])
    assert next(running).clips[0].clip_id == clip_id(0)
    assert worker.asked == [[clip_id(0)]]
    assert len(next(running).clips) == 2


class Backwards:
    """Answers the last item first."""

    def stream(self, asked: Iterator[Item]) -> Iterator[tuple[str, Mapping[str, object]]]:
        for index, item in enumerate(reversed(list(asked))):
            yield item.id, {"count": index}


def test_answers_come_in_any_order() -> None:
    chunks = run(Backwards(), chunk_of(1), chunk_of(2, first=1))
    assert [chunk.clips[0].clip_id for chunk in chunks] == [clip_id(1), clip_id(0)]
    assert [column(chunk, "count") for chunk in chunks] == [[1, 0], [2]]


def test_a_chunk_without_items_goes_first_and_asks_nothing() -> None:
    worker = FakeStream(says(0.5))
    again = runner(worker)
    (done,) = again([chunk_of(1)])
    first, second = again([chunk_of(1, first=1), done])
    assert first is done
    assert second.clips[0].clip_id == clip_id(1)
    assert list(again([done])) == [done]
    assert len(worker.asked) == 2


def test_what_a_dead_model_left_open_is_asked_of_the_next_one_by_one() -> None:
    dead, alive = FakeStream(dies_at(1)), FakeStream(says(0.25))
    (chunk,) = run(dead, chunk_of(3), then=[alive])
    assert column(chunk, "score") == [0.5, 0.25, 0.25]
    assert alive.asked == [[clip_id(1)], [clip_id(2)]]
    assert dead.num_closed == 1


def test_an_item_that_kills_its_model_is_the_only_one_that_fails() -> None:
    workers = [FakeStream(dies_at(1)) for _ in range(3)]
    (chunk,) = run(workers[0], chunk_of(3), then=workers[1:])
    assert column(chunk, "outcome") == ["result", "retryable", "result"]
    assert column(chunk, "reason") == [None, NO_ANSWER.reason, None]
    assert [worker.num_closed for worker in workers] == [1, 1, 0]


def test_models_that_die_one_after_the_other_without_an_answer_stop_the_run() -> None:
    workers = [FakeStream(dies_at(*range(9))) for _ in range(MAX_DEATHS + 1)]
    with pytest.raises(EngineDied):
        run(workers[0], chunk_of(9), then=workers[1:])
    assert len(OPENED) == 1


def test_an_answer_between_deaths_starts_their_count_again() -> None:
    workers = [FakeStream(dies_at(0, 2, 4, 6)) for _ in range(6)]
    (chunk,) = run(workers[0], chunk_of(8), then=workers[1:])
    assert column(chunk, "outcome") == ["retryable", "result"] * 4


def test_a_dead_model_that_cannot_be_closed_is_forgotten() -> None:
    dead = FakeStream(dies_at(0))
    dead.close = lambda: (_ for _ in ()).throw(RuntimeError("it is too dead"))  # pyright: ignore[reportAttributeAccessIssue] a fake
    (chunk,) = run(dead, chunk_of(1), then=[FakeStream(says(0.25))])
    assert column(chunk, "score") == [0.25]


def test_an_item_without_an_answer_is_asked_once_more_and_then_fails() -> None:
    worker = FakeStream(lambda asked: None if asked == clip_id(1) else {"score": 0.5})
    (chunk,) = run(worker, chunk_of(3))
    assert worker.asked[1:] == [[clip_id(1)]]
    assert column(chunk, "outcome") == ["result", "retryable", "result"]
    assert column(chunk, "message") == [None, NO_ANSWER.message, None]


class Twice:
    """Answers one item again and again, or one that was not asked."""

    def __init__(self, name: str) -> None:
        self._name = name

    def stream(self, asked: Iterator[Item]) -> Iterator[tuple[str, Mapping[str, object]]]:
        yield next(asked).id, {"score": 0.5}
        yield self._name, {"score": 0.5}


@pytest.mark.parametrize("name", [clip_id(0), "unheard of"], ids=["again", "unknown"])
def test_an_answer_to_an_item_that_is_not_open_is_a_broken_stage(name: str) -> None:
    with pytest.raises(StageBroken, match=f"it answered item {name}, which is not open"):
        run(Twice(name), chunk_of(2))


def test_an_item_at_which_the_stage_raises_fails_alone() -> None:
    worker = FakeStream(raises_at(1))
    (chunk,) = run(worker, chunk_of(3))
    assert column(chunk, "outcome") == ["result", "retryable", "result"]
    assert column(chunk, "reason") == [None, "stage_error", None]
    message = str(column(chunk, "message")[1])
    assert message.startswith("stage scorer: ArithmeticError: no such number\n")
    assert "in stream" in message
    assert worker.num_closed == 0


def test_errors_that_are_no_items_stop_the_run() -> None:
    def refused(_: str) -> Mapping[str, object]:
        raise ClipmillError("the endpoint refuses the key")

    with pytest.raises(ClipmillError, match="refuses the key"):
        run(FakeStream(refused), chunk_of(2))


def test_many_failures_in_a_row_are_a_broken_stage() -> None:
    with pytest.raises(StageBroken, match=f"{SYSTEMATIC_ITEMS} items in a row failed"):
        run(FakeStream(raises_at(*range(SYSTEMATIC_ITEMS))), chunk_of(SYSTEMATIC_ITEMS))


def test_failures_that_the_stage_names_are_rows() -> None:
    blocked = Failed("final", "blocked", "the model refuses")
    worker = FakeStream(lambda asked: blocked if asked == clip_id(0) else {"score": 0.5})  # pyright: ignore[reportArgumentType] a failure is an answer
    (chunk,) = run(worker, chunk_of(2))
    assert column(chunk, "outcome") == ["final", "result"]
    assert column(chunk, "reason") == ["blocked", None]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"score": float("nan")}, "stage scorer: column score is NaN or infinite"),
        ({"score": float("-inf")}, "stage scorer: column score is NaN or infinite"),
        ({"score": "high"}, "stage scorer: column score does not hold double"),
        ({"points": 1}, "stage scorer: it returned column points, which its class does not declare"),
    ],
    ids=["nan", "infinite", "type", "undeclared"],
)
def test_an_answer_that_does_not_fit_costs_its_own_item(answer: dict[str, object], message: str) -> None:
    worker = FakeStream(lambda asked: answer if asked == clip_id(1) else {"score": 0.5})
    (chunk,) = run(worker, chunk_of(3))
    assert column(chunk, "outcome") == ["result", "retryable", "result"]
    assert column(chunk, "reason") == [None, "bad_result", None]
    assert str(column(chunk, "message")[1]).startswith(message)

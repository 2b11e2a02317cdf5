"""Runs a stage that is asked item by item: answers come in any order, and its model may die."""

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import cast

import pyarrow as pa

from clipmill.engine.chunk import Chunk
from clipmill.engine.runners.context import WorkerContext
from clipmill.engine.runners.items import Wanted, wanted_items
from clipmill.engine.runners.node_runner import FailureStreak, failure_of, open_worker
from clipmill.engine.runners.result_rows import Answered, BadResults, bad_result, checked, rows_of
from clipmill.engine.runners.sound_reader import SoundReader
from clipmill.errors import ClipmillError, EngineDied, StageBroken, StoreError, foreign
from clipmill.planning.nodes import Node
from clipmill.planning.plan import Plan
from clipmill.stages.base import Failed, Item, Results, StreamWorker

logger = logging.getLogger(__name__)

MAX_DEATHS = 3
"""Models in a row that may die without one answer: after that the machine is broken."""
NO_ANSWER = Failed("retryable", "no_answer", "the model died of it, or gave no answer")
"""Of an item that a model that died, or one that ended without an error, left open."""

Answer = Mapping[str, object] | Failed


class StreamRunner:
    """Asks the worker of a node item by item, and opens another one where it died.

    What a dead model left open is asked of the next one, item by item, so that an item that kills its model
    is the only one that fails. So it is where the stage itself raises an error.
    """

    def __init__(self, node: Node, plan: Plan, context: WorkerContext, worker: StreamWorker) -> None:
        self.node = node
        self._plan = plan
        self._context = context
        self._worker: StreamWorker | None = worker
        self._sound = SoundReader(node, plan, context)
        self._num_deaths = 0
        self._raised: Failed | None = None
        self._streak = FailureStreak(node.key)

    def __call__(self, chunks: Sequence[Chunk]) -> Iterator[Chunk]:
        """Yields the chunks as their items are answered; those without items first."""
        wanted = [self._sound(one.work, wanted_items(one, self.node, self._plan)) for one in chunks]
        owner = {item.id: index for index, one in enumerate(wanted) for item in one.items}
        num_open = Counter(owner.values())
        answers: list[dict[str, Answer]] = [{} for _ in chunks]
        yield from (
            self._with_rows(chunks[index], one, answers[index])
            for index, one in enumerate(wanted)
            if not num_open[index]
        )
        items = {item.id: item for one in wanted for item in one.items}
        self._context.expect(items.values())
        for item_id, answer in self._answers(items):
            index = owner[item_id]
            answers[index][item_id] = answer
            num_open[index] -= 1
            if not num_open[index]:
                yield self._with_rows(chunks[index], wanted[index], answers[index])

    def _answers(self, items: Mapping[str, Item]) -> Iterator[tuple[str, Answer]]:
        """One answer for each item, as they come."""
        still_open = dict(items)
        if still_open:
            yield from self._asked(still_open)
        for item_id, item in list(still_open.items()):
            alone = {item_id: item}
            self._raised = None
            yield from self._asked(alone)
            if alone:
                yield item_id, self._raised or NO_ANSWER

    def _asked(self, still_open: dict[str, Item]) -> Iterator[tuple[str, Answer]]:
        """Answers until the worker is through, dead or in error; those answered leave ``still_open``."""
        try:
            yield from self._taken(still_open)
            return
        except EngineDied as error:
            self._count_death(error, num_open=len(still_open))
        except StoreError as error:
            self._raised = failure_of(self.node.key, error)
            return
        except ClipmillError:
            raise
        except foreign() as error:
            self._raised = failure_of(self.node.key, error)
            logger.warning("%s; %d items are open", self._raised.message.splitlines()[0], len(still_open))
            return
        # Outside of the except clause, whose traceback would keep what the dead model holds.
        close(self._worker)
        self._worker = None

    def _taken(self, still_open: dict[str, Item]) -> Iterator[tuple[str, Answer]]:
        if self._worker is None:
            self._worker = cast(StreamWorker, open_worker(self.node, self._context))
        for item_id, answer in self._worker.stream(iter(list(still_open.values()))):
            if still_open.pop(item_id, None) is None:
                raise StageBroken(self.node.key, f"it answered item {item_id}, which is not open")
            self._num_deaths = 0
            yield item_id, answer

    def _count_death(self, error: EngineDied, *, num_open: int) -> None:
        """Raises the error again where model after model died, or another one would ask the same server."""
        self._num_deaths += 1
        logger.warning("%s; %d items are open", error, num_open)
        if self._num_deaths >= MAX_DEATHS or error.is_remote:
            raise error

    def _with_rows(self, chunk: Chunk, wanted: Wanted, answers: Mapping[str, Answer]) -> Chunk:
        if not (answers or wanted.failed):
            return chunk
        rows = self._rows(wanted, answers)
        self._streak.saw(rows)
        files = {**chunk.files, **self._context.take_files()}
        return replace(chunk, files=files).with_rows(self.node.key, rows, self._plan.nodes)

    def _rows(self, wanted: Wanted, answers: Mapping[str, Answer]) -> pa.Table:
        found = [answers[item.id] for item in wanted.items]
        failed = {index: answer for index, answer in enumerate(found) if isinstance(answer, Failed)}
        names = {name for answer in found if not isinstance(answer, Failed) for name in answer}
        columns = {name: [_value(answer, name) for answer in found] for name in names}
        try:
            answered = checked(self.node, wanted.items, Results(columns, failed))
        except BadResults as error:
            if len(found) > 1:
                return self._rows_one_by_one(wanted, answers)
            empty = {column.name: pa.nulls(len(found), column.type) for column in self.node.stored}
            answered = Answered(wanted.items, empty, {0: bad_result(self.node, error)})
        return rows_of(self.node, answered, wanted.failed)

    def _rows_one_by_one(self, wanted: Wanted, answers: Mapping[str, Answer]) -> pa.Table:
        """An answer that does not fit costs its own item."""
        alone = [Wanted((item,), {}) for item in wanted.items]
        return pa.concat_tables([self._rows(one, answers) for one in (*alone, Wanted((), wanted.failed))])


def _value(answer: Answer, name: str) -> object:
    return None if isinstance(answer, Failed) else answer.get(name)


def close(worker: object) -> None:
    """Gives back the memory of a dead model before another one wants it."""
    closes: Callable[[], None] | None = getattr(worker, "close", None)
    if closes is None:
        return
    try:
        closes()
    except (ClipmillError, OSError, RuntimeError, ValueError) as error:
        logger.warning("a model that died did not close: %s", error)

"""The graph run in this process, without Ray: for tests, small jobs and plain pods. Same results.

Threads are workers enough: the work is done in codec processes and in libraries that let go of the
interpreter.
"""

import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

from clipmill.engine.channel import Channel, TornDown
from clipmill.engine.chunk import Chunk
from clipmill.engine.graph import OperatorNode
from clipmill.engine.operators.stages import Operator, worked_on
from clipmill.runs.termination import stops_here

WAITING_PER_WORKER = 1
"""Chunks between two operators, for each worker of the second: enough that it never waits for the first."""
END_S = 10.0
"""Longest wait for workers of a run that is given up; those still busy then end with the process."""


def run_inline(
    nodes: Sequence[OperatorNode], chunks: Iterable[Chunk], *, one_worker: Collection[str] = ()
) -> Iterator[Chunk]:
    """Stream chunks through the operators, each with as many workers as its node allows.

    Those of ``one_worker`` get one: a stage of the user's own need not bear two threads. What an operator
    raises is raised here, after the chunks that were already past that operator.
    """
    run = _Run(nodes, chunks, frozenset(one_worker))
    try:
        yield from run.results()
    finally:
        run.end()


class _Run:
    """The threads of a run and the channels between them."""

    def __init__(
        self, nodes: Sequence[OperatorNode], chunks: Iterable[Chunk], one_worker: frozenset[str]
    ) -> None:
        self._errors: list[BaseException] = []
        counts = [1 if node.name in one_worker else node.max_workers for node in nodes]
        receivers = [*counts, 1]  # the last channel is read by one thread: the caller's
        self._channels = [
            Channel[Chunk](capacity=WAITING_PER_WORKER * num_receivers, num_senders=num_senders)
            for num_senders, num_receivers in zip([1, *counts], receivers, strict=True)
        ]
        one_at_a_time = threading.Lock()
        self._threads = [self._started(lambda: self._feed(chunks), "chunks", -1)]
        for index, (node, count) in enumerate(zip(nodes, counts, strict=True)):
            for _ in range(count):
                work = _Work(
                    node, self._channels[index], self._channels[index + 1], one_at_a_time, is_first=index == 0
                )
                self._threads.append(self._started(work, node.name, index))

    def results(self) -> Iterator[Chunk]:
        """What comes out of the last operator."""
        yield from self._channels[-1]
        if self._errors:
            raise self._errors[0]

    def end(self) -> None:
        """Stop what still runs."""
        for channel in self._channels:
            channel.tear_down()
        until_s = time.monotonic() + END_S
        for thread in self._threads:
            thread.join(max(0.0, until_s - time.monotonic()))

    def _feed(self, chunks: Iterable[Chunk]) -> None:
        for chunk in chunks:
            self._channels[0].send(chunk)

    def _started(self, work: Callable[[], None], name: str, index: int) -> threading.Thread:
        """A thread that does ``work`` and sends into the channel behind operator ``index``."""
        thread = threading.Thread(
            target=self._guarded, args=(work, index), name=f"clipmill-{name}", daemon=True
        )
        thread.start()
        return thread

    def _guarded(self, work: Callable[[], None], index: int) -> None:
        """An error in one worker ends the operators up to its own; those behind it finish what they have."""
        try:
            work()
        except TornDown:
            pass
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that asked for results
            self._errors.append(error)
            for channel in self._channels[: index + 1]:
                channel.tear_down()
        finally:
            self._channels[index + 1].sender_done()


class _Work:
    """What one thread does: make an operator when the first chunk comes, and work till the last.

    Operators are made one at a time: libraries of models change what is the whole process's while they load.
    """

    def __init__(
        self,
        node: OperatorNode,
        source: Channel[Chunk],
        target: Channel[Chunk],
        one_at_a_time: threading.Lock,
        *,
        is_first: bool,
    ) -> None:
        self._node, self._source, self._target = node, source, target
        self._is_first = is_first
        self._one_at_a_time = one_at_a_time
        self._made: Operator | None = None

    def __call__(self) -> None:
        while batch := self._source.receive(self._node.batch_size):
            if self._is_first and stops_here():
                return
            for chunk in worked_on(self._operator, batch):
                self._target.send(chunk)
                if self._source.is_torn_down:  # another worker failed: the rest of a film is not awaited
                    return

    def _operator(self) -> Operator:
        if self._made is None:
            with self._one_at_a_time:
                self._made = self._node.make()
        return self._made

"""The graph run in this process, without Ray: for tests, small jobs and plain pods. Same results.

Threads are workers enough: the work is done in codec processes and in libraries that let go of the
interpreter.
"""

import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

from clipmill.streaming.channel import Channel, TornDown
from clipmill.streaming.graph import Node
from clipmill.streaming.operators import Operator
from clipmill.streaming.parcel import Parcel

WAITING_PER_WORKER = 1
"""Parcels between two operators, for each worker of the second: enough that it never waits for the first."""
END_S = 10.0
"""Longest wait for workers of a run that is given up; those still busy then end with the process."""


def run_inline(
    nodes: Sequence[Node], parcels: Iterable[Parcel], *, one_worker: Collection[str] = ()
) -> Iterator[Parcel]:
    """Stream parcels through the operators, each with as many workers as its node allows.

    Those of ``one_worker`` get one: a stage of the user's own need not bear two threads. What an operator
    raises is raised here.
    """
    run = _Run(nodes, parcels, frozenset(one_worker))
    try:
        yield from run.results()
    finally:
        run.end()


class _Run:
    """The threads of a run and the channels between them."""

    def __init__(self, nodes: Sequence[Node], parcels: Iterable[Parcel], one_worker: frozenset[str]) -> None:
        self._errors: list[BaseException] = []
        counts = [1 if node.name in one_worker else node.max_workers for node in nodes]
        receivers = [*counts, 1]  # the last channel is read by whoever asks for results
        self._channels = [
            Channel[Parcel](capacity=WAITING_PER_WORKER * num_receivers, num_senders=num_senders)
            for num_senders, num_receivers in zip([1, *counts], receivers, strict=True)
        ]
        one_at_a_time = threading.Lock()
        self._threads = [self._started(lambda: self._feed(parcels), "parcels")]
        for index, (node, count) in enumerate(zip(nodes, counts, strict=True)):
            for _ in range(count):
                work = _Work(node, self._channels[index], self._channels[index + 1], one_at_a_time)
                self._threads.append(self._started(work, node.name))

    def results(self) -> Iterator[Parcel]:
        """What comes out of the last operator."""
        try:
            yield from self._channels[-1]
        except TornDown:
            raise self._errors[0] from None

    def end(self) -> None:
        """Stop what still runs."""
        for channel in self._channels:
            channel.tear_down()
        until_s = time.monotonic() + END_S
        for thread in self._threads:
            thread.join(max(0.0, until_s - time.monotonic()))

    def _feed(self, parcels: Iterable[Parcel]) -> None:
        for parcel in parcels:
            self._channels[0].send(parcel)
        self._channels[0].sender_done()

    def _started(self, work: Callable[[], None], name: str) -> threading.Thread:
        thread = threading.Thread(target=self._guarded, args=(work,), name=f"clipmill-{name}", daemon=True)
        thread.start()
        return thread

    def _guarded(self, work: Callable[[], None]) -> None:
        """An error in one worker ends all, and is told by ``results``."""
        try:
            work()
        except TornDown:
            pass
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that asked for results
            self._errors.append(error)
            for channel in self._channels:
                channel.tear_down()


class _Work:
    """What one thread does: make an operator when the first parcel comes, and work till the last.

    Operators are made one at a time: libraries of models change what is the whole process's while they load.
    """

    def __init__(
        self, node: Node, source: Channel[Parcel], target: Channel[Parcel], one_at_a_time: threading.Lock
    ) -> None:
        self._node, self._source, self._target = node, source, target
        self._one_at_a_time = one_at_a_time

    def __call__(self) -> None:
        operator: Operator | None = None
        while batch := self._source.receive(self._node.batch_size):
            operator = operator or self._made()
            for parcel in operator(batch):
                self._target.send(parcel)
        self._target.sender_done()

    def _made(self) -> Operator:
        with self._one_at_a_time:
            return self._node.make()

"""Keeping a model busy with a bounded number of requests, whichever of them is done first."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from itertools import islice

from clipmill.models.captioning.base import Caption
from clipmill.models.captioning.chat import ChatRequest


def answers_as_done(
    requests: Iterable[ChatRequest], submit: Callable[[ChatRequest], Future[Caption]], *, limit: int
) -> Iterator[Caption]:
    """Answers in the order they are done; at most ``limit`` requests are taken and not yet answered.

    What a future raises is raised here. Requests that have not begun when the iteration ends are cancelled.
    """
    source = iter(requests)
    waiting = set[Future[Caption]]()
    try:
        while True:
            waiting |= {submit(request) for request in islice(source, limit - len(waiting))}
            if not waiting:
                return
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()
    finally:
        for future in waiting:
            future.cancel()

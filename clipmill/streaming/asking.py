"""Asking a model that may die about windows: each has an answer in the end, a named failure at worst."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Generic, Protocol, TypeVar

from clipmill.errors import ClipmillError, EngineDied
from clipmill.models.captioner import Caption

logger = logging.getLogger(__name__)

MAX_DEATHS = 3
"""Models in a row that may die without one answer: after that it is the machine that is broken."""
UNANSWERED = "the model died of it, or gave no answer"


class Closable(Protocol):
    """What is to be let go of."""

    def close(self) -> None:
        """Nothing can be asked afterwards."""
        ...


Model = TypeVar("Model", bound=Closable)
Request = TypeVar("Request")


class Asking(Generic[Model, Request]):
    """Holds a model, and opens another one where it died; calling it puts requests to the model.

    What a dead model left open is asked of the next one, window by window, so that a window that kills its
    model is the only one that is named.
    """

    def __init__(
        self, make: Callable[[], Model], ask: Callable[[Model, Iterable[Request]], Iterator[Caption]]
    ) -> None:
        self._make = make
        self._ask = ask
        self._model = make()
        self._num_deaths = 0

    def __call__(self, requests: Mapping[str, Callable[[], Request]]) -> Iterator[Caption]:
        """One answer for each window id, as they come; a request is made when there is room for it.

        ClipmillError where the model answers what nobody asked, or twice. EngineDied after ``MAX_DEATHS``
        models in a row.
        """
        open_requests = dict(requests)
        if open_requests:
            yield from self._answers(open_requests)
        for window_id, make in list(open_requests.items()):
            alone = {window_id: make}
            yield from self._answers(alone)
            if alone:
                yield Caption(window_id, "", "error", message=UNANSWERED)

    def _answers(self, open_requests: dict[str, Callable[[], Request]]) -> Iterator[Caption]:
        """Answers until the model is through or dead; what was answered leaves ``open_requests``."""
        try:
            for answer in self._ask(self._model, (make() for make in list(open_requests.values()))):
                if open_requests.pop(answer.window_id, None) is None:
                    raise ClipmillError(f"an answer for window {answer.window_id}, which is not open")
                self._num_deaths = 0
                yield answer
        except EngineDied as error:
            self._num_deaths += 1
            logger.warning("%s; %d windows are open", error, len(open_requests))
            if self._num_deaths >= MAX_DEATHS:
                raise
        else:
            return
        # Outside of the except clause, whose traceback would keep what the dead model holds.
        _let_go(self._model)
        self._model = self._make()


def _let_go(model: Closable) -> None:
    """Give back the memory of a dead model before another one wants it; it may be too dead to be told."""
    try:
        model.close()
    except (ClipmillError, OSError, RuntimeError, ValueError) as error:
        logger.warning("a model that died did not close: %s", error)

"""One model of a worker process that several stages ask: captions and questions of one run."""

import logging
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial

from clipmill.errors import ClipmillError, EngineDied
from clipmill.models.captioning.open_chat import Opened, open_model
from clipmill.models.captioning.options import ServingOptions
from clipmill.stages.worker import StageContext

OPENER = "models.open"
"""Key of ``StageContext.shared`` for what opens models: ``(options, num_threads=)`` -> Opened."""

logger = logging.getLogger(__name__)


class SharedModel:
    """A model that is opened for its first user and closed by its last; one that died is opened anew."""

    def __init__(self, make: Callable[[], Opened]) -> None:
        self._make = make
        self._opened: Opened | None = None
        self._is_dead = False
        self._num_users = 0

    @property
    def opened(self) -> Opened:
        """The model that runs, opened where there is none. ModelUnavailable with the remedy."""
        if self._is_dead:
            self._close_dead()
        if self._opened is None:
            self._opened = self._make()
        return self._opened

    def acquire(self) -> None:
        """Opens the model for one more user."""
        assert self.opened
        self._num_users += 1

    def release(self) -> None:
        """Closes the model with its last user, or where it died."""
        self._num_users -= 1
        if self._is_dead:
            self._close_dead()
        elif self._num_users == 0 and self._opened:
            self._opened.chat.close()
            self._opened = None

    def died(self) -> None:
        """Notes that the model is gone. Its memory is given back later, when no traceback holds it."""
        self._is_dead = True

    def _close_dead(self) -> None:
        opened, self._opened, self._is_dead = self._opened, None, False
        try:
            if opened:
                opened.chat.close()
        except (ClipmillError, OSError, RuntimeError, ValueError) as error:
            logger.warning("a model that died did not close: %s", error)


class ModelLease:
    """A stage's share of a model."""

    def __init__(self, shared: SharedModel) -> None:
        self._shared = shared
        shared.acquire()

    @contextmanager
    def running(self) -> Generator[Opened]:
        """Lends the model to the body. EngineDied goes on to the engine, which opens the worker again."""
        try:
            yield self._shared.opened
        except EngineDied:
            self._shared.died()
            raise

    def close(self) -> None:
        """Ends the lease."""
        self._shared.release()


def lease_model(context: StageContext, options: ServingOptions) -> ModelLease:
    """Returns a lease of the worker process's one model with these options; the first lease opens it."""
    opener = context.shared(OPENER, lambda: open_model)
    make = partial(opener, options, num_threads=context.num_threads)
    return ModelLease(context.shared(f"model {options.engine_key}", lambda: SharedModel(make)))

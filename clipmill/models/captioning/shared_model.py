"""One model of a worker process that several stages ask: captions and questions of one run."""

import logging
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial

from clipmill.errors import ClipmillError, EngineDied
from clipmill.models.captioning.chat import ChatModel
from clipmill.models.captioning.open_chat import open_model
from clipmill.models.captioning.options import ServingOptions
from clipmill.stages.worker import StageContext

OPENER = "models.open"
"""Key of ``StageContext.shared`` for what opens models: ``(options, num_threads=)`` -> ChatModel."""

logger = logging.getLogger(__name__)


class SharedModel:
    """A model that is opened for its first user and closed by its last; one that died is opened anew."""

    def __init__(self, make: Callable[[], ChatModel]) -> None:
        self._make = make
        self._chat: ChatModel | None = None
        self._is_dead = False
        self._num_users = 0

    def acquire(self) -> None:
        """Opens the model for one more user. ModelUnavailable with the remedy."""
        self._opened()
        self._num_users += 1

    @contextmanager
    def running(self) -> Generator[ChatModel]:
        """Lends the model to the body. EngineDied goes on to the engine, which opens the worker again.

        The memory of a dead model is given back later, when no traceback holds it.
        """
        try:
            yield self._opened()
        except EngineDied:
            self._is_dead = True
            raise

    def release(self) -> None:
        """Closes the model with its last user, or where it died."""
        self._num_users -= 1
        if self._is_dead:
            self._close_dead()
        elif self._num_users == 0 and self._chat:
            self._chat.close()
            self._chat = None

    def _opened(self) -> ChatModel:
        if self._is_dead:
            self._close_dead()
        if self._chat is None:
            self._chat = self._make()
        return self._chat

    def _close_dead(self) -> None:
        chat, self._chat, self._is_dead = self._chat, None, False
        try:
            if chat:
                chat.close()
        except (ClipmillError, OSError, RuntimeError, ValueError) as error:
            logger.warning("a model that died did not close: %s", error)


def acquire_model(context: StageContext, options: ServingOptions) -> SharedModel:
    """Returns the worker process's one model with these options, for one more user, who releases it."""
    opener = context.shared(OPENER, lambda: open_model)
    make = partial(opener, options, num_threads=context.num_threads)
    shared = context.shared(f"model {options.engine_key}", lambda: SharedModel(make))
    shared.acquire()
    return shared

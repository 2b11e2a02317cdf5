"""How a run is asked to end: Ctrl-C finishes open videos, a second one or SIGTERM stops at once.

At once, too, what is done is kept, the lease is given back, and scratch files go.
"""

import logging
import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType

logger = logging.getLogger(__name__)


class _Stop:
    """What was asked of the run of this process: signals are the process's too."""

    is_asked = False
    has_left_work = False


_stop = _Stop()


@contextmanager
def stoppable() -> Generator[None]:
    """Within the block the first Ctrl-C asks runs to stop; the next one raises KeyboardInterrupt."""
    before = signal.signal(signal.SIGINT, _ask)
    _stop.is_asked = _stop.has_left_work = False
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        _stop.is_asked = _stop.has_left_work = False


def stops_here() -> bool:
    """Returns True if no further work is begun because the user asked to stop; some is left then."""
    _stop.has_left_work = _stop.has_left_work or _stop.is_asked
    return _stop.is_asked


def was_cut_short() -> bool:
    """Returns True if work was left because the user asked to stop."""
    return _stop.has_left_work


@contextmanager
def terminable() -> Generator[None]:
    """Raises KeyboardInterrupt on SIGTERM within the block, where nothing else handles that signal."""
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _ask(number: int, frame: FrameType | None) -> None:
    if _stop.is_asked:
        raise KeyboardInterrupt
    _stop.is_asked = True
    logger.warning("stopping: open videos are finished and published; Ctrl-C again stops at once")


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt

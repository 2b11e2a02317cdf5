"""The command line. ``run`` is the program ``clipmill``."""

import os
import signal
import sys
from collections.abc import Callable
from types import FrameType

STOPPED = 4
"""Exit code of a verb that was stopped early: what is done is safe."""


def run() -> int:
    """Runs the program; returns its exit code. Ctrl-C ends it in one line, also while Python imports it."""
    stop_at_once()
    from clipmill.cli.main import main  # may be interrupted, too

    return ended(main)


def ended(main: Callable[[], int]) -> int:
    """Returns the exit code of a program. Once it is known, Ctrl-C changes nothing: Python clears away."""
    try:
        return main()
    except KeyboardInterrupt:
        print("clipmill: stopped; what is done is kept", file=sys.stderr)
        return STOPPED
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def stop_at_once() -> None:
    """From here on Ctrl-C ends the process: as an exception in an import it may turn into any other error."""
    signal.signal(signal.SIGINT, stop)


def let_verbs_stop() -> None:
    """From here on Ctrl-C raises KeyboardInterrupt, so that a verb clears away, if it ended all before."""
    if signal.getsignal(signal.SIGINT) is stop:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def stop(number: int = signal.SIGINT, frame: FrameType | None = None) -> None:
    """Ends the process in one line."""
    os.write(2, b"clipmill: stopped; nothing was begun\n")
    os._exit(STOPPED)

"""The codec process: ``python -m clipmill.sandbox.child_main MEMORY_LIMIT_BYTES``.

Calls come on stdin, answers go to stdout. It imports what a call needs and nothing before. It ends when its
parent does: a thread waits for the end of stdin.
"""

import faulthandler
import os
import pickle
import queue
import resource
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from types import TracebackType

from clipmill.errors import ClipmillError, CodecChildError
from clipmill.sandbox import heartbeat, os_settings
from clipmill.sandbox.protocol import HEADER, Kind, read_exactly, write_message

GRACE_S = 30.0  # after its parent should have killed it
Call = tuple[Callable[[], object], float]


class _Answers:
    """The pipe to the parent, kept apart from stdout: a library that prints must not break the protocol."""

    def __init__(self) -> None:
        self._descriptor = os.dup(1)
        os.dup2(2, 1)

    def beat(self, progress: int, seen_s: float = 0.0) -> None:
        write_message(self._descriptor, Kind.BEAT, pickle.dumps((progress, seen_s)))

    def result(self, value: object) -> None:
        answer = (value, time.process_time())
        write_message(self._descriptor, Kind.RESULT, pickle.dumps(answer, pickle.HIGHEST_PROTOCOL))

    def error(self, error: BaseException, *, kind: Kind = Kind.ERROR) -> None:
        text = "".join(traceback.format_exception(error))
        write_message(self._descriptor, kind, pickle.dumps((_portable(error), text)))

    def last_words(
        self, kind: type[BaseException], error: BaseException, trace: TracebackType | None, /
    ) -> None:
        """``sys.excepthook``: sends an unknown error before the process, whose state is unknown, ends."""
        self.error(error, kind=Kind.LAST_WORDS)


def serve() -> None:
    """Answer calls until stdin ends."""
    memory_limit_bytes = int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_AS, (memory_limit_bytes, memory_limit_bytes))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    os_settings.give_up_real_time()
    answers = _Answers()
    sys.excepthook = answers.last_words
    heartbeat.listen(answers.beat)
    calls: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(calls,), daemon=True).start()
    while True:
        _answer(calls.get(), answers)


def _receive(calls: queue.SimpleQueue[bytes]) -> None:
    while (header := read_exactly(0, HEADER.size)) is not None:
        payload = read_exactly(0, HEADER.unpack(header)[1])
        if payload is None:
            break
        calls.put(payload)
    os._exit(0)  # the parent is gone or has let go: no one waits for what runs


def _answer(payload: bytes, answers: _Answers) -> None:
    search_path, body = pickle.loads(payload)
    sys.path[:] = search_path
    try:
        call: Call = pickle.loads(body)
        function, timeout_s = call
        # Works even while a codec holds the interpreter and the thread cannot see that the parent is gone.
        faulthandler.dump_traceback_later(timeout_s + GRACE_S, exit=True, file=sys.__stderr__ or sys.stderr)
        answers.beat(0)
        result = function()
        os_settings.give_back()
    except (ClipmillError, OSError, ValueError) as error:
        answers.error(error)
    else:
        answers.result(result)
    finally:
        faulthandler.cancel_dump_traceback_later()


def _portable(error: BaseException) -> BaseException:
    """The error itself where it survives pickling, else its name and message."""
    try:
        copy = pickle.loads(pickle.dumps(error))
        if type(copy) is type(error) and str(copy) == str(error):
            return error
    except (pickle.PicklingError, TypeError, AttributeError, ValueError):
        pass
    return CodecChildError(type(error).__name__, str(error))


if __name__ == "__main__":
    serve()

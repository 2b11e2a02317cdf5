"""How code in a codec process says that it still gets on. In any other process it does nothing."""

import time
from collections.abc import Callable

INTERVAL_S = 0.2


class _Pulse:
    """Passes progress on, at most every ``INTERVAL_S``."""

    def __init__(self) -> None:
        self._send: Callable[[int, float], None] | None = None
        self._next_s = 0.0
        self._num_steps = 0

    def listen(self, send: Callable[[int, float], None] | None) -> None:
        self._send, self._num_steps = send, 0

    def beat(self, progress: int, seen_s: float = 0.0) -> None:
        if self._send is not None and time.monotonic() >= self._next_s:
            self._next_s = time.monotonic() + INTERVAL_S
            self._send(self._num_steps + progress, seen_s)

    def advance(self) -> None:
        self._num_steps += 1
        self.beat(0)


_pulse = _Pulse()
listen = _pulse.listen
beat = _pulse.beat
"""``beat(progress, seen_s)``: only growing progress keeps a process alive, a loop that stands still does not.

``seen_s`` is how far into a video it is, in seconds; the caller may show that.
"""

advance = _pulse.advance
"""One step before what ``beat`` counts, such as a part of a file that is copied first."""

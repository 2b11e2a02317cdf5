"""A bounded queue between threads that can be ended by its last sender and torn down by any thread."""

import threading
from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

_ITEM = TypeVar("_ITEM")


class TornDown(Exception):
    """The channel carries nothing any more."""


class Channel(Generic[_ITEM]):
    """Carries items from ``num_senders`` threads to any number of them, at most ``capacity`` at a time."""

    def __init__(self, *, capacity: int, num_senders: int) -> None:
        self._capacity = capacity
        self._num_senders = num_senders
        self._items: deque[_ITEM] = deque()
        self._is_torn_down = False
        self._changed = threading.Condition()

    @property
    def is_torn_down(self) -> bool:
        """True after ``tear_down``."""
        return self._is_torn_down

    def send(self, item: _ITEM) -> None:
        """Hand on an item, when there is room. TornDown."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_torn_down or len(self._items) < self._capacity)
            self._check()
            self._items.append(item)
            self._changed.notify_all()

    def sender_done(self) -> None:
        """One sender has sent its last item."""
        with self._changed:
            self._num_senders -= 1
            self._changed.notify_all()

    def receive(self, most: int) -> list[_ITEM]:
        """At least one item and at most so many of those that wait; none after the last. TornDown."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_torn_down or self._items or self._num_senders == 0)
            self._check()
            taken = [self._items.popleft() for _ in range(min(most, len(self._items)))]
            self._changed.notify_all()
            return taken

    def __iter__(self) -> Iterator[_ITEM]:
        """All items to the last, one by one."""
        while taken := self.receive(1):
            yield from taken

    def tear_down(self) -> None:
        """Wake all threads that wait, and drop what was not received."""
        with self._changed:
            self._is_torn_down = True
            self._items.clear()
            self._changed.notify_all()

    def _check(self) -> None:
        if self._is_torn_down:
            raise TornDown

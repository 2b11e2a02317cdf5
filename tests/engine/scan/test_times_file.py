"""Numbers that grow on disk."""

import tracemalloc

import numpy as np

from clipmill.engine.scan.frame_buffer import TimesFile


def test_what_was_appended_is_there() -> None:
    times = TimesFile(np.float64)
    for start in range(0, 20, 5):
        times.append(np.arange(start, start + 5) / 25)
    assert times.values.tolist() == (np.arange(20) / 25).tolist()


def test_nothing_is_there_at_first() -> None:
    times = TimesFile(np.int64)
    times.append(np.empty(0, np.int64))
    assert times.values.tolist() == []


def test_what_was_given_before_stays_right() -> None:
    times = TimesFile(np.int64)
    times.append(np.arange(3))
    before = times.values[1:]
    times.append(np.arange(3))
    del times
    assert before.tolist() == [1, 2]


def test_memory_does_not_grow() -> None:
    times, piece = TimesFile(np.int64), np.arange(10_000)
    tracemalloc.start()
    for _ in range(100):
        times.append(piece)
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken < piece.nbytes

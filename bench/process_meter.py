"""CPU time and memory of a process with all its children, from the kernel's own books (Linux's ``/proc``)."""

import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

_RESULT = TypeVar("_RESULT")
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
SAMPLE_EVERY_S = 0.1


@dataclass
class Peak:
    """What was seen of a process and its descendants while they were watched.

    ``rss_bytes`` is the largest sum of resident memory (a page that two of them share counts twice).
    ``memory_bytes`` is the largest sum of what each has alone and the most that one of them shares.
    ``high_water_bytes`` is the sum of what each process held at its own peak, which the kernel notes and no
    sample misses: an upper bound. ``cpu_s`` sums each process's last sample: a lower bound, for daemons that
    no process waits for.
    """

    rss_bytes: int = 0
    memory_bytes: int = 0
    high_water_bytes: int = 0
    cpu_s: float = 0.0


def cpu_s() -> float:
    """CPU seconds so far of this process, of its children, living or not, and of theirs."""
    own = os.times()
    ended = own.user + own.system + own.children_user + own.children_system
    return ended + sum(_cpu_s(pid, with_ended=True) for pid in descendants(os.getpid()))


def descendants(pid: int) -> Iterator[int]:
    """Living children of a process, and theirs."""
    for task in _listed(f"/proc/{pid}/task"):
        for child in map(int, _read(f"/proc/{pid}/task/{task}/children").split()):
            yield child
            yield from descendants(child)


@contextmanager
def watched(pid: int) -> Generator[Peak]:
    """Watch a process and its descendants from a thread of this one, which must not be among them."""
    peak, stop, seen, highest = Peak(), threading.Event(), dict[int, float](), dict[int, int]()

    def watch() -> None:
        family = {pid}
        while not stop.is_set():
            family |= {each for member in tuple(family) for each in descendants(member)}
            peak.rss_bytes = max(peak.rss_bytes, sum(map(_rss_bytes, family)))
            alone, shared = zip(*map(_memory_bytes, family), strict=True)
            peak.memory_bytes = max(peak.memory_bytes, sum(alone) + max(shared))
            for each in family:
                seen[each] = max(seen.get(each, 0.0), _cpu_s(each, with_ended=False))
                highest[each] = max(highest.get(each, 0), _high_water_bytes(each))
            peak.cpu_s, peak.high_water_bytes = sum(seen.values()), sum(highest.values())
            stop.wait(SAMPLE_EVERY_S)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        stop.set()
        thread.join()


def isolated(function: Callable[..., _RESULT], *arguments: object) -> tuple[_RESULT, Peak]:
    """``function(*arguments)`` in a fresh process of its own, and the peak of that process's family."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        pid = pool.submit(os.getpid).result()
        with watched(pid) as peak:
            return pool.submit(function, *arguments).result(), peak


@contextmanager
def timed() -> Generator[list[float]]:
    """Fills the list with the CPU and wall seconds that the body took."""
    taken: list[float] = []
    start_cpu_s, start_wall_s = cpu_s(), time.monotonic()
    yield taken
    taken.extend((cpu_s() - start_cpu_s, time.monotonic() - start_wall_s))


def _cpu_s(pid: int, *, with_ended: bool) -> float:
    fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    ticks = fields[11:15] if with_ended else fields[11:13]  # utime, stime and those of children waited for
    return sum(map(int, ticks)) / _TICKS_PER_S


def _rss_bytes(pid: int) -> int:
    fields = _read(f"/proc/{pid}/statm").split()
    return int(fields[1]) * _PAGE_BYTES if fields else 0


def _memory_bytes(pid: int) -> tuple[int, int]:
    """Bytes that a process has alone, and bytes that it shares."""
    alone = shared = 0
    for line in _read(f"/proc/{pid}/smaps_rollup").splitlines():
        name, _, value = line.partition(":")
        if name.startswith("Private_"):
            alone += int(value.split()[0]) << 10
        elif name.startswith("Shared_"):
            shared += int(value.split()[0]) << 10
    return alone, shared


def _high_water_bytes(pid: int) -> int:
    for line in _read(f"/proc/{pid}/status").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) << 10
    return 0


def _read(path: str) -> str:
    """Empty for a process that is gone."""
    try:
        return Path(path).read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _listed(path: str) -> list[str]:
    try:
        return os.listdir(path)
    except (FileNotFoundError, ProcessLookupError):
        return []

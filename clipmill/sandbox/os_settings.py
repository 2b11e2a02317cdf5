"""What a codec process asks of the operating system: memory given back, no real-time priority.

libsvtav1 gives that priority (SCHED_FIFO, 99) to every process in which it encodes as root. Two such
processes on two cores leave nothing for the processes that feed them. A child inherits it.
"""

import ctypes
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager

_C_LIBRARY = ctypes.CDLL(None)
_MMAP_THRESHOLD = -3  # glibc's number for it; only its allocator can be set
LARGE_BYTES = 1 << 19
_VERSION_3 = 0x20080522  # of capget and capset, linux/capability.h
_CAP_SYS_NICE = 1 << 23


def keep_large_blocks_apart() -> None:
    """From now on give large blocks back when they are let go of.

    Left alone, glibc soon keeps blocks of up to 32 MiB for later, and what encoders leave between frames that
    wait adds up: 30 MB in two minutes of 720p. Each block costs page faults, a scan alone 3 % of its time.
    """
    if set_option := getattr(_C_LIBRARY, "mallopt", None):
        set_option(_MMAP_THRESHOLD, LARGE_BYTES)


def give_back() -> None:
    """Give free memory back to the system, that another process may have it while this one waits."""
    if trim := getattr(_C_LIBRARY, "malloc_trim", None):
        trim(0)


def give_up_real_time() -> None:
    """From now on no thread of this process can get real-time priority; it cannot be undone.

    Does nothing where the C library has no capabilities.
    """
    get, put = getattr(_C_LIBRARY, "capget", None), getattr(_C_LIBRARY, "capset", None)
    header, sets = (ctypes.c_uint32 * 2)(_VERSION_3, 0), (ctypes.c_uint32 * 6)()
    if get is None or put is None or get(header, sets):
        return
    effective, permitted = 0, 1
    for place in (effective, permitted):
        sets[place] &= ~_CAP_SYS_NICE
    put(header, sets)


@contextmanager
def kept_priority() -> Generator[None]:
    """Gives the calling thread back the priority that it had. Only Linux has such priorities."""
    if sys.platform != "linux":
        yield
        return
    policy, parameter = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        if os.sched_getscheduler(0) != policy:
            os.sched_setscheduler(0, policy, parameter)

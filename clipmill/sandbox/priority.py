"""Real-time priority, which libsvtav1 gives to every process in which it encodes as root (SCHED_FIFO, 99).

Two such processes on two cores leave nothing for the processes that feed them. A child inherits it.
"""

import ctypes
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager

_C_LIBRARY = ctypes.CDLL(None)
_VERSION_3 = 0x20080522  # of capget and capset, linux/capability.h
_CAP_SYS_NICE = 1 << 23


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

"""Messages between a codec process and its parent: a kind, a length, a pickle."""

import os
import struct
from enum import IntEnum

HEADER = struct.Struct("<BQ")


class Kind(IntEnum):
    """What a message is; after ``LAST_WORDS``, an unexpected error, the process ends."""

    CALL = 0
    BEAT = 1
    RESULT = 2
    ERROR = 3
    LAST_WORDS = 4


def write_message(descriptor: int, kind: Kind, payload: bytes) -> None:
    """Write one message whole."""
    for part in (HEADER.pack(kind, len(payload)), payload):
        left = memoryview(part)
        while left:
            left = left[os.write(descriptor, left) :]


def read_exactly(descriptor: int, num_bytes: int) -> bytes | None:
    """``num_bytes`` from a blocking pipe; None when it ends before."""
    parts: list[bytes] = []
    while num_bytes > 0:
        part = os.read(descriptor, min(num_bytes, 1 << 20))
        if not part:
            return None
        parts.append(part)
        num_bytes -= len(part)
    return b"".join(parts)

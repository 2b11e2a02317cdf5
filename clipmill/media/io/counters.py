"""The counters of packets in a transport stream: whether they break because packets are missing.

They break as well where recordings, or the parts of a broadcast by HTTP, lie one behind the other: tables
come first there, then a picture begins, and the counters of both start anew. Source: ISO/IEC 13818-1
(H.222.0), 2.4.3.2.
"""

import numpy as np

from clipmill.media.io.reused_pids import PACKET_BYTES, PAT_PID, SYNC
from clipmill.media.io.source import CountingReader

BEFORE_BYTES = 1 << 18
"""How far before a picture a table of programs comes, as often as ten times a second."""
_COUNTER, _HAS_CONTENT, _BEGINS = 0x0F, 0x10, 0x40


def is_joined(reader: CountingReader, start: int, end: int) -> bool:
    """Returns True if counters break once between two places of a file, and a recording begins there.

    At ``start`` begins a picture of the video, and none of its packets behind it is missing.
    """
    first = start - min(start, BEFORE_BYTES) // PACKET_BYTES * PACKET_BYTES
    data = reader.read_range(first, end)
    packets = np.frombuffer(data, np.uint8, len(data) // PACKET_BYTES * PACKET_BYTES).reshape(
        -1, PACKET_BYTES
    )
    has_content = packets[:, 3] & _HAS_CONTENT > 0
    if not has_content.any() or (packets[:, 0] != SYNC).any():
        return False
    packets, looked_at = packets[has_content], int(has_content[: (start - first) // PACKET_BYTES].sum())
    pids = (packets[:, 1].astype(np.int32) & 0x1F) << 8 | packets[:, 2]
    video = (data[start - first + 1] & 0x1F) << 8 | data[start - first + 2]
    broken = {pid: _breaks(packets, pids == pid, looked_at) for pid in np.unique(pids).tolist()}
    if len(broken[video]) != 1:
        return False
    before, at = broken.pop(video)[0]
    has_tables = bool((pids[before:at] == PAT_PID).any())
    return has_tables and any(broken.values()) and bool(packets[at, 1] & _BEGINS)


def _breaks(packets: np.ndarray, is_of_pid: np.ndarray, first: int) -> list[tuple[int, int]]:
    """Rows between which the counter of a stream breaks, the second one behind ``first``."""
    rows = np.flatnonzero(is_of_pid)
    steps = np.diff(packets[rows, 3] & _COUNTER) & _COUNTER
    pairs = [(int(rows[place]), int(rows[place + 1])) for place in np.flatnonzero(steps > 1)]
    return [pair for pair in pairs if pair[1] > first]

"""Transport streams put one behind the other: a PID is used again for another codec, or a program ends.

FFmpeg keeps the first codec of a PID, or the last one that it finds before it decodes. It is shown such
streams under PIDs of their own, so that they are streams in which the video or the sound goes on. Streams of
a program of another table it would not read: it is shown them as streams of the first program. Sources:
ISO/IEC 13818-1 (H.222.0), 2.4.3.2 (packets), 2.4.4 (program tables), 2.6.8 (registration), annex A (their
checksum).
"""

import itertools
from bisect import bisect_right, insort
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from clipmill.media.io.checksum import checksum
from clipmill.media.io.source import CountingReader, ReaderView

PACKET_BYTES = 188
SYNC = 0x47
SCRAMBLED = 0xC0
"""Bits of the fourth byte of a packet whose content is encrypted (2.4.3.2)."""
FREE_PIDS = range(0x1E00, 0x1FFF)
PAT_PID = 0
PAT_TABLE, PMT_TABLE = b"\0", b"\2"
PRIVATE, REGISTRATION = b"\6", 0x05
_ALL_ONES = 0xFFFFFFFF
CODEC_TAGS = frozenset({0x6A, 0x7A, 0x7B, 0x7C, 0x7F})
"""Descriptors of AC-3, E-AC-3, DTS, AAC and others (ETSI EN 300 468)."""


@dataclass(frozen=True)
class _Shown:
    """How packets are shown: those of some PIDs under others, programs by the table ``programs``, if any."""

    pids: tuple[tuple[int, int], ...] = ()
    programs: bytes = b""


def is_scrambled(head: bytes) -> bool:
    """Returns True if most packets of a transport stream are scrambled, as pay TV is; tables never are."""
    num_packets = len(head) // PACKET_BYTES
    packets = np.frombuffer(head, np.uint8, num_packets * PACKET_BYTES).reshape(-1, PACKET_BYTES)
    if not num_packets or (packets[:, 0] != SYNC).mean() > 0.5:
        return False
    return bool((packets[:, 3] & SCRAMBLED != 0).mean() > 0.5)


class WithOwnPids(ReaderView):
    """The bytes of a transport stream, in which a PID always has one codec, and one program goes on."""

    def __init__(self, reader: CountingReader) -> None:
        super().__init__(reader)
        self._pmt_pids = set[int]()
        self._types: dict[int, bytes] = {}
        self._own_pids: dict[tuple[int, bytes], int] = {}
        self._programs = b""
        self._marks: list[tuple[int, _Shown]] = []

    def read(self, size: int = -1, /) -> bytes:
        """Up to ``size`` bytes."""
        start = self._reader.tell()
        left = max(self._reader.size_bytes - start, 0)
        size = left if size < 0 else min(size, left)
        before, behind = start % PACKET_BYTES, -(start + size) % PACKET_BYTES
        self._reader.seek(start - before)
        whole = self._reader.read(before + size + behind)  # through the cache, as the bytes read next are
        self._reader.seek(start + size)
        changed = self._changed(whole[: len(whole) // PACKET_BYTES * PACKET_BYTES], start - before)
        shown = whole if changed is None else changed + whole[len(changed) :]
        return shown[before : before + size]

    def _changed(self, data: bytes, start: int) -> bytes | None:
        """Whole packets from ``start`` on with other PIDs; None where all keep theirs."""
        packets = np.frombuffer(data, np.uint8).reshape(-1, PACKET_BYTES)
        if not len(packets) or (packets[:, 0] != SYNC).mean() > 0.5:
            return None
        pids = (packets[:, 1].astype(np.int32) & 0x1F) << 8 | packets[:, 2]
        tables = self._tables(packets, pids)
        for row in tables:
            see = self._see_streams if pids[row] else self._see_programs
            see(packets[row].tobytes(), start + row * PACKET_BYTES)
        if not self._marks:
            return None
        changed = packets.copy()
        for rows, shown in self._stretches(start, len(packets)):
            for pid, other in shown.pids:
                hit = rows.start + np.flatnonzero(pids[rows] == pid)
                changed[hit, 1] = changed[hit, 1] & 0xE0 | other >> 8
                changed[hit, 2] = other & 0xFF
            for row in {*tables}.intersection(range(rows.start, rows.stop)):
                table = _shown_table(packets[row].tobytes(), shown)
                changed[row, 3:] = np.frombuffer(table, np.uint8)[3:]
        return changed.tobytes()

    def _tables(self, packets: np.ndarray, pids: np.ndarray) -> list[int]:
        """Packets in which tables begin: of programs, and of the streams of a program."""
        begins = packets[:, 1] & 0x40 > 0
        for row in np.flatnonzero((pids == PAT_PID) & begins).tolist():
            self._pmt_pids |= set(_programs(_section(packets[row].tobytes())).values())
        return np.flatnonzero(np.isin(pids, [PAT_PID, *self._pmt_pids]) & begins).tolist()

    def _see_programs(self, packet: bytes, place: int) -> None:
        """The table of programs at a place of the file: the first one is shown in place of one that follows.

        A table with several programs, or with one of the first table, is shown as it is.
        """
        section = _section(packet)
        programs = _programs(section)
        self._programs = self._programs or (section if programs else b"")
        follows = len(programs) == 1 and not programs.items() & _programs(self._programs).items()
        self._mark(place, replace(self._in_force(place), programs=self._programs if follows else b""))

    def _see_streams(self, packet: bytes, place: int) -> None:
        """The table of a program at a place of the file."""
        section, shown = _section(packet), self._in_force(place)
        if section[:1] != PMT_TABLE:
            return
        others = {pid: self._own_pid(pid, kind) for pid, kind in _streams(section).items()}
        if shown.programs:
            others[_pid_at(packet, 1)] = next(iter(_programs(shown.programs).values()))
        pids = tuple((pid, other) for pid, other in others.items() if other != pid)
        self._mark(place, replace(shown, pids=pids))

    def _mark(self, place: int, shown: _Shown) -> None:
        if shown != self._in_force(place):
            insort(self._marks, (place, shown), key=lambda mark: mark[0])

    def _own_pid(self, pid: int, kind: bytes) -> int:
        """The PID under which a stream of this type is shown: its own for the type that it has first."""
        if self._types.setdefault(pid, kind) == kind:
            return pid
        return self._own_pids.setdefault((pid, kind), FREE_PIDS[len(self._own_pids) % len(FREE_PIDS)])

    def _in_force(self, place: int) -> _Shown:
        at = bisect_right(self._marks, place, key=lambda mark: mark[0])
        return self._marks[at - 1][1] if at else _Shown()

    def _stretches(self, start: int, num_packets: int) -> Iterator[tuple[slice, _Shown]]:
        """Rows of packets from ``start`` on, and how they are shown."""
        places = [(place - start) // PACKET_BYTES for place, _ in self._marks]
        edges = [0, *(row for row in places if 0 < row < num_packets), num_packets]
        for first, last in itertools.pairwise(edges):
            yield slice(first, last), self._in_force(start + first * PACKET_BYTES)


def _section(packet: bytes) -> bytes:
    """The table that begins in a packet, without its checksum; empty where it does not end there."""
    at = 4 + (1 + packet[4] if packet[3] & 0x20 else 0)
    at += 1 + packet[at] if at < PACKET_BYTES else 0
    if at + 3 > PACKET_BYTES:
        return b""
    end = at + 3 + ((packet[at + 1] & 0xF) << 8 | packet[at + 2])
    return packet[at : end - 4] if end <= PACKET_BYTES else b""


@cache
def _programs(section: bytes) -> dict[int, int]:
    """The PIDs of the tables of programs, by the program's number."""
    entries = range(8, len(section) - 3 if section[:1] == PAT_TABLE else 0, 4)
    numbers = {int.from_bytes(section[at : at + 2], "big"): _pid_at(section, at + 2) for at in entries}
    return {number: pid for number, pid in numbers.items() if number}


def _streams(section: bytes) -> dict[int, bytes]:
    """The types of a program's streams, by PID."""
    return {_pid_at(section, at + 1): _type_of(section, at) for at in _entries(section)}


def _type_of(section: bytes, at: int) -> bytes:
    """The type of a stream; of a private one, with the descriptors that name its codec."""
    kind, end = section[at : at + 1], at + 5 + _length_at(section, at + 3)
    at += 5
    while kind[:1] == PRIVATE and at + 2 <= end:
        tag, length = section[at], section[at + 1]
        kind += (
            section[at : at + 2 + length]
            if tag == REGISTRATION
            else bytes([tag] if tag in CODEC_TAGS else [])
        )
        at += 2 + length
    return kind


def _entries(section: bytes) -> Iterator[int]:
    """Where the streams of a program's table are declared."""
    at = 12 + _length_at(section, 10)
    while at + 5 <= len(section):
        yield at
        at += 5 + _length_at(section, at + 3)


def _pid_at(data: bytes, at: int) -> int:
    return (data[at] & 0x1F) << 8 | data[at + 1]


def _length_at(data: bytes, at: int) -> int:
    return (data[at] & 0xF) << 8 | data[at + 1] if at + 1 < len(data) else 0


@cache
def _shown_table(packet: bytes, shown: _Shown) -> bytes:
    """A packet with a table in which streams have other PIDs, and programs are those of another table."""
    section, others = bytearray(_section(packet)), dict(shown.pids)
    if not section or shown == _Shown():
        return packet
    if bytes(section[:1]) == PAT_TABLE:
        return _with_section(packet, bytearray(shown.programs or section))
    if shown.programs:
        section[3:5] = next(iter(_programs(shown.programs))).to_bytes(2, "big")
    for at in (8, *(entry + 1 for entry in _entries(bytes(section)))):
        pid = _pid_at(bytes(section), at)
        other = others.get(pid, pid)
        section[at], section[at + 1] = section[at] & 0xE0 | other >> 8, other & 0xFF
    return _with_section(packet, section)


def _with_section(packet: bytes, section: bytearray) -> bytes:
    """A packet with another table, and its checksum, in place of its own; padding behind it."""
    before = packet[: packet.index(_section(packet))]
    shown = before + section + checksum(bytes(section), start=_ALL_ONES).to_bytes(4, "big")
    return (shown + b"\xff" * PACKET_BYTES)[:PACKET_BYTES]

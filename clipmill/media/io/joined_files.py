"""Bytes that FFmpeg does not read: damaged ones, and files put behind the first one, as ``cat`` does.

FFmpeg's Matroska demuxer goes on behind one header in mid-file, and ends at the next. It is shown the bytes
of such a header, up to the first pictures behind it, as an element that it passes over. An mp4 with an index
and an flv end for it where their first file does. Sources: RFC 8794 (EBML), RFC 9559 (Matroska).
"""

from __future__ import annotations  # PyAV's Packet[...] exists for type checkers only

import re
from collections.abc import Callable
from math import ceil

from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream

from clipmill.media.io.encryption import boxes
from clipmill.media.io.joined_ogg import are_whole_pages
from clipmill.media.io.reused_pids import PACKET_BYTES, is_scrambled
from clipmill.media.io.source import CountingReader, ReaderView

EBML, SEGMENT, CLUSTER = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67", b"\x1f\x43\xb6\x75"
VOID = b"\xec"
MAX_ELEMENTS = 256
"""So many boxes or elements are looked at; a file with more is fragmented, and read to its end anyway."""
MAX_HEAD_BYTES = 16
"""Of an element or a box before its content, with its size."""


class WithoutHeaders(ReaderView):
    """The bytes of a Matroska file, in which headers in mid-file are void."""

    def __init__(self, reader: CountingReader) -> None:
        super().__init__(reader)
        self._voids: dict[int, bytes] = {}

    def read(self, size: int = -1, /) -> bytes:
        """Up to ``size`` bytes."""
        start = self._reader.tell()
        data = self._reader.read(size)
        self._find(data, start)
        for place, void in self._voids.items():
            if start - len(void) < place < start + len(data):
                data = _laid_over(data, void, place - start)
        return data

    def _find(self, data: bytes, start: int) -> None:
        """Look for headers that begin in ``data``, the bytes from ``start`` on."""
        end = start + len(data)
        if EBML[:1] in data[-len(EBML) + 1 :]:  # a header may go on in the bytes of the next read
            data += self._reader.read(len(EBML))
            self._reader.seek(end)
        at = data.find(EBML, 1 if start == 0 else 0)
        while at >= 0:
            place = start + at
            if place not in self._voids:
                length = _header_bytes(self._reader, place)
                self._voids |= {place: VOID + (length - 9 | 1 << 56).to_bytes(8, "big")} if length else {}
            at = data.find(EBML, at + 1)


def _laid_over(data: bytes, patch: bytes, at: int) -> bytes:
    first, last = max(at, 0), min(at + len(patch), len(data))
    return data[:first] + patch[first - at : last - at] + data[last:]


def _header_bytes(reader: CountingReader, place: int) -> int:
    """How many bytes a Matroska header has up to its first cluster; 0 where there is none."""
    at = place
    for _ in range(MAX_ELEMENTS):
        head = reader.read_range(at, min(at + MAX_HEAD_BYTES, reader.size_bytes))
        if len(head) < MAX_HEAD_BYTES or (at == place) != head.startswith(EBML):
            return 0
        if head.startswith(CLUSTER):
            return at - place
        id_bytes = _num_bytes(head[0])
        size_bytes = _num_bytes(head[id_bytes])
        at += id_bytes + size_bytes
        if not head.startswith(SEGMENT):  # what is inside it comes next
            size = int.from_bytes(head[id_bytes : id_bytes + size_bytes], "big")
            at += size & (1 << 7 * size_bytes) - 1
    return 0


def _num_bytes(first: int) -> int:
    """The length of a number of EBML, by its first byte."""
    return 9 - max(first, 1).bit_length()


MOST_BETWEEN = {
    "mpegts": 1 << 18,
    "mpeg": 1 << 18,
    "matroska,webm": 1 << 12,
    "ogg": 1 << 12,
    "flv": 1 << 12,
    "nut": 1 << 12,
}
"""Bytes between two packets, by format: heads of packets and pages, padding, streams beside a video."""
NO_PACKETS = (EBML, *map(bytes.fromhex, ("1c53bb6b", "1254c367", "1941a469", "1043a770")))
"""Elements of Matroska that may lie between packets: a header, Cues, Tags, Attachments, Chapters."""
SCRAMBLED_FROM_BYTES = 1 << 14
"""Bytes between two packets of a transport stream that are looked at for packets that are encrypted."""
FILE_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
ASF_PROPERTIES_BYTES = 80
"""The sizes of an asf file and of its packets lie in these bytes. Source: Advanced Systems Format, revision
01.20.06, 3.2."""
HEADS_BYTES, LOOK_BYTES = 32, 1 << 16
"""How far behind a packet they may begin, and another file."""
CODEC_ID = re.compile(rb"\x86([\x81-\xbf])(?=[AV]_)")
"""Before the codec of a track, in a header of Matroska: its length."""
SHORTEST_HEADER = 128
START_OF_JPEG = b"\xff\xd8"
BESIDE = "matroska_block_additional"
"""What a block of Matroska holds beside its packet."""


class UnreadBytes:
    """Finds stretches of a file from which nothing is read. ``is_any`` once one was found."""

    def __init__(self, container: InputContainer, reader: CountingReader | None) -> None:
        self.is_any = False
        self._reader = reader
        self._format = container.format.name
        self._most = MOST_BETWEEN.get(self._format)
        self._promised_bytes = 0
        if self._format == "asf" and reader is not None:
            self._promised_bytes, self._most = _asf_sizes(reader)
        self._read_to = self._last_place = 0

    def see(self, packet: Packet[Stream], note: Callable[[str], None]) -> None:
        """The next packet that is read."""
        place = self._read_to if packet.pos is None or packet.pos < 0 else packet.pos
        if self._format == "matroska,webm" and place - self._read_to > SHORTEST_HEADER:
            self._see_header(self._read_to, place, note)
        is_far = self._most is not None and place - self._read_to > self._most
        if self._is_encrypted(place):
            self.is_any = True
            note(f"{place - self._read_to} bytes are scrambled")
        elif is_far and self._is_lost(self._read_to, place):
            self.is_any = True
            note(f"{place - self._read_to} bytes {self._why}")
        if self._format == "ogg" and place < self._last_place:  # a long page comes late, with what it holds
            return
        self._read_to, self._last_place = max(self._read_to, place) + packet.size, place
        if self._format == "matroska,webm" and packet.has_sidedata(
            BESIDE
        ):  # its transparency, in VP8 and VP9
            self._read_to += packet.get_sidedata(BESIDE).data_size

    def _see_header(self, start: int, end: int, note: Callable[[str], None]) -> None:
        """Look for the header of another file: FFmpeg decodes what follows by the first header."""
        if not start or self._reader is None:
            return
        _, header, tracks = self._reader.read_range(start, min(start + LOOK_BYTES, end)).partition(EBML)
        first = self._reader.read_range(0, min(LOOK_BYTES, start))
        codecs = _codecs(tracks)
        if header and codecs != _codecs(first):
            note(
                f"a file of other codecs follows ({', '.join(codecs)}), and is decoded by those of the first"
            )

    def end(self, note: Callable[[str], None]) -> None:
        """The last packet was read: what lies behind it, or another file behind this one, is not."""
        if self._reader is None:
            return
        if self._is_encrypted(self._reader.size_bytes):
            self.is_any = True
            note(f"{self._reader.size_bytes - self._read_to} bytes are scrambled")
        elif self._format in ("mpegts", "mpeg") and self._reader.size_bytes - self._read_to > (
            self._most or 0
        ):
            self.is_any = True
            note(f"{self._reader.size_bytes - self._read_to} bytes {self._why}")
        if self._promised_bytes > self._reader.size_bytes:
            missing = self._promised_bytes - self._reader.size_bytes
            note(f"the file is {missing} bytes shorter than its header says")
        num_bytes = _behind(self._reader, self._format, self._read_to)
        if num_bytes:
            note(f"{num_bytes} bytes hold another file, which is not read")

    def _is_encrypted(self, end: int) -> bool:
        """Whether the bytes from the last packet to ``end`` are packets of a transport stream that are."""
        too_few = end - self._read_to < SCRAMBLED_FROM_BYTES
        if self._format != "mpegts" or too_few or self._reader is None:
            return False
        start = self._last_place + ceil((self._read_to - self._last_place) / PACKET_BYTES) * PACKET_BYTES
        return is_scrambled(self._reader.read_range(start, min(start + LOOK_BYTES, end)))

    @property
    def is_all_read(self) -> bool:
        """True where no picture is left, but the end of pictures sent by HTTP, over which FFmpeg stumbles."""
        if self._format != "mpjpeg" or self._reader is None:
            return False
        left = self._reader.read_range(
            self._read_to, min(self._read_to + LOOK_BYTES, self._reader.size_bytes)
        )
        return len(left) < LOOK_BYTES and START_OF_JPEG not in left

    @property
    def _why(self) -> str:
        if self._format in ("mpegts", "mpeg"):
            return "hold no stream that the beginning of the file declares"
        return "could not be read"

    def _is_lost(self, start: int, end: int) -> bool:
        """Whether bytes should have been read; the head of a file, also of one behind another, should not."""
        if self._format in ("mpegts", "mpeg"):
            return True
        if not start or self._reader is None:
            return False
        if self._format == "ogg":
            return not are_whole_pages(self._reader, self._last_place, end)
        if self._format != "matroska,webm":
            return True
        unread = self._reader.read_range(start, min(start + LOOK_BYTES, end))
        near = unread[:HEADS_BYTES]
        return not any(each in near for each in NO_PACKETS) and EBML not in unread and near[4:5] != VOID


def _asf_sizes(reader: CountingReader) -> tuple[int, int | None]:
    """The size of an asf by its header, 0 if unknown; and how much may lie between two pictures or sounds."""
    head = reader.read_range(0, min(LOOK_BYTES, reader.size_bytes))
    found = head.partition(FILE_PROPERTIES)[2]
    if len(found) < ASF_PROPERTIES_BYTES:
        return 0, None
    is_live = found[72] & 1
    num_bytes, packet_bytes = int.from_bytes(found[24:32], "little"), int.from_bytes(found[76:80], "little")
    return 0 if is_live else num_bytes, 2 * packet_bytes


def _codecs(header: bytes) -> list[str]:
    """The codecs of the tracks that a header of Matroska declares."""
    found = CODEC_ID.finditer(header)
    return [header[each.end() :][: each[1][0] & 0x7F].decode("ascii", "replace") for each in found]


def _behind(reader: CountingReader, format_name: str, read_to: int) -> int:
    """How many bytes of a file lie behind another one that ends in it, and are not read."""
    if format_name == "flv":
        at = reader.read_range(read_to, min(read_to + 256, reader.size_bytes)).find(b"FLV\x01")
        return reader.size_bytes - read_to - at if at >= 0 else 0
    if format_name == "avi":
        unread = any(place > read_to for place in places_of_avi(reader))
        return reader.size_bytes - read_to if unread else 0
    return _behind_mp4(reader) if format_name.startswith("mov") else 0


def places_of_avi(reader: CountingReader) -> list[int]:
    """Returns where avi files begin in a file; FFmpeg reads on in most that lie behind the first one."""
    places: list[int] = []
    at = 0
    for _ in range(MAX_ELEMENTS):
        head = reader.read_range(at, min(at + 12, reader.size_bytes))
        if not head.startswith(b"RIFF"):
            break
        places += [at] if head.endswith(b"AVI ") else []
        size = int.from_bytes(head[4:8], "little")
        at += 8 + size + size % 2
    return places


def _behind_mp4(reader: CountingReader) -> int:
    """Bytes behind a second ``ftyp`` of a file with two indexes; fragments are read wherever they lie."""
    second, num_indexes, at = 0, 0, 0
    for name, _, end in boxes(reader, 0, reader.size_bytes):
        if name == b"moof":
            break
        second = second or (at if name == b"ftyp" else 0)
        num_indexes += name == b"moov"
        at = end
    return reader.size_bytes - second if second and num_indexes > 1 else 0

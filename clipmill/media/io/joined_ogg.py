"""Ogg files put one behind the other: FFmpeg reads the first only, unless they hold nothing but sound.

It is shown the pages of later files under the numbers of the first one's streams, and zeros, which it passes
over, in place of their headers. It ends, as before, at a file whose headers are others. Source: RFC 3533
(pages and their checksum).
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile

from clipmill.media.io.checksum import checksum
from clipmill.media.io.source import CountingReader, ReaderView

PAGE, HEAD_BYTES = b"OggS", 27
MAX_PAGE_BYTES = HEAD_BYTES + 255 + 255 * 255
BEGINS = 2
BEGINNING = PAGE + bytes([0, BEGINS])
NUMBER_AT = 14
ENDS_NO_PACKET, HEADER = b"\xff" * 8, bytes(8)
"""Positions that a page may have: none, and that of headers."""
_POLYNOMIAL = 0x104C11DB7


@dataclass(frozen=True)
class _Page:
    """A page at ``place``: number, count and checksum may be ``changed``, ``body`` is of headers only."""

    place: int
    size: int
    begins: bool
    position: bytes
    changed: bytes
    body: bytes

    @property
    def number(self) -> bytes:
        return self.changed[:4]

    def renumbered(self, number: bytes) -> bytes:
        """Number, count and checksum of the page as one of another stream."""
        difference = int.from_bytes(self.number, "big") ^ int.from_bytes(number, "big")
        moved = _product(difference, _power(8 * (self.size - NUMBER_AT - 4) + 32))
        checksum = int.from_bytes(self.changed[8:], "little") ^ moved
        return number + self.changed[4:8] + checksum.to_bytes(4, "little")


class WithOneChain(ReaderView):
    """The bytes of an ogg file, in which later files are part of the first."""

    def __init__(self, reader: CountingReader) -> None:
        super().__init__(reader)
        self._first = {page.place for page in takewhile(lambda page: page.begins, _pages(reader))}
        self._patches: dict[int, bytes] | None = None
        self._places: list[int] = []
        reader.seek(0)

    def read(self, size: int = -1, /) -> bytes:
        """Up to ``size`` bytes."""
        start = self._reader.tell()
        data = self._reader.read(size)
        end = start + len(data)
        if self._patches is None and self._begins_another(data, start):
            self._patches = _patches(self._reader)
            self._places = sorted(self._patches)
        self._reader.seek(end)
        if not self._patches:
            return data
        shown = bytearray(data)
        near = slice(bisect_left(self._places, start - MAX_PAGE_BYTES), bisect_left(self._places, end))
        for place in self._places[near]:
            patch = self._patches[place][max(start - place, 0) : end - place]
            at = max(place - start, 0)
            shown[at : at + len(patch)] = patch
        return bytes(shown)

    def _begins_another(self, data: bytes, start: int) -> bool:
        """Whether a stream seems to begin in ``data``, the bytes from ``start`` on, that the head lacks."""
        data += self._reader.read(len(BEGINNING) - 1)
        at = data.find(BEGINNING)
        while at >= 0 and start + at in self._first:
            at = data.find(BEGINNING, at + 1)
        return at >= 0


def are_whole_pages(reader: CountingReader, start: int, end: int) -> bool:
    """Whether bytes are pages, one behind the other, with the checksums that they say."""
    while start < end:
        page = reader.read_range(start, min(start + MAX_PAGE_BYTES, reader.size_bytes))
        if not page.startswith(PAGE) or len(page) < HEAD_BYTES:
            return False
        size = HEAD_BYTES + page[26] + sum(page[HEAD_BYTES : HEAD_BYTES + page[26]])
        if checksum(page[:22] + bytes(4) + page[26:size], start=0) != int.from_bytes(page[22:26], "little"):
            return False
        start += size
    return start == end


def _patches(reader: CountingReader) -> dict[int, bytes]:
    """Place -> what is laid over the bytes from there on."""
    files = _files(reader)
    first = _streams(next(files))
    patches: dict[int, bytes] = {}
    for pages in files:
        streams = _streams(pages)
        if [_identity(each) for each, _ in streams] != [_identity(each) for each, _ in first]:
            break
        for (headers, others), (declared, _) in zip(streams, first, strict=True):
            patches |= {page.place: bytes(page.size) for page in headers}
            number = declared[0].number
            patches |= {page.place + NUMBER_AT: page.renumbered(number) for page in others}
    return patches


def _files(reader: CountingReader) -> Iterator[list[_Page]]:
    """Pages file by file."""
    pages: list[_Page] = []
    for page in _pages(reader):
        if page.begins and pages and not pages[-1].begins:
            yield pages
            pages = []
        pages.append(page)
    yield pages


def _pages(reader: CountingReader) -> Iterator[_Page]:
    """All pages up to the end, or to damage."""
    place = 0
    while True:
        reader.seek(place)
        head = reader.read(HEAD_BYTES + 255)
        if not head.startswith(PAGE) or len(head) < HEAD_BYTES:
            return
        position, changed = head[6:NUMBER_AT], head[NUMBER_AT : NUMBER_AT + 12]
        lengths = head[HEAD_BYTES : HEAD_BYTES + head[26]]
        size = HEAD_BYTES + len(lengths) + sum(lengths)
        body = b""
        if position in (HEADER, ENDS_NO_PACKET):
            reader.seek(place + HEAD_BYTES - 1)
            body = reader.read(size - HEAD_BYTES + 1)
        yield _Page(place, size, bool(head[5] & BEGINS), position, changed, body)
        place += size


def _streams(pages: list[_Page]) -> list[tuple[list[_Page], list[_Page]]]:
    """The pages of headers and the other pages, stream by stream."""
    streams: defaultdict[bytes, list[_Page]] = defaultdict(list)
    for page in pages:
        streams[page.number].append(page)
    parted: list[tuple[list[_Page], list[_Page]]] = []
    for each in streams.values():
        headers = list(takewhile(lambda page: page.position in (HEADER, ENDS_NO_PACKET), each))
        while headers and headers[-1].position == ENDS_NO_PACKET:
            headers.pop()
        parted.append((headers, each[len(headers) :]))
    return parted


def _identity(headers: list[_Page]) -> list[bytes]:
    """The packets of headers that decoding depends on: all but the second, which holds comments."""
    packets = [b""]
    for body in (page.body for page in headers):
        at = 1 + body[0]
        for length in body[1:at]:
            packets[-1] += body[at : at + length]
            at += length
            packets += [b""] if length < 255 else []
    return packets[:1] + packets[2:]


def _power(exponent: int) -> int:
    """x to a power, modulo the polynomial of the checksum."""
    power, square = 1, 2
    while exponent:
        power = _product(power, square) if exponent & 1 else power
        square, exponent = _product(square, square), exponent >> 1
    return power


def _product(one: int, other: int) -> int:
    """Of two polynomials over GF(2), modulo that of the checksum."""
    product = 0
    while other:
        product ^= one if other & 1 else 0
        one, other = one << 1, other >> 1
        one ^= _POLYNOMIAL if one >> 32 else 0
    return product

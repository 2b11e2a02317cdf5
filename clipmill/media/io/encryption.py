"""Files of which nothing can be had because they are encrypted.

Sources: ISO/IEC 14496-12, 4.2 (boxes) and 8.5.2 (sample entries), ISO/IEC 23001-7, 4 (``encv``); ``drmi`` is
that of Apple's shop.
"""

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager

from clipmill.errors import UnreadableVideo
from clipmill.media.io.reused_pids import is_scrambled
from clipmill.media.io.source import CountingReader
from clipmill.records import VideoReason

SCRAMBLED_BYTES = 1 << 20
"""Of a transport stream that are looked at."""
ENTRIES = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd")
"""The boxes around the sample entries of an mp4 or mov."""
ENTRY_AT = 12
"""Where the name of the first sample entry lies in the last of them."""
ENCRYPTED_ENTRIES = (b"encv", b"drmi")
MAX_BOXES = 256
"""So many boxes of one box are looked at: a fragmented file has more, none of which is wanted."""


@contextmanager
def named_secret(reader: CountingReader) -> Generator[None]:
    """What makes nothing of a file that is encrypted says so."""
    try:
        yield
    except UnreadableVideo as error:
        cause = _secret_of(reader)
        if cause:
            raise UnreadableVideo(reader.uri, VideoReason.ENCRYPTED, cause) from error
        raise


def _secret_of(reader: CountingReader) -> str:
    if is_scrambled(reader.read_range(0, min(SCRAMBLED_BYTES, reader.size_bytes))):
        return "its packets are scrambled"
    entries = _inside(reader, ENTRIES, 0, reader.size_bytes)
    names = [reader.read_range(start + ENTRY_AT, start + ENTRY_AT + 4) for start, _ in entries]
    return "its pictures are encrypted" if {*names} & {*ENCRYPTED_ENTRIES} else ""


def _inside(reader: CountingReader, path: Sequence[bytes], start: int, end: int) -> Iterator[tuple[int, int]]:
    """Where the contents of boxes lie that are found by the names of those around them."""
    if not path:
        yield start, end
        return
    for name, inner_start, inner_end in boxes(reader, start, end):
        if name == path[0]:
            yield from _inside(reader, path[1:], inner_start, inner_end)


def boxes(reader: CountingReader, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yields name, start and end of the content of boxes that lie side by side."""
    for _ in range(MAX_BOXES):
        head = reader.read_range(start, min(start + 16, end)) if start < end else b""
        size, head_bytes = int.from_bytes(head[:4], "big"), 8
        if size == 1:
            size, head_bytes = int.from_bytes(head[8:16], "big"), 16
        if size < head_bytes or len(head) < head_bytes:
            return
        yield head[4:8], start + head_bytes, min(start + size, end)
        start += size

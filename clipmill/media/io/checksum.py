"""The checksum of tables in a transport stream, and of pages in an ogg file.

Sources: ISO/IEC 13818-1 (H.222.0), annex A; RFC 3533, 6. Both have the polynomial of zlib's checksum
(0x04C11DB7), and take the first bit of a byte where zlib takes the last.
"""

import zlib

_ALL_ONES = 0xFFFFFFFF
_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def checksum(data: bytes, *, start: int) -> int:
    """Returns 32 bits; ``start`` is all ones in a transport stream and 0 in ogg."""
    mirrored = zlib.crc32(data.translate(_MIRRORED), _reversed(start) ^ _ALL_ONES) ^ _ALL_ONES
    return _reversed(mirrored)


def _reversed(bits: int) -> int:
    return int(f"{bits:032b}"[::-1], 2)

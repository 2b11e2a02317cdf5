"""The header of a slice of H.264 taken apart, as far as it numbers pictures and marks them.

Source: ITU-T H.264 7.3.3 (slice header), 7.3.3.1 (lists), 7.3.3.2 (weights), 7.3.3.3 (marking).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from clipmill.media.bitstream.bits import Bits, unescaped
from clipmill.media.bitstream.h264_headers import PictureHeader, SequenceHeader

P_SLICE, B_SLICE, I_SLICE = 0, 1, 2
UNMARK_RECENT = 1
MARKING_ARGUMENTS = {1: 1, 2: 1, 3: 2, 4: 1, 5: 0, 6: 1}
"""Numbers behind each memory management control operation."""

END_OF_LIST = 3


@dataclass(frozen=True)
class Marking:
    """One memory management control operation, at bits ``[start, end)``."""

    kind: int
    argument: int
    start: int
    end: int


@dataclass(frozen=True)
class SliceHeader:
    """Where in the bits of ``data``, a NAL unit without emulation prevention, its parts are.

    The numbers, ``frame_num`` and ``order``, end at ``numbers_end``; what is marked lies in ``[marking_at,
    marking_end)``, empty where no other picture refers to this one; the header ends at ``end``.
    """

    data: bytes
    bits: Bits
    kind: int
    is_arithmetic: bool
    frame_num: int
    order: int
    numbers_at: int
    numbers_end: int
    marking_at: int
    marking_end: int
    markings: tuple[Marking, ...]
    end: int


def slice_header(nal: bytes, sequence: SequenceHeader, pictures: Mapping[int, PictureHeader]) -> SliceHeader:
    """Of a slice that is no IDR picture's; ValueError for kinds that are not looked into."""
    data = unescaped(nal)
    bits = Bits(data)
    bits.at = 8
    bits.unsigned()
    kind = bits.unsigned() % 5
    picture = pictures.get(bits.unsigned())
    if picture is None or kind > I_SLICE:
        raise ValueError("its pictures are of a kind that is not looked into")
    if sequence.has_colour_planes:
        bits.number(2)
    numbers_at = bits.at
    frame_num, order = bits.number(sequence.frame_num_bits), bits.number(sequence.order_bits)
    numbers_end = bits.at
    if picture.has_bottom_order:
        bits.signed()
    if picture.has_redundant:
        bits.unsigned()
    _skip_references(bits, kind, sequence, picture)
    marking_at = bits.at
    markings = tuple(_markings(bits)) if nal[0] & 0x60 else ()
    marking_end = bits.at
    _skip_rest(bits, kind, picture)
    return SliceHeader(
        data, bits, kind, picture.is_arithmetic, frame_num, order, numbers_at, numbers_end, marking_at,
        marking_end, markings, bits.at,
    )  # fmt: skip


def _skip_references(bits: Bits, kind: int, sequence: SequenceHeader, picture: PictureHeader) -> None:
    if kind == I_SLICE:
        return
    if kind == B_SLICE:
        bits.number(1)
    num_lists = 2 if kind == B_SLICE else 1
    counts = picture.num_references[:num_lists]
    if bits.number(1):
        counts = tuple(bits.unsigned() + 1 for _ in range(num_lists))
    for _ in range(num_lists):
        if bits.number(1):
            while bits.unsigned() != END_OF_LIST:
                bits.unsigned()
    if picture.is_weighted_b if kind == B_SLICE else picture.is_weighted_p:
        _skip_weights(bits, counts, has_chroma=sequence.has_chroma)


def _skip_weights(bits: Bits, counts: tuple[int, ...], *, has_chroma: bool) -> None:
    numbers = (2, 4) if has_chroma else (2,)
    for _ in numbers:
        bits.unsigned()
    for _ in range(sum(counts)):
        for count in numbers:
            if bits.number(1):
                for _ in range(count):
                    bits.signed()


def _markings(bits: Bits) -> list[Marking]:
    found: list[Marking] = []
    if not bits.number(1):
        return found
    while True:
        start = bits.at
        kind = bits.unsigned()
        if kind == 0:
            return found
        if kind not in MARKING_ARGUMENTS:
            raise ValueError("its pictures are marked in a way that is not looked into")
        arguments = [bits.unsigned() for _ in range(MARKING_ARGUMENTS[kind])]
        found.append(Marking(kind, arguments[0] if arguments else 0, start, bits.at))


def _skip_rest(bits: Bits, kind: int, picture: PictureHeader) -> None:
    """The end of the header: contexts of arithmetic coding, quantiser and deblocking."""
    if picture.is_arithmetic and kind != I_SLICE:
        bits.unsigned()
    bits.signed()
    if picture.has_deblocking and bits.unsigned() != 1:
        bits.signed()
        bits.signed()

"""Begins a stream of H.264 anew at an I picture of an open GOP: it becomes an IDR picture.

A recovery point of no frames promises that what is shown from its picture on is right without anything
before. So the picture may forget what was before it, which is what an IDR picture is; the pictures behind it
then count from it: their ``frame_num`` and ``pic_order_cnt_lsb`` are modular, and less by those of the I
picture the differences, which are all that decoding goes by, stay. Where a picture that is left out counted
as a reference, its number stays free, and the sequence's header allows that. What unmarks a picture from
before is left out.

Source: ITU-T H.264 7.3.3 (slice header), 8.2.1 and 8.2.5 (order, marking and gaps of numbers).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from clipmill.media.bitstream.bits import escaped, number_text, packed, unescaped, unsigned_text
from clipmill.media.bitstream.h264_headers import (
    PictureHeader,
    SequenceHeader,
    picture_header,
    sequence_header,
)
from clipmill.media.bitstream.h264_slices import I_SLICE, UNMARK_RECENT, SliceHeader, slice_header

SLICE, IDR_SLICE, SPS, PPS = 1, 5, 7, 8
PICTURES = range(1, 6)
"""Slices, whole or in partitions."""

REFERENCE_BITS = 0x60
IDR_PIC_ID = 2
"""Encoders count theirs from 0, two neighbours must differ."""


def is_idr(nals: Iterable[bytes]) -> bool:
    """Whether the NAL units of a packet are an IDR picture."""
    return any(_kind(nal) == IDR_SLICE for nal in nals)


def is_reference(nals: Iterable[bytes]) -> bool:
    """Whether other pictures may refer to the one in a packet."""
    return any(nal[0] & REFERENCE_BITS for nal in nals if _kind(nal) in PICTURES)


class Restart:
    """Rewrites the packets from ``key`` on, NAL units of an I picture, up to the next IDR picture.

    ``parameter_sets`` count where ``key`` has none of its own. ``leaves_gaps``: some of the pictures left out
    behind ``key`` are references. ValueError, with why, here and later, for what cannot be rewritten.
    """

    def __init__(self, key: Sequence[bytes], parameter_sets: Sequence[bytes], *, leaves_gaps: bool) -> None:
        self._sequence, self._pictures = _headers(key, parameter_sets)
        self._leaves_gaps = leaves_gaps
        slices = [nal for nal in key if _kind(nal) == SLICE]
        if not slices:
            raise ValueError("its key pictures are no plain slices")
        first = self._header(slices[0])
        self._first_frame_num, self._first_order = first.frame_num, first.order
        self._last_frame_num = 0
        self._has_wrapped = False

    def as_idr(self, key: Iterable[bytes]) -> Iterator[bytes]:
        """The I picture as an IDR picture."""
        for nal in key:
            yield self._idr_slice(nal) if _kind(nal) in PICTURES else self._other(nal)

    def renumbered(self, nals: Iterable[bytes]) -> Iterator[bytes]:
        """A packet behind it, in the order of decoding."""
        for nal in nals:
            yield self._renumbered_slice(nal) if _kind(nal) in PICTURES else self._other(nal)

    def _header(self, nal: bytes) -> SliceHeader:
        if _kind(nal) != SLICE:
            raise ValueError("its pictures are no plain slices")
        found = slice_header(nal, self._sequence, self._pictures)
        if any(marking.kind != UNMARK_RECENT for marking in found.markings):
            raise ValueError("its pictures are kept for long, or restart their order")
        return found

    def _other(self, nal: bytes) -> bytes:
        is_changed = self._leaves_gaps and _kind(nal) == SPS
        return _allowing_gaps(nal, self._sequence) if is_changed else nal

    def _frame_num(self, found: SliceHeader) -> int:
        """Counted from the I picture, as far as its bits go."""
        return (found.frame_num - self._first_frame_num) % (1 << self._sequence.frame_num_bits)

    def _numbers(self, found: SliceHeader, between: str = "") -> str:
        order = (found.order - self._first_order) % (1 << self._sequence.order_bits)
        frame_num = number_text(self._frame_num(found), self._sequence.frame_num_bits)
        return frame_num + between + number_text(order, self._sequence.order_bits)

    def _renumbered_slice(self, nal: bytes) -> bytes:
        found = self._header(nal)
        frame_num = self._frame_num(found)
        self._has_wrapped = self._has_wrapped or frame_num < self._last_frame_num
        self._last_frame_num = frame_num
        head = found.bits.text(0, found.numbers_at) + self._numbers(found)
        at = found.numbers_end
        for marking in found.markings:
            if not self._has_wrapped and marking.argument >= frame_num:
                head += found.bits.text(at, marking.start)
                at = marking.end
        return _joined(head, found, at)

    def _idr_slice(self, nal: bytes) -> bytes:
        found = self._header(nal)
        if found.kind != I_SLICE or not nal[0] & REFERENCE_BITS:
            raise ValueError("its key pictures are not intra coded throughout")
        head = (
            number_text(nal[0] & REFERENCE_BITS | IDR_SLICE, 8)
            + found.bits.text(8, found.numbers_at)
            + self._numbers(found, between=unsigned_text(IDR_PIC_ID))
            + found.bits.text(found.numbers_end, found.marking_at)
            + "00"  # pictures before it are shown, it is no long-term one
        )
        return _joined(head, found, found.marking_end)


def _kind(nal: bytes) -> int:
    return nal[0] & 0x1F


def _headers(
    key: Sequence[bytes], parameter_sets: Sequence[bytes]
) -> tuple[SequenceHeader, Mapping[int, PictureHeader]]:
    has_own = any(_kind(nal) == SPS for nal in key)
    sets = key if has_own else [*parameter_sets, *key]
    sequences = {nal for nal in sets if _kind(nal) == SPS}
    if len(sequences) != 1:
        raise ValueError("it has several sequence parameter sets, or none")
    return sequence_header(sequences.pop()), dict(picture_header(nal) for nal in sets if _kind(nal) == PPS)


def _allowing_gaps(nal: bytes, sequence: SequenceHeader) -> bytes:
    data, at = bytearray(unescaped(nal)), sequence.gaps_at
    data[at >> 3] |= 0x80 >> (at & 7)
    return escaped(bytes(data))


def _joined(head: str, found: SliceHeader, at: int) -> bytes:
    """A new beginning of a slice and what it has from bit ``at`` of its header on.

    The samples of arithmetic coding begin at a byte; others are shifted, for they go on bit by bit.
    """
    head += found.bits.text(at, found.end)
    if found.is_arithmetic:
        return escaped(packed(head + "1" * (-len(head) % 8)) + found.data[-(-found.end // 8) :])
    data = found.data.rstrip(b"\x00")
    num_bits = 8 * len(data) - found.end
    samples = int.from_bytes(data, "big") & ((1 << num_bits) - 1)
    num_filling = -(len(head) + num_bits) % 8
    whole = (int(head, 2) << num_bits | samples) << num_filling
    return escaped(whole.to_bytes((len(head) + num_bits + num_filling) // 8, "big"))

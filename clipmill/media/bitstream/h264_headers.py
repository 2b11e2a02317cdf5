"""What the parameter sets of H.264 say of the headers of slices.

Source: ITU-T H.264 7.3.2.1.1 (sequence), 7.3.2.2 (picture), 7.3.2.1.1.1 (scaling lists).
"""

from dataclasses import dataclass

from clipmill.media.bitstream.bits import Bits, unescaped

HIGH_PROFILES = frozenset({44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 244})
MONOCHROME, COLOUR_4_4_4 = 0, 3
EXPLICIT_WEIGHTS = 1


@dataclass(frozen=True)
class SequenceHeader:
    """Bits of the numbers that count pictures (0: not there); ``gaps_at`` is the place of a flag, in bits."""

    frame_num_bits: int
    order_bits: int
    has_colour_planes: bool
    has_chroma: bool
    gaps_at: int


@dataclass(frozen=True)
class PictureHeader:
    """What slices of a picture hold.

    ``num_references`` are those of P slices, and of B slices backwards, where a slice does not say so.
    """

    is_arithmetic: bool
    has_bottom_order: bool
    num_references: tuple[int, int]
    is_weighted_p: bool
    is_weighted_b: bool
    has_deblocking: bool
    has_redundant: bool


def sequence_header(nal: bytes) -> SequenceHeader:
    """Of an SPS; ValueError for streams whose slices are not looked into: fields, other ways of ordering."""
    bits = Bits(unescaped(nal))
    bits.at = 8
    profile = bits.number(8)
    bits.number(16)
    bits.unsigned()
    has_colour_planes, has_chroma = _skip_format(bits) if profile in HIGH_PROFILES else (False, True)
    frame_num_bits = bits.unsigned() + 4
    order_type = bits.unsigned()
    if order_type == 1:
        raise ValueError("its pictures are ordered by a cycle")
    order_bits = bits.unsigned() + 4 if order_type == 0 else 0
    bits.unsigned()
    gaps_at = bits.at
    bits.number(1)
    bits.unsigned()
    bits.unsigned()
    if not bits.number(1):
        raise ValueError("its pictures may be interlaced")
    return SequenceHeader(frame_num_bits, order_bits, has_colour_planes, has_chroma, gaps_at)


def picture_header(nal: bytes) -> tuple[int, PictureHeader]:
    """The number and the content of a PPS; ValueError for slice groups."""
    bits = Bits(unescaped(nal))
    bits.at = 8
    number = bits.unsigned()
    bits.unsigned()
    is_arithmetic, has_bottom_order = bool(bits.number(1)), bool(bits.number(1))
    if bits.unsigned():
        raise ValueError("its pictures have slice groups")
    num_references = (bits.unsigned() + 1, bits.unsigned() + 1)
    is_weighted_p, is_weighted_b = bool(bits.number(1)), bits.number(2) == EXPLICIT_WEIGHTS
    for _ in range(3):
        bits.signed()
    has_deblocking = bool(bits.number(1))
    bits.number(1)
    has_redundant = bool(bits.number(1))
    return number, PictureHeader(
        is_arithmetic,
        has_bottom_order,
        num_references,
        is_weighted_p,
        is_weighted_b,
        has_deblocking,
        has_redundant,
    )


def _skip_format(bits: Bits) -> tuple[bool, bool]:
    """The colour format with scaling lists; whether each colour is a picture of its own, and is with luma."""
    colour = bits.unsigned()
    has_colour_planes = bool(bits.number(1)) if colour == COLOUR_4_4_4 else False
    bits.unsigned()
    bits.unsigned()
    bits.number(1)
    if bits.number(1):
        for index in range(12 if colour == COLOUR_4_4_4 else 8):
            if bits.number(1):
                _skip_list(bits, 16 if index < 6 else 64)
    return has_colour_planes, colour != MONOCHROME and not has_colour_planes


def _skip_list(bits: Bits, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.signed()) % 256
        last = following or last

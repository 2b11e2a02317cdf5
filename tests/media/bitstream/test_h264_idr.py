"""Headers of H.264, read and rewritten bit by bit."""

import pytest

from clipmill.media.bitstream.bits import Bits, escaped, number_text, packed, unescaped, unsigned_text
from clipmill.media.bitstream.h264_idr import Restart


@pytest.mark.parametrize(
    ("plain", "coded"),
    [
        (b"\x01\x00\x00\x01", b"\x01\x00\x00\x03\x01"),
        (b"\x00\x00\x00\x00\x02", b"\x00\x00\x03\x00\x00\x03\x02"),
        (b"\x00\x00\x03\x80", b"\x00\x00\x03\x03\x80"),
        (b"\x00\x00\x04", b"\x00\x00\x04"),
    ],
    ids=["start code", "zeros", "the byte itself", "nothing to keep out"],
)
def test_start_codes_are_kept_out(plain: bytes, coded: bytes) -> None:
    assert escaped(plain) == coded
    assert unescaped(coded) == plain


def test_zeros_that_fill_the_end_are_left_out() -> None:
    assert escaped(b"\x65\x80\x00\x00") == b"\x65\x80"


@pytest.mark.parametrize("value", [0, 1, 2, 6, 7, 254, 255, 65535])
def test_numbers_of_any_length_are_read_as_they_were_written(value: int) -> None:
    text = unsigned_text(value)
    bits = Bits(packed(text + "0" * (-len(text) % 8)))
    assert bits.unsigned() == value
    assert bits.at == len(text)


def test_signed_numbers_alternate() -> None:
    text = "".join(map(unsigned_text, range(5)))
    bits = Bits(packed(text + "0" * (-len(text) % 8)))
    assert [bits.signed() for _ in range(5)] == [0, 1, -1, 2, -2]


def test_bits_are_given_as_text_across_bytes() -> None:
    bits = Bits(b"\xa5\x3c")
    assert bits.text(3, 13) == "0010100111"
    assert number_text(5, 4) + number_text(0, 0) == "0101"


def test_a_header_that_ends_too_early_is_named() -> None:
    with pytest.raises(ValueError, match="ends too early"):
        Bits(b"\x01").number(9)


def test_a_stream_without_its_headers_is_named() -> None:
    with pytest.raises(ValueError, match="several sequence parameter sets, or none"):
        Restart([b"\x61\x88"], [], leaves_gaps=False)

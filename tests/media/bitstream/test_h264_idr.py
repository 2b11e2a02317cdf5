"""Headers of H.264, read and rewritten bit by bit."""

from pathlib import Path

import av
import pytest

from clipmill.media.bitstream.bits import Bits, escaped, number_text, packed, unescaped, unsigned_text
from clipmill.media.bitstream.h264_headers import picture_header, sequence_header
from clipmill.media.bitstream.h264_idr import PPS, SLICE, SPS, Restart
from clipmill.media.bitstream.h264_slices import slice_header
from clipmill.media.bitstream.nal_units import Framing
from tests.support.films.numbered_films import draw


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


def test_a_stream_that_keeps_pictures_for_long_is_refused(tmp_path: Path) -> None:
    """A picture that unmarks a recent one is made to unmark one kept for long: one bit of its header."""
    keys = "open-gop=1:bframes=5:b-adapt=0:b-pyramid=normal:keyint=30:scenecut=0"
    path = draw(tmp_path / "film.mp4", 60, options={"x264-params": keys})
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        framing = Framing("h264", stream.codec_context.extradata or b"")
        packets = [framing.split(bytes(packet)) for packet in container.demux(stream) if packet.size]
    sets = framing.parameter_sets
    sequence = next(sequence_header(nal) for nal in sets if nal[0] & 0x1F == SPS)
    pictures = dict(picture_header(nal) for nal in sets if nal[0] & 0x1F == PPS)
    slices = [nal for nals in packets for nal in nals if nal[0] & 0x1F == SLICE]
    key = next(nal for nal in slices if slice_header(nal, sequence, pictures).kind == 2)
    found = [slice_header(nal, sequence, pictures) for nal in slices]
    marking = next(one for one in found if one.markings)
    data = bytearray(marking.data)
    at = marking.markings[0].start + 2  # 010 unmarks a recent picture, 011 one that is kept for long
    data[at >> 3] |= 0x80 >> (at & 7)
    restart = Restart([key], sets, leaves_gaps=False)
    list(restart.renumbered([escaped(marking.data)]))
    with pytest.raises(ValueError, match="kept for long"):
        list(restart.renumbered([escaped(bytes(data))]))

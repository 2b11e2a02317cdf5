"""Packets of H.264 and HEVC as lists of NAL units: taken apart, put together, given their parameter sets.

Sources: ISO/IEC 14496-15 (avcC, hvcC, the sample entries avc3 and hev1 that allow parameter sets in samples),
ITU-T H.264 and H.265 (annex B, table 7-1 of both).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from clipmill.media.bitstream.access_units import START_CODE, prefixed_nals, start_code_nals

LONG_START_CODE = b"\x00" + START_CODE
H264_SPS, H264_AUD = 7, 9
HEVC_VPS, HEVC_AUD = 32, 35
HEVC_CRA, HEVC_BLA_N_LP = 21, 18


@dataclass(frozen=True)
class NalCodec:
    """What tells the two codecs apart here; ``length_at`` is the place of the prefix size in avcC or hvcC."""

    length_at: int
    first_set: int
    delimiter: int
    tag: str

    def kind(self, nal: bytes) -> int:
        """The ``nal_unit_type``."""
        return nal[0] & 0x1F if self.length_at == 4 else nal[0] >> 1 & 0x3F


NAL_CODECS = {
    "h264": NalCodec(4, H264_SPS, H264_AUD, "avc3"),
    "hevc": NalCodec(21, HEVC_VPS, HEVC_AUD, "hev1"),
}


class Framing:
    """How one stream's packets hold their NAL units, as its ``extradata`` says.

    ValueError where lengths are too short to hold other pictures than the source's.
    """

    def __init__(self, codec: str, extradata: bytes) -> None:
        self.codec = NAL_CODECS[codec]
        is_byte_stream = extradata.startswith((START_CODE, LONG_START_CODE))
        self._has_lengths = len(extradata) > self.codec.length_at and not is_byte_stream
        if self._has_lengths and (extradata[self.codec.length_at] & 3) != 3:
            raise ValueError("the lengths of its NAL units have less than four bytes")
        self.parameter_sets = tuple(self._sets(extradata))

    def split(self, packet: bytes) -> list[bytes]:
        """The NAL units of a packet of the stream."""
        nals = prefixed_nals(packet, prefix_bytes=4) if self._has_lengths else start_code_nals(packet)
        return [bytes(nal) for nal in nals if nal]

    def join(self, nals: Iterable[bytes]) -> bytes:
        """A packet of the stream."""
        if self._has_lengths:
            return b"".join(len(nal).to_bytes(4, "big") + nal for nal in nals)
        return b"".join(LONG_START_CODE + nal for nal in nals)

    def with_sets(self, packet: bytes) -> bytes:
        """A key packet that brings the stream's own parameter sets, unless it has some."""
        nals = self.split(packet)
        if any(self.codec.kind(nal) == self.codec.first_set for nal in nals):
            return packet
        after = 1 if nals and self.codec.kind(nals[0]) == self.codec.delimiter else 0
        return self.join([*nals[:after], *self.parameter_sets, *nals[after:]])

    def from_byte_stream(self, packet: bytes) -> bytes:
        """A packet of an encoder, start codes and all, in this stream's framing."""
        return self.join(bytes(nal) for nal in start_code_nals(packet) if nal)

    def _sets(self, extradata: bytes) -> Iterator[bytes]:
        if not self._has_lengths:
            return iter(self.split(extradata))
        return _avcc_sets(extradata) if self.codec.length_at == 4 else _hvcc_sets(extradata)


def after_a_splice(nals: Iterable[bytes]) -> list[bytes]:
    """HEVC pictures of a CRA as those of a BLA: what came before is another film, none of it is awaited.

    The two differ in nothing but the type in the header.
    """
    return [
        bytes([nal[0] & 0x81 | HEVC_BLA_N_LP << 1]) + nal[1:] if nal[0] >> 1 & 0x3F == HEVC_CRA else nal
        for nal in nals
    ]


def _avcc_sets(extradata: bytes) -> Iterator[bytes]:
    """SPS, then PPS, of an AVCDecoderConfigurationRecord."""
    at = 5
    for mask in (0x1F, 0xFF):
        count, at = extradata[at] & mask, at + 1
        for _ in range(count):
            size = int.from_bytes(extradata[at : at + 2], "big")
            yield extradata[at + 2 : at + 2 + size]
            at += 2 + size


def _hvcc_sets(extradata: bytes) -> Iterator[bytes]:
    """All arrays of an HEVCDecoderConfigurationRecord, VPS first as muxers write them."""
    num_arrays, at = extradata[22], 23
    for _ in range(num_arrays):
        count, at = int.from_bytes(extradata[at + 1 : at + 3], "big"), at + 3
        for _ in range(count):
            size = int.from_bytes(extradata[at : at + 2], "big")
            yield extradata[at + 2 : at + 2 + size]
            at += 2 + size

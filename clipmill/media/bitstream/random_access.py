"""Which packets are pictures that decoding, or a file of its own, may begin with.

Containers mark more packets as key than are: recovery points of an H.264 stream with intra refresh need many
frames until the picture is whole. Sources: ITU-T H.264 tables 7-1 and D.2.8, ITU-T H.265 table 7-1,
ITU-T H.262 6.2.2.1.
"""

from collections.abc import Callable, Iterator

from clipmill.media.bitstream.access_units import START_CODE, prefixed_nals, start_code_nals

H264_IDR = 5
H264_SEI = 6
H264_SPS = 7
SEI_RECOVERY_POINT = 6
AT_ONCE, EXACTLY_AT_ONCE = 0x80, 0xC0
"""Bits of a recovery point: after no frames (``recovery_frame_cnt`` is ue(v), zero is one set bit), and then
with the very pictures (``exact_match_flag``)."""

HEVC_SPS = 33
MPEG2_SEQUENCE = START_CODE + b"\xb3"
HEVC_RANDOM_ACCESS = range(16, 22)  # BLA, IDR, CRA

PictureTest = Callable[[bytes], bool]


def decodable_from(codec: str, extradata: bytes) -> PictureTest | None:
    """Test of a key packet: are this picture and all shown after it whole when decoding begins here?

    None where the container's word is enough.
    """
    if codec == "h264":
        return lambda packet: any(
            _is_idr(nal) or _recovers_at_once(nal, word=AT_ONCE)
            for nal in _nals(packet, extradata, length_at=4)
        )
    return _hevc_test(extradata) if codec == "hevc" else None


def startable(codec: str, extradata: bytes) -> PictureTest | None:
    """Test of a key packet: may a file begin with it, once the pictures shown before it are left out?"""
    if codec == "h264":
        return lambda packet: any(map(_is_idr, _nals(packet, extradata, length_at=4)))
    return _hevc_test(extradata) if codec == "hevc" else None


def spliceable(codec: str, extradata: bytes) -> PictureTest | None:
    """Test of a key packet: may it follow other pictures, once made an IDR picture where it is none?"""
    if codec == "h264":
        return lambda packet: any(
            _is_idr(nal) or _recovers_at_once(nal, word=EXACTLY_AT_ONCE)
            for nal in _nals(packet, extradata, length_at=4)
        )
    return startable(codec, extradata)


def sequence_headers(codec: str, extradata: bytes) -> Callable[[bytes], frozenset[bytes]] | None:
    """What a packet (or extradata that is a byte stream) says of the size and format of its pictures.

    Parameter sets of H.264 and HEVC, sizes, aspect and rate of MPEG-2; none where the packet says nothing.
    None for codecs whose packets are not looked into.
    """
    if codec == "mpeg2video":
        return lambda packet: frozenset(mpeg_sizes(packet))
    if codec == "h264":
        return lambda packet: frozenset(
            bytes(nal) for nal in _nals(packet, extradata, length_at=4) if nal[0] & 0x1F == H264_SPS
        )
    if codec != "hevc":
        return None
    return lambda packet: frozenset(
        bytes(nal) for nal in _nals(packet, extradata, length_at=21) if nal[0] >> 1 & 0x3F == HEVC_SPS
    )


def mpeg_sizes(packet: bytes) -> Iterator[bytes]:
    """Width and height, 12 bits each, aspect and rate of the sequence headers of a packet."""
    at = packet.find(MPEG2_SEQUENCE)
    while at >= 0:
        yield packet[at + 4 : at + 8]
        at = packet.find(MPEG2_SEQUENCE, at + 4)


def _hevc_test(extradata: bytes) -> PictureTest:
    return lambda packet: any(
        (nal[0] >> 1) & 0x3F in HEVC_RANDOM_ACCESS for nal in _nals(packet, extradata, length_at=21)
    )


def _nals(packet: bytes, extradata: bytes, *, length_at: int) -> Iterator[memoryview]:
    """Non-empty NAL units; ``length_at``: the byte of avcC or hvcC that holds the prefix size less one."""
    if len(extradata) > length_at and not extradata.startswith((START_CODE, b"\x00" + START_CODE)):
        nals = prefixed_nals(packet, prefix_bytes=(extradata[length_at] & 3) + 1)
    else:
        nals = start_code_nals(packet)
    return (nal for nal in nals if nal)


def _is_idr(nal: memoryview) -> bool:
    return nal[0] & 0x1F == H264_IDR


def _recovers_at_once(nal: memoryview, *, word: int) -> bool:
    """An SEI with a recovery point whose first bits, those of ``word``, are set."""
    if nal[0] & 0x1F != H264_SEI:
        return False
    points = (body for kind, body in _sei_messages(nal) if kind == SEI_RECOVERY_POINT and body)
    return any(body[0] & word == word for body in points)


def _sei_messages(nal: memoryview) -> Iterator[tuple[int, bytes]]:
    data, at = bytes(nal[1:]).replace(b"\x00\x00\x03", b"\x00\x00"), 0
    while at + 2 < len(data):
        kind, at = _ff_coded(data, at)
        size, at = _ff_coded(data, at)
        yield kind, data[at : at + size]
        at += size


def _ff_coded(data: bytes, at: int) -> tuple[int, int]:
    """A number written as bytes of 255 and a last smaller one, and where it ends."""
    total = 0
    while at < len(data) and data[at] == 0xFF:
        total, at = total + 0xFF, at + 1
    return (total + data[at], at + 1) if at < len(data) else (total, at)

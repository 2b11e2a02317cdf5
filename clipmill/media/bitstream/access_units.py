"""Splits a packet into the units that survive re-muxing; what containers add or frame is left out.

Every splitter takes one packet, yields buffers, never raises and always ends. A packet in which nothing reads
as a picture is one unit: a missed duplicate costs less than two films taken for one.

Sources: ITU-T H.264 and H.265 (table 7-1: NAL unit types, annex B: byte stream), ISO/IEC 14496-15 (length
prefixes), AV1 bitstream specification section 5.3, ISO/IEC 14496-3 table 1.A.5 (ADTS).
"""

from collections.abc import Callable, Iterator
from functools import partial

Unit = bytes | memoryview
Splitter = Callable[[bytes], Iterator[Unit]]

START_CODE = b"\x00\x00\x01"
MPEG4_PICTURE = START_CODE + b"\xb6"
MPEG2_PICTURE = START_CODE + b"\x00"
# Frame header, tile group, frame, redundant frame header, tile list; all others frame, describe or pad.
AV1_PICTURE_OBUS = frozenset({3, 4, 6, 7, 8})
ADTS_HEADER_BYTES = 7


def video_splitter(codec: str, extradata: bytes) -> Splitter:
    """Splitter for a video codec's packets; a codec without one of its own is taken packet by packet."""
    table: dict[str, Splitter] = {
        "h264": _nal_splitter(_is_h264_picture, extradata, length_at=4),
        "hevc": _nal_splitter(_is_hevc_picture, extradata, length_at=21),
        "av1": av1_units,
        "mpeg4": partial(from_picture, start=MPEG4_PICTURE),
        "mpeg2video": partial(from_picture, start=MPEG2_PICTURE),
    }
    return partial(_or_whole, split=table.get(codec, whole_packet))


def audio_splitter(codec: str) -> Splitter:
    """Splitter for an audio codec's packets."""
    return aac_units if codec == "aac" else whole_packet


def whole_packet(packet: bytes) -> Iterator[Unit]:
    """The packet as it is: VP8, VP9, Opus, MP3 and others, which containers do not touch."""
    if packet:
        yield packet


def from_picture(packet: bytes, *, start: bytes) -> Iterator[Unit]:
    """The packet from its first picture on: sequence headers before it are repeated or moved by muxers."""
    yield from whole_packet(packet[max(packet.find(start), 0) :])


def prefixed_nals(packet: bytes, *, prefix_bytes: int) -> Iterator[memoryview]:
    """NAL units of an mp4 or mkv sample, each after its length; a length past the end means the rest."""
    view, at = memoryview(packet), 0
    while at + prefix_bytes < len(packet):
        start = at + prefix_bytes
        at = start + int.from_bytes(packet[at:start], "big")
        yield _without_trailing_zeros(view[start:at])


def start_code_nals(packet: bytes) -> Iterator[memoryview]:
    """NAL units of a byte stream (annex B); bytes before the first start code are none."""
    view, at = memoryview(packet), packet.find(START_CODE)
    while at >= 0:
        start = at + len(START_CODE)
        at = packet.find(START_CODE, start)
        yield _without_trailing_zeros(view[start : at if at >= 0 else len(packet)])


def av1_units(packet: bytes) -> Iterator[Unit]:
    """Picture OBUs without their size field: header byte (size flag cleared), extension byte, payload."""
    view, at = memoryview(packet), 0
    while at < len(packet):
        header = packet[at]
        head_end = min(at + (2 if header & 0x04 else 1), len(packet))
        start, size = _leb128(packet, head_end) if header & 0x02 else (head_end, len(packet) - head_end)
        if (header >> 3) & 0x0F in AV1_PICTURE_OBUS:
            yield bytes([header & ~0x02]) + packet[at + 1 : head_end] + view[start : start + size]
        at = start + size


def aac_units(packet: bytes) -> Iterator[Unit]:
    """Raw AAC frames; the ADTS headers that a transport stream puts before each are left out."""
    view, at = memoryview(packet), 0
    while _is_adts(packet, at):
        header_bytes = ADTS_HEADER_BYTES if packet[at + 1] & 1 else ADTS_HEADER_BYTES + 2
        frame_bytes = int.from_bytes(packet[at + 3 : at + 6], "big") >> 5 & 0x1FFF
        end = at + max(frame_bytes, header_bytes)
        yield view[at + header_bytes : end]
        at = end
    if at < len(packet):
        yield view[at:]


def _or_whole(packet: bytes, *, split: Splitter) -> Iterator[Unit]:
    yield from list(split(packet)) or whole_packet(packet)


def _nal_splitter(is_picture: Callable[[int], bool], extradata: bytes, *, length_at: int) -> Splitter:
    """``length_at``: the byte of an avcC or hvcC record whose low two bits hold the prefix size less one."""
    split: Callable[[bytes], Iterator[memoryview]] = start_code_nals
    if len(extradata) > length_at and not extradata.startswith((START_CODE, b"\x00" + START_CODE)):
        split = partial(prefixed_nals, prefix_bytes=(extradata[length_at] & 3) + 1)
    return lambda packet: (nal for nal in split(packet) if nal and is_picture(nal[0]))


def _is_h264_picture(header: int) -> bool:
    return (header & 0x1F) in (1, 2, 3, 4, 5, 19, 20, 21)


def _is_hevc_picture(header: int) -> bool:
    return (header >> 1) & 0x3F < 32


def _without_trailing_zeros(nal: memoryview) -> memoryview:
    """No NAL unit ends in a zero byte; those that follow belong to the byte stream."""
    end = len(nal)
    while end and nal[end - 1] == 0:
        end -= 1
    return nal[:end]


def _leb128(packet: bytes, at: int) -> tuple[int, int]:
    """End of a little-endian base-128 number of at most 8 bytes, and the number, else what is left."""
    value = 0
    for index, byte in enumerate(packet[at : at + 8]):
        value |= (byte & 0x7F) << (7 * index)
        if not byte & 0x80:
            return at + index + 1, value
    return at, len(packet) - at


def _is_adts(packet: bytes, at: int) -> bool:
    """Sync word and layer 0; a raw frame cannot begin so, for 111 is the element that ends one."""
    return len(packet) - at >= ADTS_HEADER_BYTES and packet[at] == 0xFF and packet[at + 1] & 0xF6 == 0xF0

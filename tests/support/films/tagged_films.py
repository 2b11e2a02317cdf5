"""Files that say more than others: boxes in the sample entry of an mp4, metadata of Dolby Vision in HEVC.

Sources: ISO/IEC 14496-12, 8.5.2; ETSI GS CCM 001 (metadata of Dolby Vision), by FFmpeg's dovi_rpudec.c.
"""

from collections.abc import Sequence
from itertools import repeat
from pathlib import Path

import av

from clipmill.media.bitstream.bits import escaped, number_text, packed, unsigned_text
from clipmill.media.io.checksum import checksum
from clipmill.media.io.encryption import ENTRIES

PROFILE_5, PROFILE_8 = 0, 1
"""The profile as the metadata numbers it."""


def box(name: bytes, content: bytes) -> bytes:
    return (8 + len(content)).to_bytes(4, "big") + name + content


def with_entry(path: Path, *, name: bytes = b"", more: bytes = b"") -> Path:
    """The mp4 with another name of its sample entry and more boxes in it; its index lies last."""
    path.write_bytes(_changed(path.read_bytes(), ENTRIES, name, more))
    return path


def _changed(data: bytes, path: Sequence[bytes], name: bytes, more: bytes) -> bytes:
    if not path:
        size = int.from_bytes(data[8:12], "big")
        return data[:8] + box(name or data[12:16], data[16 : 8 + size] + more) + data[8 + size :]
    at = 0
    while data[at + 4 : at + 8] != path[0]:
        at += int.from_bytes(data[at : at + 4], "big")
    end = at + int.from_bytes(data[at : at + 4], "big")
    return data[:at] + box(path[0], _changed(data[at + 8 : end], path[1:], name, more)) + data[end:]


def with_dolby_vision(path: Path, out: Path, profile: int) -> Path:
    """The HEVC of an mp4 with metadata behind each picture."""
    nal = dolby_metadata(profile)
    with av.open(str(path)) as source, av.open(str(out), "w") as output:
        stream = output.add_stream_from_template(source.streams.video[0])
        for packet in (packet for packet in source.demux(video=0) if packet.size):
            longer = av.Packet(bytes(packet) + len(nal).to_bytes(4, "big") + nal)
            longer.pts, longer.dts, longer.duration = packet.pts, packet.dts, packet.duration
            longer.time_base, longer.is_keyframe, longer.stream = packet.time_base, packet.is_keyframe, stream
            output.mux(longer)
    return out


def dolby_metadata(profile: int) -> bytes:
    """A NAL unit of metadata that maps each value to itself."""
    head = number_text(2, 6) + number_text(18, 11) + number_text(profile, 4) + number_text(0, 4)
    sequence = "1" + "0" + "00" + unsigned_text(23) + "01" + ("1" if profile == PROFILE_5 else "0")
    depths = unsigned_text(2) + unsigned_text(2) + unsigned_text(4) + "0" + "000" + "0" + "1"
    ids = "0" + "0" + unsigned_text(0) * 3
    pivots = "".join(repeat(unsigned_text(0) + number_text(0, 10) + number_text(1023, 10), 3))
    curve = unsigned_text(0) * 2 + "0" + unsigned_text(0) + number_text(0, 23)
    curves = "".join(repeat(curve + unsigned_text(1) + number_text(0, 23), 3))
    text = head + sequence + depths + ids + pivots + unsigned_text(0) * 2 + curves
    body = packed(text + "0" * (-len(text) % 8))
    return b"\x7c\x01" + escaped(
        b"\x19" + body + checksum(body, start=0xFFFFFFFF).to_bytes(4, "big") + b"\x80"
    )

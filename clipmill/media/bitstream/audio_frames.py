"""Headers of coded sound: whether a packet looks whole, and which parameters it declares.

A packet that fails here is suspicious, not damaged: only its decoder can tell. The tests are cheap enough for
every packet of every clip.

Sources: ISO/IEC 14496-3 (ADTS, raw data blocks), ISO/IEC 11172-3 (MPEG audio), ATSC A/52 (AC-3, E-AC-3),
RFC 6716 section 3 (Opus), Vorbis I section 4.3, RFC 9639 (FLAC), ETSI TS 102 114 (DTS).
"""

from collections.abc import Callable
from fractions import Fraction

Parameters = tuple[int, ...]
"""What a packet declares of rate and channels; empty where its codec declares it elsewhere."""

HeaderTest = Callable[[bytes], Parameters | None]
"""The parameters of a packet; None where it looks damaged."""

ZERO_RUN = bytes(32)
"""No coder of these formats writes so many zero bytes in a row, except as padding of silence."""

_AAC_END = 7
_ADTS_HEADER_BYTES = 7
_AC3_SYNC = b"\x0b\x77"
_AC3_KBITS = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640)
_AC3_RATES = (48000, 44100, 32000)
_AC3_FRAME_SAMPLES = 1536
_LAST_AC3_BSID = 10
_DTS_SYNCS = (b"\x7f\xfe\x80\x01", b"\xfe\x7f\x01\x80", b"\x64\x58\x20\x25")
_MOST_OPUS_FRAMES = 48


def header_test(codec: str, extradata: bytes) -> HeaderTest:
    """Returns the test for packets of a codec; ``extradata`` is the stream's."""
    if codec == "aac":
        return _raw_aac if extradata else _adts
    return _TESTS.get(codec, _without_zeros)


def _without_zeros(packet: bytes) -> Parameters | None:
    return None if ZERO_RUN in packet else ()


def _raw_aac(packet: bytes) -> Parameters | None:
    """A raw data block ends with the element END, three set bits: its last byte is never zero."""
    is_whole = packet[-1:] not in (b"", b"\0") and packet[0] >> 5 != _AAC_END
    return _without_zeros(packet) if is_whole else None


def _adts(packet: bytes) -> Parameters | None:
    at, parameters = 0, None
    while len(packet) - at >= _ADTS_HEADER_BYTES and packet[at] == 0xFF and packet[at + 1] & 0xF6 == 0xF0:
        header = int.from_bytes(packet[at + 2 : at + 6], "big")
        found = (header >> 30 & 3, header >> 26 & 0xF, header >> 22 & 7)  # profile, rate, channels
        if parameters not in (None, found):
            return None
        parameters = found
        at += max(header >> 5 & 0x1FFF, _ADTS_HEADER_BYTES)
    return parameters if at == len(packet) and ZERO_RUN not in packet else None


def _mpeg_audio(packet: bytes) -> Parameters | None:
    if len(packet) < 4 or packet[0] != 0xFF or packet[1] & 0xE0 != 0xE0:
        return None
    version_and_layer, rate, is_mono = packet[1] & 0x1E, packet[2] >> 2 & 3, packet[3] >> 6 == 3
    return (version_and_layer, rate, int(is_mono))


def _ac3(packet: bytes) -> Parameters | None:
    if len(packet) < 7 or not packet.startswith(_AC3_SYNC):
        return None
    if packet[5] >> 3 > _LAST_AC3_BSID:
        return _eac3(packet)
    rate, size = packet[4] >> 6, packet[4] & 0x3F
    if rate >= len(_AC3_RATES) or size >> 1 >= len(_AC3_KBITS):
        return None
    words = _AC3_KBITS[size >> 1] * 1000 * _AC3_FRAME_SAMPLES // _AC3_RATES[rate] // 16
    words += size & 1 if rate == 1 else 0
    return (rate, packet[6] >> 5) if len(packet) >= 2 * words else None


def _eac3(packet: bytes) -> Parameters | None:
    words = (packet[2] << 8 | packet[3]) & 0x7FF
    return (packet[4] >> 6, packet[4] >> 1 & 7) if len(packet) >= 2 * (words + 1) else None


def _opus(packet: bytes) -> Parameters | None:
    if not packet:
        return None
    kind, payload = packet[0] & 3, len(packet) - 1
    if kind == 1 and payload % 2:
        return None
    if kind == 3 and (payload < 1 or not 1 <= packet[1] & 0x3F <= _MOST_OPUS_FRAMES):
        return None
    return _without_zeros(packet)


def opus_length_s(packet: bytes) -> Fraction:
    """Returns the seconds of sound in a packet of Opus, by its first bytes (RFC 6716, 3.1 and 3.2)."""
    if not packet:
        return Fraction(0)
    config, kind = packet[0] >> 3, packet[0] & 3
    halves_ms = (5, 10, 20, 40) if config >= 16 else (20, 40) if config >= 12 else (20, 40, 80, 120)
    num_frames = (1, 2, 2, packet[1] & 0x3F if len(packet) > 1 else 0)[kind]
    return Fraction(num_frames * halves_ms[config % len(halves_ms)], 2000)


def _vorbis(packet: bytes) -> Parameters | None:
    return _without_zeros(packet) if packet and not packet[0] & 1 else None


def _flac(packet: bytes) -> Parameters | None:
    return () if packet[:1] == b"\xff" and packet[1:2] in (b"\xf8", b"\xf9") else None


def _dts(packet: bytes) -> Parameters | None:
    return () if packet.startswith(_DTS_SYNCS) else None


_TESTS: dict[str, HeaderTest] = {
    "mp3": _mpeg_audio,
    "ac3": _ac3,
    "eac3": _ac3,
    "opus": _opus,
    "vorbis": _vorbis,
    "flac": _flac,
    "dts": _dts,
    "alac": _without_zeros,
}

"""Digests of what a video shows and sounds like, the same in whatever container the same streams lie.

Equal digests mean equal coded pictures (or sound) in equal order. Timestamps, containers, parameter sets and
metadata do not enter, but for sound that begins long before or after the pictures; a digest made from a seek,
or from part of the packets, is a digest of that part.
"""

import hashlib
from collections.abc import Sequence

from clipmill.media.bitstream.access_units import Splitter, audio_splitter, video_splitter

CONTENT_VERSION = "cd1"
AUDIO_VERSION = "ad1"
LATE_STEP_S = 0.5
"""Sound that is less than half of it early or late counts as in step: containers shift it by a few frames."""
# PyAV names the decoder it picked; the digest is of the codec.
CODEC_OF_DECODER = {
    "libdav1d": "av1",
    "libaom-av1": "av1",
    "libvpx": "vp8",
    "libvpx-vp9": "vp9",
    "libopus": "opus",
    "mp3float": "mp3",
    "aac_fixed": "aac",
}


class ContentDigest:
    """Running digest of one video stream's packets, given in the order of the container."""

    def __init__(self, codec_name: str, extradata: bytes) -> None:
        codec = _codec(codec_name)
        self._units = _UnitHash(CONTENT_VERSION, codec, video_splitter(codec, extradata))

    def update(self, packet: bytes) -> None:
        """Take in one packet; an empty one changes nothing."""
        self._units.update(packet)

    def digest(self) -> str:
        """``cd1:`` and 32 hex digits for the packets so far."""
        return self._units.digest()


def joined_digest(digests: Sequence[str]) -> str:
    """The digest of a video whose parts have these; that of the part where there is one."""
    if len(digests) == 1:
        return digests[0]
    return f"{CONTENT_VERSION}:{hashlib.blake2b(' '.join(digests).encode(), digest_size=16).hexdigest()}"


class AudioDigest:
    """Running digest of one audio stream's packets; a dub has the film's pictures and another of these.

    ``extradata`` does not enter: a transport stream has none.
    """

    def __init__(self, codec_name: str, extradata: bytes) -> None:
        codec = _codec(codec_name)
        self._units = _UnitHash(AUDIO_VERSION, codec, audio_splitter(codec))

    def update(self, packet: bytes) -> None:
        """Take in one packet; an empty one changes nothing."""
        self._units.update(packet)

    def digest(self, *, late_s: float = 0.0) -> str:
        """``ad1:`` and 32 hex digits for the packets so far, which begin ``late_s`` after the pictures."""
        digest, steps = self._units.digest(), round(late_s / LATE_STEP_S)
        if not steps:
            return digest
        return f"{AUDIO_VERSION}:{hashlib.blake2b(f'{digest} {steps}'.encode(), digest_size=16).hexdigest()}"


class _UnitHash:
    """Hash of a list of units, each with its length, so that bytes cannot move from one unit to the next."""

    def __init__(self, version: str, codec: str, split: Splitter) -> None:
        self._version = version
        self._split = split
        self._hash = hashlib.blake2b(codec.encode(), digest_size=16)

    def update(self, packet: bytes) -> None:
        for unit in self._split(packet):
            self._hash.update(len(unit).to_bytes(8, "little"))
            self._hash.update(unit)

    def digest(self) -> str:
        return f"{self._version}:{self._hash.hexdigest()}"


def _codec(codec_name: str) -> str:
    return CODEC_OF_DECODER.get(codec_name, codec_name)

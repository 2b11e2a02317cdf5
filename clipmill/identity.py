"""Who is who: the ids and digests everything is written under. Decided once: a change here breaks every id.

- ``source_version`` names a listing entry; ``video_id`` names a file's bytes; ``clip_id`` names a span of a
  video; ``stage_digest`` names how a result was made. See docs/identity.md.
"""

import hashlib
import json
import uuid
from collections.abc import Iterable, Sequence

import numpy as np

MIB = 1 << 20
EDGE_BYTES = MIB
MIDDLE_RANGES = 16
MIDDLE_BYTES = 64 << 10
WHOLE_BYTES = 2 * EDGE_BYTES + MIDDLE_RANGES * MIDDLE_BYTES
"""A file of at most so many bytes enters its ``video_id`` whole."""

_CLIP_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://clipmill/clip")
_NAMESPACE_BYTES = _CLIP_NAMESPACE.bytes


def source_version(uri: str, size_bytes: int, version: str) -> str:
    """Name of a listing entry; ``version`` is an etag or version id, else the mtime in ns."""
    return "sv1:" + _hash([uri.encode(), str(size_bytes).encode(), version.encode()])


def identity_ranges(size_bytes: int) -> list[tuple[int, int]]:
    """Byte ranges ``(start, end)`` of a file that enter its ``video_id``: both ends and 16 places between.

    A file no larger than all of them together is one range. Ranges never overlap.
    """
    if size_bytes <= WHOLE_BYTES:
        return [(0, size_bytes)] if size_bytes else []
    inner = size_bytes - 2 * EDGE_BYTES
    slot = inner // MIDDLE_RANGES
    starts = [EDGE_BYTES + i * slot + (slot - MIDDLE_BYTES) // 2 for i in range(MIDDLE_RANGES)]
    middle = [(start, start + MIDDLE_BYTES) for start in starts]
    return [(0, EDGE_BYTES), *middle, (size_bytes - EDGE_BYTES, size_bytes)]


def video_id(size_bytes: int, ranges: Sequence[bytes]) -> str:
    """128-bit id of a file's bytes, from its size and the content of ``identity_ranges``, in order."""
    return _hash([b"vid1", str(size_bytes).encode(), *ranges])


def disambiguated_id(video: str, file_digest: str) -> str:
    """Id of a file whose ``video_id`` another, different file has too."""
    return _hash([b"vid1:whole", video.encode(), file_digest.encode()])


def clip_id(video: str, start_frame: int, end_frame: int) -> str:
    """UUID of a span of a video; it names the span, not the encoded bytes."""
    return _uuid5(f"{video}:{start_frame}:{end_frame}")


def window_id(clip: str, start_frame: int, end_frame: int) -> str:
    """UUID of a half-open run of frames of a clip."""
    return _uuid5(f"{clip}:window:{start_frame}:{end_frame}")


def window_ids(clips: Sequence[str], start_frames: np.ndarray, end_frames: np.ndarray) -> np.ndarray:
    """Returns uint8 ``(N, 16)``: the id of each of many windows, as bytes. Few of their frames differ."""
    spans, kinds = np.unique(start_frames << 32 | end_frames, return_inverse=True)
    ends = [f":window:{span >> 32}:{span & 0xFFFF_FFFF}".encode() for span in spans.tolist()]
    digests = [
        hashlib.sha1(b"".join((_NAMESPACE_BYTES, clip.encode(), ends[kind])), usedforsecurity=False).digest()
        for clip, kind in zip(clips, kinds.tolist(), strict=True)
    ]
    found = np.frombuffer(b"".join(digests), np.uint8).reshape(-1, 20)[:, :16].copy()
    found[:, 6], found[:, 8] = found[:, 6] & 0x0F | 0x50, found[:, 8] & 0x3F | 0x80
    return found


def stage_digest(
    stage: str, version: int, fields: dict[str, object], *, upstream: Iterable[str] = (), model: str = ""
) -> str:
    """How a stage's result was made.

    ``fields`` holds the result-changing fields that differ from the default they were introduced with;
    ``upstream`` the digests of what the stage reads (order does not matter); ``model`` a weights revision.
    """
    text = json.dumps(
        {"stage": stage, "version": version, "model": model, "fields": fields, "upstream": sorted(upstream)},
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=True,
    )
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def bytes_digest(data: bytes) -> str:
    """SHA-256 of a file's bytes, in hex."""
    return hashlib.sha256(data).hexdigest()


def _uuid5(name: str) -> str:
    """Returns ``uuid.uuid5(_CLIP_NAMESPACE, name)`` as text, three times as fast: outputs have millions."""
    digest = bytearray(hashlib.sha1(_NAMESPACE_BYTES + name.encode(), usedforsecurity=False).digest()[:16])
    digest[6], digest[8] = digest[6] & 0x0F | 0x50, digest[8] & 0x3F | 0x80
    text = digest.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _hash(parts: Iterable[bytes]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()

"""What packets alone tell of a video: its digests, and where it can be cut into segments."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from clipmill.media.decode.decode_loop import DecodeLoop
from clipmill.media.decode.limits import Bounds
from clipmill.media.frames.time_marks import TimeMarks
from clipmill.media.io.container import opened
from clipmill.media.scan.scan import opened_stream, time_base_of
from clipmill.media.types import ScanPlan
from clipmill.records import ShownAs, SourceFile, SourceLimits

_SEEK_EXACTLY = ("mov", "matroska")


@dataclass(frozen=True)
class Segment:
    """Frames shown from ``start_pts``, that of a real key picture, until ``end_pts``; None is the end.

    ``num_frames`` is how many packets say that they are shown then.
    """

    start_pts: int
    end_pts: int | None
    num_frames: int


@dataclass(frozen=True)
class PacketIndex:
    """What one walk over the packets found. ``whole_because`` says why there are no segments.

    ``shown`` knows of times and sound only.
    """

    segments: tuple[Segment, ...]
    content_digest: str
    audio_digest: str | None
    bytes_read: int
    cpu_s: float
    whole_because: str = ""
    shown: ShownAs = field(default_factory=ShownAs)


def index_packets(
    source: SourceFile | str, plan: ScanPlan, min_frames: int, *, limits: SourceLimits
) -> PacketIndex:
    """Read all packets of a video, decode none; segments have ``min_frames`` or more.

    Where its container rules segments out, none is read. Errors are those of ``scan``.
    """
    start_s = time.process_time()
    with opened(source, max_bytes=limits.max_size_bytes) as (reader, container):
        bounds = Bounds(reader.uri, limits)
        stream = opened_stream(container, plan, bounds)
        walk, tick_s = DecodeLoop(container, stream, reader=reader), float(time_base_of(stream))
        shown: list[int] = []
        keys: list[int] = []
        lacks_index = not container.format.name.startswith(_SEEK_EXACTLY)
        lacks_times = walk.true_times != "all"
        for packet in () if lacks_index else walk.packets():
            if packet.is_discard:
                continue
            if packet.pts is None or packet.is_corrupt:
                lacks_times = True
                continue
            shown.append(packet.pts)
            bounds.check_length(len(shown) - 1, (packet.pts - shown[0]) * tick_s)
            if walk.starts_picture(packet):
                keys.append(packet.pts)
        walk.check_end()
        is_clean = not (lacks_index or lacks_times or walk.damage or walk.sound.num_jumps)
        segments = segments_of(keys, np.array(shown, np.int64), min_frames=min_frames) if is_clean else ()
        marks = TimeMarks(sorted(shown))
        return PacketIndex(
            segments=segments,
            content_digest=walk.content_digest,
            audio_digest=walk.sound.digest,
            bytes_read=reader.bytes_read,
            cpu_s=time.process_time() - start_s,
            shown=ShownAs(
                other_sound=walk.sound.other_digest,
                every=marks.every,
                times_s=marks.times_s(time_base_of(stream)),
            ),
            whole_because=""
            if segments
            else _because(lacks_index, lacks_times, str(walk.damage), walk.sound.num_jumps),
        )


def segments_of(keys: Sequence[int], shown: np.ndarray, *, min_frames: int) -> tuple[Segment, ...]:
    """Cut a video at real key pictures, in pieces of ``min_frames`` or more; none where it cannot be.

    ``keys`` are the pts of its real key pictures, ``shown`` of all packets that are shown, int64 ``(N,)``.
    """
    times = np.sort(shown)
    if not keys or keys[0] != times[0] or len(np.unique(times)) != len(times):
        return ()
    starts = [0]
    for rank in np.searchsorted(times, sorted(keys)).tolist():
        if rank - starts[-1] >= min_frames and len(times) - rank >= min_frames:
            starts.append(rank)
    if len(starts) < 2:
        return ()
    pts = [int(times[rank]) for rank in starts]
    ends = [*pts[1:], None]
    ranks = pairwise([*starts, len(times)])
    return tuple(
        Segment(start, end, last - first) for start, end, (first, last) in zip(pts, ends, ranks, strict=True)
    )


def _because(lacks_index: bool, lacks_times: bool, damage: str, num_sound_jumps: int) -> str:
    if lacks_index:
        return "its container has no index of key pictures"
    if damage:
        return f"it is damaged {damage}"
    if num_sound_jumps:
        return "the clock of its sound jumps"
    if lacks_times:
        return "its container does not say when each picture is shown"
    return "it has no key pictures far enough apart that decoding could begin at"

"""Cuts a clip without re-encoding: the packets of a span, from a key picture on, that decode alone.

A file without edit list shows every picture it holds. So it begins with a picture that decoding may begin
with, without the pictures shown before it, and ends where no picture refers to one beyond the end: the
pictures kept are the first of the span both in the order of decoding and in that of display.
"""

from __future__ import annotations  # PyAV's Packet[...] exists for type checkers only

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from av.packet import Packet
from av.video.stream import VideoStream

from clipmill.media.bitstream.access_units import START_CODE
from clipmill.media.bitstream.random_access import PictureTest, sequence_headers, startable
from clipmill.media.decode.seek import ClipSource
from clipmill.media.encode.muxer import ClipFile
from clipmill.media.sound.clip_sound import LEFT_OUT, ClipAudio, SpanSound
from clipmill.records import ClipSpan, SoundFacts

MP4_CODECS = frozenset({"h264", "hevc", "av1", "vp9", "mpeg4", "mpeg2video", "mpeg1video", "mjpeg"})
WEBM_CODECS = frozenset({"vp8"})
UNTIMED_CONTAINERS = frozenset({"avi"})
"""Their packets count pictures in decode order; only the decoder knows when each is shown."""

BYTE_STREAM = (START_CODE, b"\x00" + START_CODE)
NO_TIMES = "the container gives no picture times"


@dataclass(frozen=True)
class CopyRun:
    """Packets of a clip in decode order, shown from ``start_pts`` to ``end_pts``."""

    packets: tuple[Packet[VideoStream], ...]
    start_pts: int
    end_pts: int


def decodable_prefix(pts: Sequence[int], *, end: int) -> int:
    """How many of the first packets decoded, at ``pts``, are also the first shown, all before ``end``."""
    order = np.argsort(np.asarray(pts, np.int64), kind="stable")
    rank = np.empty(len(pts), np.int64)
    rank[order] = np.arange(len(pts))
    closed = np.maximum.accumulate(rank) == np.arange(len(pts))
    before_end = np.maximum.accumulate(np.asarray(pts, np.int64)) < end
    return int(np.flatnonzero(closed & before_end).max(initial=-1)) + 1


def decode_times(pts: Sequence[int]) -> list[int]:
    """Ascending decode times for packets shown at ``pts``, none after its pts, as late as that allows."""
    shown = sorted(pts)
    lead = max((at - own for at, own in zip(shown, pts, strict=True)), default=0)
    return [at - lead for at in shown]


def suffix_for(codec: str, sound: SpanSound | None) -> str:
    """Container of a copied clip: mp4 where it holds the codec, webm where it holds the sound too."""
    if codec in MP4_CODECS:
        return ".mp4"
    fits = codec in WEBM_CODECS and (sound is None or sound.is_copied(".webm"))
    return ".webm" if fits else ".mkv"


def find_run(source: ClipSource, clip: ClipSpan, *, min_length_s: float) -> CopyRun | str:
    """The packets that can be copied for ``clip``, or why it has to be cut otherwise."""
    is_start = startable(source.codec, source.stream.codec_context.extradata or b"")
    packets = packets_of_span(source, clip, is_start)
    if isinstance(packets, str):
        return packets
    run = copy_run(packets, clip)
    length_s = float((run.end_pts - run.start_pts) * source.time_base)
    if not run.packets or length_s < min_length_s:
        return f"only {length_s:.3f} s of the span follow its first key picture"
    return run


def copy_run(packets: Sequence[Packet[VideoStream]], clip: ClipSpan) -> CopyRun:
    """Those of the packets of a span that decode alone: from the first, a key picture, on."""
    key_pts = _pts(packets[0])
    packets = [packet for packet in packets if _pts(packet) >= key_pts]
    times = [_pts(packet) for packet in packets]
    kept = decodable_prefix(times, end=clip.end_pts)
    end_pts = min([clip.end_pts, *(pts for pts in times if pts > max(times[:kept], default=key_pts))])
    return CopyRun(tuple(packets[:kept]), key_pts, end_pts)


def sound_of(run: CopyRun, source: ClipSource, audio: ClipAudio | None) -> SpanSound | None:
    """The sound of the time of a run; None where none is wanted."""
    start, end = (pts * source.time_base for pts in (run.start_pts, run.end_pts))
    return audio.span(start, end) if audio is not None else None


def write_run(
    path: str, run: CopyRun, source: ClipSource, *, sound: SpanSound | None, tag: str | None = None
) -> SoundFacts:
    """Write the packets and their sound to ``path``; ``tag`` is the mp4's sample entry."""
    facts = LEFT_OUT
    file = ClipFile(path, time_base=source.time_base)
    try:
        target = file.output.add_stream_from_template(source.stream, opaque=True)
        if tag is not None:
            target.codec_tag = tag
        if sound is not None:
            added = sound.add_to(file.output, file.suffix)
            file.sound, facts = iter(added.packets), added.facts
        file.mux(_rebased(run, target))
        file.keep()
    except BaseException:  # whatever it was, it is raised again: no half file stays
        file.discard()
        raise
    return facts


def _rebased(run: CopyRun, target: VideoStream) -> Iterator[Packet[VideoStream]]:
    pts = [_pts(packet) - run.start_pts for packet in run.packets]
    shown = sorted(pts)
    lengths = dict(zip(shown, np.diff([*shown, run.end_pts - run.start_pts]).tolist(), strict=True))
    for index, (packet, own, decoded) in enumerate(zip(run.packets, pts, decode_times(pts), strict=True)):
        packet.stream = target
        packet.pts, packet.dts = own, decoded
        packet.duration = lengths[shown[-1] if index == len(pts) - 1 else own]
        yield packet


def packets_of_span(
    source: ClipSource, clip: ClipSpan, is_start: PictureTest | None
) -> list[Packet[VideoStream]] | str:
    """Packets from the first key picture inside the span to beyond its end, or why they cannot be copied.

    ``is_start`` tells which key packets count, None that all do.
    """
    if source.container.format.name in UNTIMED_CONTAINERS:
        return NO_TIMES
    found: list[Packet[VideoStream]] = []
    for packet in source.packets_from(clip.start_pts - int(1 / source.time_base)):
        if packet.pts is None:
            return NO_TIMES
        if found and _is_beyond(packet, clip.end_pts):
            found.append(packet)
            break
        if found or (_is_key_inside(packet, clip) and (is_start is None or is_start(bytes(packet)))):
            found.append(packet)
        elif _is_beyond(packet, clip.end_pts):
            break
    return _refusal(found, source) or found


def _refusal(packets: list[Packet[VideoStream]], source: ClipSource) -> str:
    if not packets:
        return "no key picture inside the span"
    if any(packet.has_sidedata("new_extradata") for packet in packets[1:]):
        return "the codec's parameters change inside the span"
    if len(_formats(packets, source)) > 1:
        return "the size or format of the pictures changes inside the span, or before it"
    if len({packet.pts for packet in packets}) < len(packets):
        return "pictures share a time"
    return ""


def _formats(packets: list[Packet[VideoStream]], source: ClipSource) -> set[frozenset[bytes]]:
    """What the headers of the stream, where they are a byte stream, and key packets say of the pictures."""
    extradata = source.stream.codec_context.extradata or b""
    headers = sequence_headers(source.codec, extradata)
    if headers is None:
        return set()
    said = {headers(bytes(packet)) for packet in packets if packet.is_keyframe}
    return (said | {headers(extradata)} if extradata.startswith(BYTE_STREAM) else said) - {frozenset()}


def _is_key_inside(packet: Packet[VideoStream], clip: ClipSpan) -> bool:
    return packet.is_keyframe and clip.start_pts <= _pts(packet) < clip.end_pts


def _is_beyond(packet: Packet[VideoStream], end_pts: int) -> bool:
    """Whether no packet from this one on can be decoded in time to be shown before ``end_pts``."""
    if packet.dts is not None:
        return packet.dts >= end_pts
    return packet.is_keyframe and _pts(packet) >= end_pts


def _pts(packet: Packet[VideoStream]) -> int:
    return packet.pts if packet.pts is not None else 0

"""Which pictures of a span can be copied as they are, and which at its two ends have to be encoded again."""

from __future__ import annotations  # PyAV's Packet[...] exists for type checkers only

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from av.packet import Packet
from av.video.stream import VideoStream

from clipmill.media.bitstream.h264_idr import Restart, is_idr, is_reference
from clipmill.media.bitstream.nal_units import NAL_CODECS, Framing
from clipmill.media.bitstream.random_access import spliceable
from clipmill.media.cut.copy import CopyRun, copy_run, packets_of_span
from clipmill.media.decode.seek import ClipSource
from clipmill.media.encode.splice_encoder import SPLICE_ENCODERS
from clipmill.records import ClipSpan, FrameSpan

MIN_COPIED_SHARE = 0.1
"""With less to copy, encoding the whole span costs about the same and gives one stream of one encoder."""


@dataclass(frozen=True)
class SmartPlan:
    """A clip as up to three runs of frames: ``head`` and ``tail`` are encoded, ``body`` is copied."""

    clip: ClipSpan
    framing: Framing
    body: CopyRun
    head: ClipSpan | None
    tail: ClipSpan | None

    @property
    def parts(self) -> list[ClipSpan]:
        """What has to be encoded."""
        return [part for part in (self.head, self.tail) if part]


def plan_smart(source: ClipSource, clip: ClipSpan) -> SmartPlan | str:
    """How to splice ``clip``, or why it has to be encoded as a whole."""
    if source.codec not in SPLICE_ENCODERS:
        return f"no splicing of {source.codec}"
    extradata = source.stream.codec_context.extradata or b""
    try:
        framing = Framing(source.codec, extradata)
    except ValueError as error:
        return str(error)
    packets = packets_of_span(source, clip, spliceable(source.codec, extradata))
    if isinstance(packets, str):
        return packets
    body = copy_run(packets, clip)
    num_frames = clip.frames.num_frames
    if len(body.packets) < MIN_COPIED_SHARE * num_frames:
        return f"only {len(body.packets)} of {num_frames} frames could be copied"
    num_tail = sum(body.end_pts <= (packet.pts or 0) < clip.end_pts for packet in packets)
    num_head = num_frames - len(body.packets) - num_tail
    if num_head < 0 or (num_head > 0) != (body.start_pts > clip.start_pts):
        return "its packets do not match its frames"
    try:
        body = closed_run(body, packets, framing)
    except ValueError as error:
        return str(error)
    return SmartPlan(clip, framing, body, _head(clip, body, num_head), _tail(clip, body, num_tail))


def _head(clip: ClipSpan, body: CopyRun, num_frames: int) -> ClipSpan | None:
    start = clip.frames.start_frame
    return _part(clip, "head", start, num_frames, clip.start_pts, body.start_pts) if num_frames else None


def _tail(clip: ClipSpan, body: CopyRun, num_frames: int) -> ClipSpan | None:
    start = clip.frames.end_frame - num_frames
    return _part(clip, "tail", start, num_frames, body.end_pts, clip.end_pts) if num_frames else None


def _part(
    clip: ClipSpan, name: str, start_frame: int, num_frames: int, start_pts: int, end_pts: int
) -> ClipSpan:
    frames = FrameSpan(start_frame, start_frame + num_frames)
    part_id = f"{clip.clip_id}.{name}"
    return replace(clip, clip_id=part_id, frames=frames, start_pts=start_pts, end_pts=end_pts)


def closed_run(run: CopyRun, packets: Sequence[Packet[VideoStream]], framing: Framing) -> CopyRun:
    """``run``, taken from ``packets``, so that it decodes alone. ValueError, with why, where it cannot.

    HEVC needs nothing here (``after_a_splice``), nor does what begins with an IDR picture. Key pictures of
    H.264 that are no IDR pictures are no longer marked as such: a reader that jumps to one meets pictures
    that need what is before it.
    """
    first = framing.split(framing.with_sets(bytes(run.packets[0])))
    if framing.codec is not NAL_CODECS["h264"] or is_idr(first):
        return run
    left_out = [packet for packet in packets if (packet.pts or 0) < run.start_pts]
    leaves_gaps = any(is_reference(framing.split(bytes(packet))) for packet in left_out)
    restart = Restart(first, framing.parameter_sets, leaves_gaps=leaves_gaps)
    behind = _behind(run.packets[1:], framing, restart)
    key = _packet(framing.join(restart.as_idr(first)), run.packets[0], is_key=True)
    return replace(run, packets=(key, *behind))


def _behind(
    packets: Sequence[Packet[VideoStream]], framing: Framing, restart: Restart
) -> Iterator[Packet[VideoStream]]:
    is_restarted = False
    for packet in packets:
        nals = framing.split(bytes(packet))
        is_key = is_idr(nals)
        is_restarted = is_restarted or is_key
        data = bytes(packet) if is_restarted else framing.join(restart.renumbered(nals))
        yield _packet(data, packet, is_key=is_key)


def _packet(data: bytes, model: Packet[VideoStream], *, is_key: bool) -> Packet[VideoStream]:
    packet: Packet[VideoStream] = Packet(data)  # pyright: ignore[reportAssignmentType] any stream may take it
    packet.pts, packet.is_keyframe = model.pts, is_key
    return packet

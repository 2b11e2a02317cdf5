"""Copied packets that begin in an open GOP, made fit to begin a file with."""

from __future__ import annotations  # PyAV's Packet[...] exists for type checkers only

from collections.abc import Iterator, Sequence
from dataclasses import replace

from av.packet import Packet
from av.video.stream import VideoStream

from clipmill.media.bitstream.h264_idr import Restart, is_idr, is_reference
from clipmill.media.bitstream.nal_units import NAL_CODECS, Framing
from clipmill.media.cut.copy import CopyRun


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

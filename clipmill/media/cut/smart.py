"""Cuts clips exact to the frame and encodes only what cannot be copied: smart cutting.

A span rarely begins with a key picture. The frames before the first one inside it, and the last few that
refer to pictures beyond its end, are encoded in the source's codec; the packets between are the source's. All
three parts begin with a picture that refers to nothing before it, and every key packet brings its parameter
sets, so that a reader may begin with any of them. No edit list is needed.
"""

from __future__ import annotations  # PyAV's Packet[...] exists for type checkers only

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from av.error import FFmpegError
from av.packet import Packet
from av.video.stream import VideoStream

from clipmill.media.bitstream.nal_units import after_a_splice
from clipmill.media.cut.clip_facts import read_clip
from clipmill.media.cut.copy import CopyRun, sound_of, write_run
from clipmill.media.cut.reencode import CutJob, Outcome, cut_exactly, raise_disk_fault, said
from clipmill.media.cut.smart_plan import SmartPlan
from clipmill.media.encode.splice_encoder import CodedPicture, PartEncoder
from clipmill.records import ClipSpan, CutClip

Coded = dict[str, PartEncoder]


def cut_smart(job: CutJob, plans: Sequence[SmartPlan]) -> dict[str, CutClip | str]:
    """The clip of each plan, or why it has to be encoded as a whole; one decode for the ends of all."""
    encoders: Coded = {}
    outcomes = _encode_parts(job, plans, encoders)
    return {plan.clip.clip_id: _guarded(job, plan, encoders, outcomes) for plan in plans}


def _guarded(job: CutJob, plan: SmartPlan, encoders: Coded, outcomes: dict[str, Outcome]) -> CutClip | str:
    """A fault of one clip, its sound included, costs only its splice."""
    job.progress()
    try:
        return _spliced(job, plan, encoders, outcomes)
    except (FFmpegError, ValueError) as error:
        raise_disk_fault(error, job.out_dir)
        return f"splicing failed: {said(error)}"


def _encode_parts(job: CutJob, plans: Sequence[SmartPlan], encoders: Coded) -> dict[str, Outcome]:
    def begin(part: ClipSpan) -> PartEncoder:
        encoders[part.clip_id] = PartEncoder(part, job.source.codec, job.encoding)
        return encoders[part.clip_id]

    parts = sorted((part for plan in plans for part in plan.parts), key=lambda part: part.start_pts)
    return cut_exactly(replace(job, begin=begin), parts)


def _spliced(job: CutJob, plan: SmartPlan, encoders: Coded, outcomes: dict[str, Outcome]) -> CutClip | str:
    for part in plan.parts:
        if outcomes[part.clip_id].message:
            return f"an end could not be encoded: {outcomes[part.clip_id].message}"
    pictures = [encoders[part.clip_id].pictures if part else [] for part in (plan.head, plan.tail)]
    packets = (*_coded(plan, pictures[0]), *_copied(plan), *_coded(plan, pictures[1]))
    for packet in packets:
        packet.time_base = job.source.time_base
    path = os.path.join(job.out_dir, f"{plan.clip.clip_id}.mp4")
    run = CopyRun(packets, plan.clip.start_pts, plan.clip.end_pts)
    sound = sound_of(run, job.source, job.audio)
    facts = write_run(path, run, job.source, sound=sound, tag=plan.framing.codec.tag)
    return read_clip(
        path,
        clip_id=plan.clip.clip_id,
        clip_mode="smart",
        mode_reason="",
        file_start_s=plan.clip.start_s,
        sound=facts,
    )


def _coded(plan: SmartPlan, pictures: Iterable[CodedPicture]) -> Iterator[Packet[VideoStream]]:
    for picture in pictures:
        yield _packet(plan.framing.from_byte_stream(picture.data), picture.pts, is_key=picture.is_key)


def _copied(plan: SmartPlan) -> Iterator[Packet[VideoStream]]:
    """The source's packets; key packets with its parameter sets, the first fit to follow other pictures."""
    for index, packet in enumerate(plan.body.packets):
        if not packet.is_keyframe:
            yield packet
            continue
        data = plan.framing.with_sets(bytes(packet))
        if index == 0 and plan.framing.codec.tag == "hev1":
            data = plan.framing.join(after_a_splice(plan.framing.split(data)))
        yield _packet(data, packet.pts or 0, is_key=True)


def _packet(data: bytes, pts: int, *, is_key: bool) -> Packet[VideoStream]:
    packet: Packet[VideoStream] = Packet(data)  # pyright: ignore[reportAssignmentType] any stream may take it
    packet.pts, packet.is_keyframe = pts, is_key
    return packet

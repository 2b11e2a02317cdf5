"""What is right and wrong with the sound of one span, found without decoding wherever nothing looks odd."""

from __future__ import annotations  # PyAV's Packet[...] exists for type checkers only

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise

from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.codec import CodecContext
from av.error import FFmpegError

from clipmill.media.bitstream.audio_frames import Parameters, opus_length_s
from clipmill.media.sound.packets import EQUAL_PACKETS, Heard, overlapping, with_own_times
from clipmill.media.sound.source import AudioSource, codec_of, test_of
from clipmill.media.sound.timing import Timed, Timing, timing_of

CHECKED = EQUAL_PACKETS | {"flac", "alac", "opus", "vorbis"}
"""Codecs whose packets are decoded before they are trusted: 0.03 CPU-s for a minute of stereo AAC."""
LONGEST_S = Fraction(12, 100)
"""A packet of Vorbis is shorter. One of FLAC may be longer, but then all are."""


@dataclass(frozen=True)
class Judged:
    """Sound of a span: its packets and one more at either end, ascending, with mended times.

    ``damaged`` are places among ``packets`` that do not decode. ``changes`` says in words which parameters
    differ from those that the file began with, or which streams go on; empty where none do.
    """

    packets: tuple[Heard, ...]
    timing: Timing
    damaged: frozenset[int] = frozenset()
    changes: str = ""


def judged(
    source: AudioSource, track: AudioStream, start: Fraction, end: Fraction, *, follows: bool
) -> Judged | None:
    """Returns the sound of ``[start, end)``, in seconds; None where the source has none.

    With ``follows`` other streams fill what the track lacks.
    """
    packets = source.heard(track, start, end)
    if follows:
        packets = source.followed(packets, start, end)
    packets = with_own_times(packets)
    if not any(packet.end > start and packet.start < end for packet in packets):
        return None
    lengths = _lengths(packets)
    parts = list(dict.fromkeys((each.key, each.part) for each in packets))
    timed = [
        Timed(place, each.start, length, parts.index((each.key, each.part)))
        for place, (each, length) in enumerate(zip(packets, lengths, strict=True))
    ]
    timing = timing_of(timed, start=start, end=end)
    num_moved = sum(each.is_moved for each in overlapping(packets, start, end))
    timing = replace(timing, num_moved=timing.num_moved + num_moved)
    if timing.is_plain and all(packet.packet.duration for packet in packets):
        return _looked_into(source, track, Judged(tuple(packets), timing), start=start, end=end)
    mended = tuple(
        replace(
            packets[each.index],
            start=each.start,
            length=each.length if timing.gaps else packets[each.index].length or each.length,
        )
        for each in timing.packets
    )
    return _looked_into(source, track, Judged(mended, timing), start=start, end=end)


def _lengths(packets: Sequence[Heard]) -> list[Fraction]:
    """Seconds that packets are heard."""
    found: dict[int, Fraction] = {}
    for key in {packet.key for packet in packets}:
        places = [place for place, packet in enumerate(packets) if packet.key == key]
        found |= zip(places, _lengths_in_stream([packets[place] for place in places]), strict=True)
    return [found[place] for place in range(len(packets))]


def _lengths_in_stream(packets: Sequence[Heard]) -> list[Fraction]:
    """Not all packets say how long they are, and an mp4 lets the one before a gap fill it."""
    if packets[0].length and len({packet.packet.duration for packet in packets}) == 1:
        return [packets[0].length] * len(packets)
    codec = codec_of(packets[0].stream)
    steps = [later.start - one.start for one, later in pairwise(packets)]
    counted = Counter([packet.length for packet in packets if packet.length] or [Fraction(0), *steps])
    usual = max(counted, key=lambda length: (counted[length], length))
    assumed = [usual if codec in EQUAL_PACKETS or step <= 0 else min(usual, step) for step in [*steps, usual]]
    stored = [packet.length or length for packet, length in zip(packets, assumed, strict=True)]
    if codec == "opus":
        said = [opus_length_s(bytes(packet.packet)) for packet in packets]
        return [min(length, own or length) for length, own in zip(stored, said, strict=True)]
    if codec not in CHECKED:
        return stored
    longest = usual if codec in EQUAL_PACKETS else max(usual, LONGEST_S)
    return [min(length, longest) for length in stored]


def _looked_into(
    source: AudioSource, track: AudioStream, sound: Judged, *, start: Fraction, end: Fraction
) -> Judged:
    """Judge packets by flags and headers, and those that may be copied by decoding them."""
    tests = {packet.key: test_of(packet.stream) for packet in sound.packets}
    found = [tests[packet.key](bytes(packet.packet)) for packet in sound.packets]
    is_odd = None in found or any(packet.packet.is_corrupt for packet in sound.packets)
    damaged = frozenset(_undecodable(sound.packets)) if is_odd else frozenset[int]()
    places = [place for place, each in enumerate(sound.packets) if each.end > start and each.start < end]
    refused = _refused(sound.packets, places)
    if len(refused) < len(places):
        damaged |= refused
    inside = [(sound.packets[place], found[place]) for place in places]
    changes = _changes(source, track, inside) or (
        "all of its packets break rules" if refused > damaged else ""
    )
    return replace(sound, damaged=damaged, changes=changes)


def _changes(
    source: AudioSource, track: AudioStream, packets: Sequence[tuple[Heard, Parameters | None]]
) -> str:
    """What a file that holds these packets would have to declare anew, in words."""
    declared = {one for _, one in packets} - {None, ()}
    if any(packet.key != (track.index, 0) for packet, _ in packets):
        return "it goes on in another stream"
    if any(packet.packet.has_sidedata("new_extradata") for packet, _ in packets[1:]):
        return "its parameters change"
    if declared and declared != {source.declared(track)}:
        return "its rate or channels are not those that the file begins with"
    return ""


def _undecodable(packets: Sequence[Heard]) -> Iterator[int]:
    failed: list[int] = []
    for _ in decoded(packets, failed):
        pass
    yield from failed


def _refused(packets: Sequence[Heard], places: Sequence[int]) -> frozenset[int]:
    """Those of some packets that a strict decoder refuses: wrong bits show nowhere else.

    Some encoders write wrong checksums into all of their packets, which then count as whole.
    """
    strict: dict[tuple[int, int], AudioCodecContext] = {}
    refused = set[int]()
    for place in places:
        packet = packets[place]
        if codec_of(packet.stream) not in CHECKED:
            continue
        if packet.key not in strict:
            strict[packet.key] = _strict_decoder(packet.stream)
        try:
            strict[packet.key].decode(packet.packet)
        except FFmpegError as error:
            if isinstance(error, MemoryError):
                raise MemoryError(str(error)) from error
            refused.add(place)
    return frozenset(refused)


def _strict_decoder(stream: AudioStream) -> AudioCodecContext:
    context = CodecContext.create(stream.codec_context.name, "r")
    assert isinstance(context, AudioCodecContext)
    context.extradata, context.thread_count = stream.codec_context.extradata, 1
    context.options = {"err_detect": "crccheck+explode"}
    return context


def decoded(
    packets: Sequence[Heard], failed: list[int], *, damaged: frozenset[int] = frozenset()
) -> Iterator[AudioFrame]:
    """Yields decoded packets at their mended times; places of packets that do not decode go to ``failed``.

    Those that are known to be ``damaged`` are left out. MemoryError where memory ran out, which is no fault
    of a packet.
    """
    key: tuple[int, int] | None = None
    for place, packet in enumerate(packets):
        if place in damaged:
            continue
        if packet.key != key:
            packet.stream.codec_context.flush_buffers()
            key = packet.key
        try:
            yield from packet.stream.decode(packet.timed(packet.start))
        except FFmpegError as error:
            if isinstance(error, MemoryError):
                raise MemoryError(str(error)) from error
            failed.append(place)

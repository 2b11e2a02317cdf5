"""The sound of a clip: the source's packets where the file can hold them in step, else encoded again.

Without edit lists an audio track begins at 0. Copied packets therefore begin within half a packet of the
clip's first frame; AAC, whose encoder is fed from the exact sample on, drops the packet that only primes the
decoder.
"""

from __future__ import annotations  # PyAV's Packet[...] exists for type checkers only

import heapq
from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property

from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet

from clipmill.media.sound.judgement import Judged, judged
from clipmill.media.sound.packets import Heard, holes
from clipmill.media.sound.samples import encoded
from clipmill.media.sound.source import AudioSource, codec_of
from clipmill.media.sound.timing import Interval
from clipmill.records import SoundFacts, SoundStatus
from clipmill.stages.encode_options import AudioOptions

COPIED = {
    ".mp4": frozenset({"aac", "mp3", "ac3", "eac3", "alac", "opus", "flac"}),
    ".webm": frozenset({"opus", "vorbis"}),
    ".mkv": frozenset({"aac", "mp3", "ac3", "eac3", "alac", "opus", "flac", "vorbis", "dts"}),
}
LONGEST_COPIED_PACKET_S = Fraction(5, 100)
"""Half of it is how far the sound may be from the picture; FLAC packets of 0.1 s become AAC."""

LEFT_OUT = SoundFacts("none", "left out, as asked")
NO_SOUND = SoundFacts("none", "the source has no sound here")
UNPLACED = SoundFacts("lost", "the clock of its sound jumps, and nothing says which of it belongs here")


@dataclass(frozen=True)
class ClipSound:
    """Packets of the audio streams that were added to a file, in order, and what became of the sound."""

    packets: list[Packet[AudioStream]]
    facts: SoundFacts


@dataclass(frozen=True)
class ClipAudio:
    """The sound of a source, and how clips get it."""

    source: AudioSource
    options: AudioOptions

    @property
    def tracks(self) -> list[AudioStream]:
        """The tracks that clips hold."""
        tracks, wanted = self.source.tracks, self.options.track
        if wanted == "all":
            return tracks
        if wanted == "default":
            return [self.source.stream] if self.source.stream is not None else []
        return tracks[int(wanted) : int(wanted) + 1]

    @property
    def encoding(self) -> ClipAudio:
        """The same sound, of which nothing is copied."""
        codec = "aac" if self.options.codec == "auto" else self.options.codec
        return replace(self, options=replace(self.options, codec=codec))

    def span(self, start: Fraction, end: Fraction) -> SpanSound:
        """The sound of ``[start, end)``, in seconds of the pictures' clock."""
        follows = self.options.track == "default"
        found = [judged(self.source, track, start, end, follows=follows) for track in self.tracks]
        tracks = [
            TrackSound(track, sound, self.options, start, end)
            for track, sound in zip(self.tracks, found, strict=True)
            if sound is not None
        ]
        return SpanSound(tracks, self._without())

    def _without(self) -> SoundFacts:
        if self.tracks:
            return UNPLACED if self.source.has_jumped_alone else NO_SOUND
        if not self.source.tracks:
            return SoundFacts("none", "the source has no sound")
        return SoundFacts("none", f"the source has {len(self.source.tracks)} audio tracks")


@dataclass(frozen=True)
class SpanSound:
    """The tracks of a span that are heard in it; ``without`` says why there are none."""

    tracks: list[TrackSound]
    without: SoundFacts

    def is_copied(self, suffix: str) -> bool:
        """True if a file of this kind can hold the packets of all tracks as they are."""
        return not any(track.hindrance(suffix) for track in self.tracks)

    def add_to(self, output: OutputContainer, suffix: str) -> ClipSound:
        """Adds the tracks as streams of ``output``; the facts are those of the worst."""
        sounds = [track.add_to(output, suffix) for track in self.tracks]
        facts = [sound.facts for sound in sounds] or [self.without]
        return ClipSound(_in_order(sound.packets for sound in sounds), max(facts, key=_badness))


@dataclass(frozen=True)
class TrackSound:
    """The sound of one track in ``[start, end)``."""

    track: AudioStream
    sound: Judged
    options: AudioOptions
    start: Fraction
    end: Fraction

    def hindrance(self, suffix: str) -> str:
        """Why the packets cannot be copied into a file of this kind; empty where they can."""
        packets, timing = self.heard, self.sound.timing
        if not self.options.copies:
            return "as asked"
        if codec_of(self.track) not in COPIED[suffix]:
            return f"{codec_of(self.track)} is not copied into {suffix[1:]}"
        damaged = self._heard_of(self.sound.damaged)
        if damaged or timing.gaps or timing.num_overlapping or self.sound.changes:
            return self._faults(damaged)
        if timing.num_joins:
            return "two recordings meet in it"
        return "" if _in_step(packets, self.start) else "no packet begins where the clip does"

    def add_to(self, output: OutputContainer, suffix: str) -> ClipSound:
        """Adds the track as a stream of ``output``."""
        why = self.hindrance(suffix)
        if not why:
            packets = _copied(output, self.track, self.heard)
            self._name(output)
            return ClipSound(packets, self._facts("copied", "", frozenset()))
        made = encoded(
            output, self.sound, self.options, start=self.start, end=self.end, is_primed=suffix == ".mkv"
        )
        if not made.packets:
            return ClipSound([], SoundFacts("lost", "no packet of its sound could be decoded"))
        self._name(output)
        return ClipSound(made.packets, self._facts("encoded", why, made.failed))

    def _name(self, output: OutputContainer) -> None:
        """Give the stream that was added last the track's language, by which one of several is known."""
        language = self.track.metadata.get("language")
        if self.options.track == "all" and language:
            output.streams.audio[-1].metadata["language"] = language

    @cached_property
    def heard(self) -> list[Heard]:
        """The packets of which at least half is heard."""
        near = [each for each in self.sound.packets if each.start >= self.start or self._is_half_in(each)]
        return [each for each in near if each.start < self.end]

    def _heard_of(self, places: frozenset[int]) -> frozenset[int]:
        """Those of some packets that are heard; others only help to decode."""
        packets = self.sound.packets
        return frozenset(
            place for place in places if packets[place].end > self.start and packets[place].start < self.end
        )

    def _is_half_in(self, packet: Heard) -> bool:
        return packet.start + packet.length / 2 >= self.start

    def _facts(self, status: SoundStatus, why: str, failed: frozenset[int]) -> SoundFacts:
        damaged = self._heard_of(self.sound.damaged | failed)
        good = [each for place, each in enumerate(self.sound.packets) if place not in damaged]
        silent = self._holes(good)
        is_cut = _touches(self._holes(list(self.sound.packets)), self.start, self.end)
        faults = self._faults(damaged)
        if is_cut or 2 * self._silent_s(good) > self.end - self.start:
            return SoundFacts("partial", _said(silent, self.start) if silent else faults)
        is_mended = damaged or self.sound.timing.gaps or not self.sound.timing.is_plain
        return SoundFacts("repaired", faults) if is_mended else SoundFacts(status, faults or why)

    def _holes(self, packets: list[Heard]) -> list[Interval]:
        """Where a listener misses the packets. Those that follow each other have holes at both ends only."""
        if len(packets) == len(self.sound.packets) and self.sound.timing.is_plain:
            packets = [packets[0], replace(packets[0], length=packets[-1].end - packets[0].start)]
        return holes(packets, self.start, self.end)

    def _silent_s(self, packets: list[Heard]) -> Fraction:
        """Seconds without a packet, however short each stretch of them is."""
        if self.sound.timing.is_plain and len(packets) == len(self.sound.packets):
            return Fraction(0)
        heard = [min(each.end, self.end) - max(each.start, self.start) for each in packets]
        return self.end - self.start - sum((length for length in heard if length > 0), Fraction(0))

    def _faults(self, damaged: frozenset[int]) -> str:
        """What is wrong with the packets, in words."""
        timing = self.sound.timing
        gap_s = _length(timing.gaps)
        counted = (
            (len(damaged), "packets do not decode"),
            (timing.num_moved, "packets had wrong times"),
            (timing.num_overlapping, "packets came twice or late"),
        )
        found = [f"{count} {what}" for count, what in counted if count]
        missing = [f"packets are missing for {float(gap_s):.3f} s"] if gap_s else []
        return "; ".join(filter(None, [*found, *missing, self.sound.changes]))


def _in_step(packets: list[Heard], start: Fraction) -> bool:
    """Whether the packets may be taken as they are: short ones, the first of which is heard at the start."""
    if not packets:
        return False
    length = max(packet.length for packet in packets)
    return 0 < length <= LONGEST_COPIED_PACKET_S and packets[0].start <= start + length / 2


def _copied(output: OutputContainer, stream: AudioStream, packets: list[Heard]) -> list[Packet[AudioStream]]:
    target = output.add_stream_from_template(stream)
    copied = [heard.timed(heard.start - packets[0].start) for heard in packets]
    for packet in copied:
        packet.stream = target
    return copied


def _in_order(streams: Iterable[list[Packet[AudioStream]]]) -> list[Packet[AudioStream]]:
    return list(heapq.merge(*streams, key=lambda packet: (packet.pts or 0) * packet.time_base))


def _touches(silent: list[Interval], start: Fraction, end: Fraction) -> bool:
    return any(hole[0] <= start or hole[1] >= end for hole in silent)


def _length(intervals: Iterable[Interval]) -> Fraction:
    return sum((end - start for start, end in intervals), Fraction(0))


def _said(silent: list[Interval], start: Fraction) -> str:
    spans = ", ".join(f"{float(one - start):.2f} to {float(two - start):.2f} s" for one, two in silent)
    return f"no sound from {spans}"


def _badness(facts: SoundFacts) -> int:
    return ("none", "copied", "encoded", "repaired", "partial", "lost").index(facts.status)

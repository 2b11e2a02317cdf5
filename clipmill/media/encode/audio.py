"""The sound of a clip: the source's packets where the file can hold them in step, else AAC.

Without edit lists an audio track begins at 0. Copied packets therefore begin within half a packet of the
clip's first frame; AAC, whose encoder is fed from the exact sample on, drops the packet that only primes the
decoder.
"""

from __future__ import annotations  # PyAV's Packet[...] exists for type checkers only

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from fractions import Fraction

import av
import numpy as np
from av.audio.fifo import AudioFifo
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.codec.context import Flags
from av.container import OutputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Discard

from clipmill.media.io.container import demuxed, open_container
from clipmill.media.io.cursor import cursor
from clipmill.media.io.source import CountingReader

COPIED = {
    ".mp4": frozenset({"aac", "mp3", "ac3", "eac3", "alac", "opus", "flac"}),
    ".webm": frozenset({"opus", "vorbis"}),
    ".mkv": frozenset({"aac", "mp3", "ac3", "eac3", "alac", "opus", "flac", "vorbis", "dts"}),
}
LONGEST_COPIED_PACKET_S = Fraction(5, 100)
"""Half of it is how far the sound may be from the picture; FLAC packets of 0.1 s become AAC."""

AAC_RATES = frozenset({48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000})
JITTER_S = Fraction(1, 50)
"""Packets of containers with coarse times overlap or leave gaps of less than this; they follow each other."""

SEEK_BACK_S = (Fraction(1), Fraction(10))


class AudioSource:
    """The first audio stream of a source."""

    def __init__(self, reader: CountingReader) -> None:
        self._stack = ExitStack()
        self._reader = self._stack.enter_context(cursor(reader))
        self._container = self._stack.enter_context(open_container(self._reader))
        streams = self._container.streams.audio
        self.stream: AudioStream | None = streams[0] if streams and streams[0].codec_context else None
        for other in self._container.streams:
            if self.stream is None or other.index != self.stream.index:
                other.discard = Discard.all

    @property
    def codec(self) -> str | None:
        """The codec's name; None where the source has no sound."""
        return self.stream.codec_context.codec.canonical_name if self.stream else None

    def close(self) -> None:
        """Close the container; the reader stays open."""
        self._stack.close()

    def packets(self, start: Fraction, end: Fraction) -> list[Packet[AudioStream]]:
        """Packets heard in ``[start, end)``, in seconds of the source, and one packet more at either end."""
        if self.stream is None:
            return []
        found: list[Packet[AudioStream]] = []
        for back_s in SEEK_BACK_S:
            found = list(self._between(self.stream, start, end, back_s))
            if found and starts_at(found[0]) <= start:
                break
        return found

    def frames(self, packets: Iterable[Packet[AudioStream]]) -> Iterator[AudioFrame]:
        """Decoded packets; a damaged one is left out."""
        if self.stream is None:
            return
        self.stream.codec_context.flush_buffers()
        for packet in packets:
            with suppress(FFmpegError):
                yield from self.stream.decode(packet)

    def _between(
        self, stream: AudioStream, start: Fraction, end: Fraction, back_s: Fraction
    ) -> Iterator[Packet[AudioStream]]:
        self._seek(start - back_s)
        previous: Packet[AudioStream] | None = None
        with suppress(FFmpegError):
            for packet in demuxed(self._container, [stream]):
                if packet.pts is None or packet.size == 0:
                    continue
                if starts_at(packet) >= start and previous is not None:
                    yield previous
                previous = packet
                if starts_at(packet) >= end:
                    break
        if self._reader.failure is not None:
            raise self._reader.failure
        if previous is not None and starts_at(previous) + duration(previous) > start:
            yield previous

    def _seek(self, time: Fraction) -> None:
        with suppress(FFmpegError):  # what is read from where it stands is judged by its times
            self._container.seek(int(max(time, Fraction(0)) * av.time_base))


def starts_at(packet: Packet[AudioStream]) -> Fraction:
    """Time of a packet on the source's clock, in seconds."""
    return (packet.pts or 0) * packet.time_base


def duration(packet: Packet[AudioStream]) -> Fraction:
    """Length of a packet in seconds."""
    return (packet.duration or 0) * packet.time_base


def add_audio(
    output: OutputContainer, source: AudioSource, *, suffix: str, start: Fraction, end: Fraction
) -> list[Packet[AudioStream]]:
    """Add the sound of ``[start, end)`` as a stream of ``output``; its packets, ready to mux, in order.

    None are returned, and no stream is added, where the source is silent throughout.
    """
    packets = source.packets(start, end)
    if source.stream is None or not packets:
        return []
    near = [packet for packet in packets if starts_at(packet) + duration(packet) / 2 >= start]
    heard = [packet for packet in near if starts_at(packet) < end]
    if source.codec in COPIED[suffix] and _in_step(heard, start):
        return _copied(output, source.stream, heard)
    return _encoded(output, source, packets, start=start, end=end)


def _in_step(packets: list[Packet[AudioStream]], start: Fraction) -> bool:
    """Whether the packets may be taken as they are: short ones, the first of which is heard at the start."""
    if not packets:
        return False
    length = max(map(duration, packets))
    return 0 < length <= LONGEST_COPIED_PACKET_S and starts_at(packets[0]) <= start + length / 2


def _copied(
    output: OutputContainer, stream: AudioStream, packets: list[Packet[AudioStream]]
) -> list[Packet[AudioStream]]:
    target = output.add_stream_from_template(stream)
    base = packets[0].pts or 0
    for packet in packets:
        packet.stream = target
        packet.pts = (packet.pts or 0) - base
        packet.dts = packet.pts
    return packets


def _encoded(
    output: OutputContainer,
    source: AudioSource,
    packets: list[Packet[AudioStream]],
    *,
    start: Fraction,
    end: Fraction,
) -> list[Packet[AudioStream]]:
    assert source.stream is not None
    decoded = source.stream.codec_context
    rate = decoded.sample_rate if decoded.sample_rate in AAC_RATES else 48000
    layout = "mono" if decoded.layout.nb_channels == 1 else "stereo"
    target: AudioStream = output.add_stream("aac", rate=rate, layout=layout)
    target.codec_context.flags |= Flags.bitexact
    resampler = AudioResampler(format="fltp", layout=layout, rate=rate)
    frames = (part for frame in source.frames(packets) for part in resampler.resample(frame))
    num_samples = round((end - start) * rate)
    samples = on_timeline(
        _placed(frames, start=start, rate=rate), num_samples=num_samples, slack=int(JITTER_S * rate)
    )
    coded = [packet for frame in _fifo_frames(samples, rate, layout) for packet in target.encode(frame)]
    coded += target.encode(None)
    return [packet for packet in coded if 0 <= (packet.pts or 0) < num_samples]


def _placed(frames: Iterable[AudioFrame], *, start: Fraction, rate: int) -> Iterator[tuple[int, np.ndarray]]:
    for frame in frames:
        if frame.pts is not None and frame.time_base is not None:
            yield round((frame.pts * frame.time_base - start) * rate), frame.to_ndarray()


def on_timeline(
    placed: Iterable[tuple[int, np.ndarray]], *, num_samples: int, slack: int
) -> Iterator[np.ndarray]:
    """Samples from 0 to at most ``num_samples``, float32 (C, n) each, without gap or overlap.

    ``placed`` holds (position, samples (C, n)). Gaps become silence; overlaps and what lies outside are left
    out; a piece at most ``slack`` away from the end of the one before follows it.
    """
    at = 0
    follows = False
    for position, samples in placed:
        if follows and abs(position - at) <= slack:
            position = at
        kept = samples[:, max(at - position, 0) : max(num_samples - position, 0)]
        if not kept.shape[1]:
            continue
        if position > at:
            yield np.zeros((len(samples), position - at), np.float32)
        yield kept
        at, follows = max(position, at) + kept.shape[1], True


def _fifo_frames(chunks: Iterable[np.ndarray], rate: int, layout: str) -> Iterator[AudioFrame]:
    """Frames of the encoder's size, timed from 0."""
    fifo, at = AudioFifo(), 0
    for chunk in chunks:
        frame = AudioFrame.from_ndarray(np.ascontiguousarray(chunk), format="fltp", layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = rate, at, Fraction(1, rate)
        at += chunk.shape[1]
        fifo.write(frame)
        yield from fifo.read_many(1024)
    rest = fifo.read(0, partial=True) if at else None
    if rest is not None:
        yield rest

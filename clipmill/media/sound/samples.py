"""Sound decoded, put on a clip's timeline without gap or overlap, and encoded again."""

from __future__ import annotations  # PyAV's Packet[...] exists for type checkers only

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from av.audio.fifo import AudioFifo
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.codec.context import Flags
from av.container import OutputContainer
from av.packet import Packet

from clipmill.media.sound.judgement import Judged, decoded
from clipmill.media.sound.source import AudioSource
from clipmill.media.sound.timing import JITTER_S, slack_of
from clipmill.stages.encode_options import AAC_RATES, AudioOptions


@dataclass(frozen=True)
class EncodedSound:
    """Packets of a stream of a clip, timed from 0; ``failed`` are the places of packets that do not decode.

    There is no stream, and no packet, where nothing could be decoded.
    """

    packets: list[Packet[AudioStream]]
    failed: frozenset[int]


def encoded(
    output: OutputContainer,
    sound: Judged,
    options: AudioOptions,
    *,
    start: Fraction,
    end: Fraction,
    is_primed: bool,
) -> EncodedSound:
    """Adds the sound of ``[start, end)`` to ``output``, encoded; silence fills what is missing.

    A file that ``is_primed`` says how much of the sound only primes the decoder, and holds that too.
    """
    failed: list[int] = []
    frames = decoded(sound.packets, failed, damaged=sound.damaged)
    first = next(frames, None)
    if first is None:
        return EncodedSound([], frozenset(failed))
    rate, layout = _format(first, sound, options)
    codec = "flac" if options.codec == "flac" else "aac"
    target: AudioStream = output.add_stream(codec, rate=rate, layout=layout)
    target.codec_context.flags |= Flags.bitexact
    num_samples = round((end - start) * rate)
    shaped = _resampled(itertools.chain([first], frames), layout=layout, rate=rate)
    samples = on_timeline(
        _placed(shaped, start=start, rate=rate), num_samples=num_samples, slack=int(_slack_s(sound) * rate)
    )
    chunks = _until_the_end(samples, sound, num_samples=min(num_samples, _end(sound, start, rate)))
    coded = [packet for frame in _fifo_frames(chunks, target, layout) for packet in target.encode(frame)]
    coded += target.encode(None)
    packets = [packet for packet in coded if (is_primed or (packet.pts or 0) >= 0)]
    packets = [packet for packet in packets if (packet.pts or 0) < num_samples]
    return EncodedSound(packets, frozenset(failed))


def samples_of(sound: Judged, start: Fraction, end: Fraction, *, rate_hz: int, channels: int) -> np.ndarray:
    """Returns the sound of ``[start, end)``, float32 ``(N, channels)``; silence fills what is missing."""
    layout = "mono" if channels == 1 else "stereo"
    shaped = _resampled(decoded(sound.packets, [], damaged=sound.damaged), layout=layout, rate=rate_hz)
    samples = np.zeros((round((end - start) * rate_hz), channels), np.float32)
    at = 0
    for piece in on_timeline(
        _placed(shaped, start=start, rate=rate_hz),
        num_samples=len(samples),
        slack=int(_slack_s(sound) * rate_hz),
    ):
        samples[at : at + piece.shape[1]] = piece.T
        at += piece.shape[1]
    return samples


def heard_samples(
    source: AudioSource, track: AudioStream, start: Fraction, end: Fraction, *, rate_hz: int
) -> np.ndarray:
    """Returns the sound of ``[start, end)``, float32 ``(C, n)``, up to where it ends; gaps are silent.

    Its two channels, into which more are mixed, or one.
    """
    layout = "mono" if track.codec_context.layout.nb_channels == 1 else "stereo"
    frames = decoded(source.heard(track, start, end), [])
    placed = _placed(_resampled(frames, layout=layout, rate=rate_hz), start=start, rate=rate_hz)
    num_samples, slack = round((end - start) * rate_hz), int(JITTER_S * rate_hz)
    pieces = list(on_timeline(placed, num_samples=num_samples, slack=slack))
    return np.concatenate(pieces, axis=1) if pieces else np.zeros((1, 0), np.float32)


def _slack_s(sound: Judged) -> Fraction:
    """How far a piece may lie from the end of the one before and still follow it."""
    is_whole = not (sound.damaged or sound.timing.gaps)
    return JITTER_S if is_whole else slack_of([packet.length for packet in sound.packets])


def _format(first: AudioFrame, sound: Judged, options: AudioOptions) -> tuple[int, str]:
    """Rate and layout of the clip's sound: as asked for, else the source's, at most stereo."""
    rate = options.rate or first.sample_rate
    channels = options.channels or (1 if first.layout.nb_channels == 1 and not sound.changes else 2)
    return rate if rate in AAC_RATES else 48000, "mono" if channels == 1 else "stereo"


def _resampled(frames: Iterable[AudioFrame], *, layout: str, rate: int) -> Iterator[AudioFrame]:
    """Frames of one format, whatever the source changes to in between."""
    resampler: AudioResampler | None = None
    seen: tuple[str, str, int] | None = None
    for frame in frames:
        found = (frame.format.name, frame.layout.name, frame.sample_rate)
        if resampler is None or found != seen:
            if resampler is not None:
                yield from resampler.resample(None)
            resampler, seen = AudioResampler(format="fltp", layout=layout, rate=rate), found
        yield from resampler.resample(frame)


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


def _end(sound: Judged, start: Fraction, rate: int) -> int:
    """The sample at which the last packet of a span ends."""
    return round((sound.packets[-1].end - start) * rate)


def _until_the_end(chunks: Iterable[np.ndarray], sound: Judged, *, num_samples: int) -> Iterator[np.ndarray]:
    """The samples, and silence for damaged packets at their end."""
    num_seen, num_channels = 0, 0
    for chunk in chunks:
        num_channels, num_seen = len(chunk), num_seen + chunk.shape[1]
        yield chunk
    if sound.damaged and num_channels and num_seen < num_samples:
        yield np.zeros((num_channels, num_samples - num_seen), np.float32)


def _fifo_frames(chunks: Iterable[np.ndarray], target: AudioStream, layout: str) -> Iterator[AudioFrame]:
    """Frames of the encoder's size, timed from 0."""
    rate = target.codec_context.sample_rate
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

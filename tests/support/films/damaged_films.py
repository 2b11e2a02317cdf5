"""Films of ten containers with sound, and seeded ways to damage them."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from tests.support.films.container_films import ENCODERS, PLAIN_X264
from tests.support.films.scan_films import paint

FRAMES = 36


@dataclass(frozen=True)
class Container:
    """A file ending, what is in it, and how it is written."""

    suffix: str
    video: str = "h264"
    sound: str = "aac"
    mux: tuple[tuple[str, str], ...] = ()


CONTAINERS = {
    "mp4": Container("mp4"),
    "fragmented": Container("mp4", mux=(("movflags", "frag_keyframe+empty_moov"),)),
    "mov": Container("mov", video="mpeg4", sound="pcm_s16le"),
    "mkv": Container("mkv", sound="flac"),
    "webm": Container("webm", video="vp8", sound="libopus"),
    "avi": Container("avi", video="mpeg4", sound="mp2"),
    "ts": Container("ts", video="mpeg2", sound="mp2"),
    "flv": Container("flv"),
    "mpg": Container("mpg", video="mpeg2", sound="mp2"),
    "wmv": Container("wmv", video="mpeg4", sound="wmav2"),
}


def write(path: Path, container: Container, *, first: int = 0) -> Path:
    """A film of 1.4 s with a tone; ``first`` is the number on its first picture."""
    encoder, options = ENCODERS[container.video]
    if container.video == "h264":
        options = PLAIN_X264
    rate = 48000 if container.sound == "libopus" else 44100
    with av.open(str(path), "w", options=dict(container.mux)) as output:
        stream = output.add_stream(encoder, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 96, 54, "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 25)
        tone = output.add_stream(container.sound, rate=rate, layout="mono")
        tone.bit_rate = 64000
        packets = [packet for number in range(FRAMES) for packet in stream.encode(_frame(first, number))]
        packets += [*stream.encode(None), *tone.encode(_tone(rate)), *tone.encode(None)]
        for packet in sorted(packets, key=lambda packet: (packet.dts or 0) * packet.time_base):
            output.mux(packet)
    return path


def _frame(first: int, number: int) -> av.VideoFrame:
    frame = av.VideoFrame.from_ndarray(paint(first + number), format="rgb24")
    frame.pts, frame.time_base = number, Fraction(1, 25)
    return frame


def _tone(rate: int) -> av.AudioFrame:
    times_s = np.arange(rate * FRAMES // 25) / rate
    samples = (0.3 * np.sin(2 * np.pi * 440 * times_s)).astype(np.float32)[None]
    frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
    frame.sample_rate, frame.pts = rate, 0
    return frame


def flip(data: bytearray, other: bytes, rng: random.Random) -> None:
    """Single bits, anywhere."""
    for _ in range(rng.choice([1, 10, 100])):
        bit = rng.randrange(8 * len(data))
        data[bit // 8] ^= 1 << bit % 8


def flip_headers(data: bytearray, other: bytes, rng: random.Random) -> None:
    """Bytes of the first and the last kilobyte, where indexes and tables are."""
    for _ in range(rng.choice([1, 3, 10])):
        at = rng.randrange(min(1024, len(data)))
        data[at if rng.random() < 0.5 else -at - 1] = rng.randrange(256)


def cut_off(data: bytearray, other: bytes, rng: random.Random) -> None:
    del data[rng.randrange(1, len(data)) :]


def lose_a_part(data: bytearray, other: bytes, rng: random.Random) -> None:
    at = rng.randrange(len(data))
    del data[at : at + rng.randrange(1, 2000)]


def blank_a_part(data: bytearray, other: bytes, rng: random.Random) -> None:
    at, length = rng.randrange(len(data)), rng.randrange(1, 3000)
    data[at : at + length] = bytes(len(data[at : at + length]))


def mix(data: bytearray, other: bytes, rng: random.Random) -> None:
    """A part of another film, whose streams may be others, in the middle."""
    at, start = rng.randrange(len(data)), rng.randrange(len(other))
    data[at:at] = other[start : start + rng.randrange(1, len(other))]


def join(data: bytearray, other: bytes, rng: random.Random) -> None:
    """Another film behind it: its streams begin in the middle of the file."""
    data += other


DAMAGES: dict[str, Callable[[bytearray, bytes, random.Random], None]] = {
    "flipped": flip,
    "headers": flip_headers,
    "cut off": cut_off,
    "part lost": lose_a_part,
    "part blank": blank_a_part,
    "mixed": mix,
    "joined": join,
}

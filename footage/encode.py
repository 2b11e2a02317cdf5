"""Writes drawn frames and sound as files: any codec, constant or varying frame rate, upright or turned."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import count
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.stream import VideoStream

from footage.sound import SAMPLE_RATE_HZ

AUDIO_CHUNK_SAMPLES = 1024
# Without it mkv gets a random id and every mux the muxer's version.
SAME_BYTES = {"fflags": "+bitexact"}


@dataclass(frozen=True)
class Encoding:
    """A video encoder of PyAV with its options, and its companion for sound.

    ``codec`` is the name of what the encoder makes. ``rotation_deg`` is how far a viewer turns the stored
    picture, clockwise: 0, 90, 180 or 270.
    """

    codec: str
    encoder: str
    options: dict[str, str] = field(default_factory=dict[str, str])
    audio_encoder: str = "aac"
    rotation_deg: int = 0


H264 = Encoding("h264", "libx264", {"preset": "superfast", "crf": "23"})
HEVC = Encoding(
    "hevc", "libx265", {"preset": "ultrafast", "x265-params": "log-level=none:pools=none:bframes=3"}
)
VP9 = Encoding("vp9", "libvpx-vp9", {"deadline": "realtime", "cpu-used": "8", "b": "600k"}, "libopus")
AV1 = Encoding("av1", "libsvtav1", {"preset": "12", "svtav1-params": "lp=1"}, "libopus")


def write_film(
    path: Path,
    pictures: Iterable[np.ndarray],
    *,
    time_base: Fraction,
    encoding: Encoding = H264,
    ticks: Iterable[int] | None = None,
    sound: np.ndarray | None = None,
) -> None:
    """Encode ``pictures``, uint8 ``(height, width, 3)`` upright, into the container that the suffix names.

    ``ticks`` are the frame times in ``time_base``; 0, 1, 2, ... when not given. ``sound`` is int16
    ``(samples,)`` at 48 kHz.
    """
    os.environ.setdefault("SVT_LOG", "1")  # else the AV1 encoder tells its settings on stderr
    stored = (_stored(picture, encoding.rotation_deg) for picture in pictures)
    first = next(stored)
    with av.open(path, "w", options=SAME_BYTES) as output:
        video = _add_video(output, first, time_base=time_base, encoding=encoding)
        audio = AudioTrack(output, encoding.audio_encoder, sound)
        for tick, picture in zip(ticks or count(), _chain(first, stored), strict=False):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = tick, time_base
            output.mux(video.encode(frame))
            audio.write_until(tick * time_base)
        output.mux(video.encode())
        audio.close()


def write_sound(path: Path, sound: np.ndarray) -> None:
    """Encode ``sound``, int16 ``(samples,)``, into a container without pictures."""
    with av.open(path, "w", options=SAME_BYTES) as output:
        AudioTrack(output, "aac", sound).close()


class AudioTrack:
    """The audio stream of an output, written in step with the pictures; nothing where there is no sound."""

    def __init__(self, output: OutputContainer, encoder: str, sound: np.ndarray | None) -> None:
        self._output = output
        self._sound = np.zeros(0, np.int16) if sound is None else sound
        self._stream: AudioStream | None = None
        self._at = 0
        if sound is not None:
            stream = output.add_stream(encoder, rate=SAMPLE_RATE_HZ, layout="mono")
            assert isinstance(stream, AudioStream)
            self._stream = stream

    def write_until(self, time_s: Fraction) -> None:
        """Encode whole chunks up to the time, so that the file is interleaved."""
        while self._stream and self._at < min(time_s * SAMPLE_RATE_HZ, len(self._sound)):
            chunk = np.ascontiguousarray(self._sound[self._at : self._at + AUDIO_CHUNK_SAMPLES])
            frame = av.AudioFrame.from_ndarray(chunk[None], format="s16", layout="mono")
            frame.sample_rate, frame.pts = SAMPLE_RATE_HZ, self._at
            self._at += len(chunk)
            self._output.mux(self._stream.encode(frame))

    def close(self) -> None:
        """Encode what is left."""
        self.write_until(Fraction(len(self._sound), SAMPLE_RATE_HZ))
        if self._stream:
            self._output.mux(self._stream.encode())


def _add_video(
    output: OutputContainer, picture: np.ndarray, *, time_base: Fraction, encoding: Encoding
) -> VideoStream:
    video = output.add_stream(encoding.encoder, rate=1 / time_base, options=dict(encoding.options))
    assert isinstance(video, VideoStream)
    video.height, video.width = picture.shape[:2]
    video.pix_fmt = "yuv420p"
    video.codec_context.time_base = time_base
    # One thread: encoders give other bytes for other numbers of threads.
    video.codec_context.thread_count = 1
    if encoding.rotation_deg:
        video.set_display_rotation(-encoding.rotation_deg)  # PyAV counts against the clock
    return video


def _stored(picture: np.ndarray, rotation_deg: int) -> np.ndarray:
    """The picture as stored, so that turning it clockwise by ``rotation_deg`` sets it upright."""
    return np.ascontiguousarray(np.rot90(picture, k=rotation_deg // 90))


def _chain(first: np.ndarray, rest: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    yield first
    yield from rest

"""Pictures in, packets out: by an encoder that PyAV has, or by the ffmpeg program for one that it lacks."""

from __future__ import annotations  # PyAV's Packet[...] exists for type checkers only

import fcntl
import os
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from typing import IO, Protocol, cast

import av
import ffmpeg
import imageio_ffmpeg
import numpy as np
from av.codec.context import Flags
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.plane import VideoPlane
from av.video.stream import VideoStream

from clipmill.media.encode.display_light import with_display_light
from clipmill.media.encode.options import Settings

KEY_EVERY_FRAMES = 48
PIPE_BYTES = 1 << 20
"""Most that Linux grants by default. Through its 64 KiB a frame of 720p takes 22 changes of process."""


@dataclass(frozen=True)
class PictureFormat:
    """What an encoder is set to. ``rate`` (frames a second) guides rate control; times are the frames' own.

    ``bit_rate`` in bits a second, None for constant quality, which is then among ``settings``.
    """

    encoder: str
    settings: Settings
    time_base: Fraction
    rate: Fraction
    sar: Fraction
    threads: int
    bit_rate: int | None


class PictureEncoder(Protocol):
    """Turns frames of one size and pixel format, in order, into packets of a stream of the output."""

    def encode(self, frame: VideoFrame) -> list[Packet[VideoStream]]:
        """Packets that are ready after this frame; its ``pts`` is in the format's time base."""
        ...

    def finish(self) -> list[Packet[VideoStream]]:
        """The packets held back. The output has the stream by now, if not before."""
        ...

    def abandon(self) -> None:
        """Let go of everything."""
        ...


class LibraryEncoder:
    """An encoder of PyAV's FFmpeg, adding its stream to ``output`` at once."""

    def __init__(self, output: OutputContainer, wanted: PictureFormat, first: VideoFrame) -> None:
        options = with_display_light(wanted.encoder, wanted.settings, first)
        stream = output.add_stream(wanted.encoder, rate=wanted.rate, options=options)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = first.width, first.height, first.format.name
        context = stream.codec_context
        context.time_base = wanted.time_base
        context.thread_count = wanted.threads
        context.gop_size, context.max_b_frames = KEY_EVERY_FRAMES, 0
        context.flags |= Flags.bitexact | Flags.closed_gop
        context.sample_aspect_ratio = wanted.sar
        context.color_range, context.colorspace = first.color_range, first.colorspace
        context.color_primaries, context.color_trc = first.color_primaries, first.color_trc
        if wanted.bit_rate is not None:
            context.bit_rate = wanted.bit_rate
        self._stream = stream

    def encode(self, frame: VideoFrame) -> list[Packet[VideoStream]]:
        """Packets that are ready after this frame."""
        return self._stream.encode(frame)

    def finish(self) -> list[Packet[VideoStream]]:
        """The packets held back."""
        return self._stream.encode(None)

    def abandon(self) -> None:
        """The stream goes with its output."""


class ProgramEncoder:
    """The ffmpeg program, fed raw yuv420p frames; what it writes is read back with the frames' own times.

    ``scratch_path`` is where it writes. ValueError with the program's words where it fails.
    """

    def __init__(
        self, output: OutputContainer, wanted: PictureFormat, first: VideoFrame, *, scratch_path: str
    ) -> None:
        self._output, self._wanted, self._scratch_path = output, wanted, scratch_path
        self._pts: list[int] = []
        self._read_back: InputContainer | None = None
        self._process = _start(wanted, first, scratch_path)

    def encode(self, frame: VideoFrame) -> list[Packet[VideoStream]]:
        """Nothing: all packets come at the end."""
        assert self._process.stdin is not None
        self._pts.append(frame.pts or 0)
        try:
            for plane in frame.planes:
                self._process.stdin.write(_samples(plane))
        except BrokenPipeError:
            raise ValueError(self._said("it took no more frames")) from None
        return []

    def finish(self) -> list[Packet[VideoStream]]:
        """The packets, with the frames' times; ValueError when they are not one for each frame."""
        said = self._said("it failed")
        if self._process.returncode:
            raise ValueError(said)
        self._read_back = av.open(self._scratch_path)
        source = self._read_back.streams.video[0]
        packets = [packet for packet in self._read_back.demux(source) if packet.size]
        if len(packets) != len(self._pts):
            raise ValueError(f"{self._wanted.encoder} made {len(packets)} pictures of {len(self._pts)}")
        target = self._output.add_stream_from_template(source)
        for packet, pts in zip(packets, self._pts, strict=True):
            packet.stream, packet.time_base = target, self._wanted.time_base
            packet.pts = packet.dts = pts
        for packet, following in zip(packets, self._pts[1:], strict=False):
            packet.duration = following - (packet.pts or 0)
        return packets

    def abandon(self) -> None:
        """Stop the program and remove what it wrote."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()
        if self._read_back is not None:
            self._read_back.close()
        with suppress(FileNotFoundError):
            os.remove(self._scratch_path)

    def _said(self, otherwise: str) -> str:
        with suppress(BrokenPipeError):
            _, errors = self._process.communicate()
            otherwise = errors.decode(errors="replace").strip().partition("\n")[0] or otherwise
        return f"{self._wanted.encoder}: {otherwise}"


def _samples(plane: VideoPlane) -> memoryview:
    """The bytes of a plane of 8-bit samples without what pads its lines; not copied where nothing does."""
    lines = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
    return np.ascontiguousarray(lines[:, : plane.width]).data


def _start(wanted: PictureFormat, first: VideoFrame, path: str) -> subprocess.Popen[bytes]:
    size = f"{first.width}x{first.height}"
    raw = ffmpeg.input("pipe:", format="rawvideo", pix_fmt="yuv420p", s=size, r=str(wanted.rate))
    tagged = raw.filter("setsar", f"{wanted.sar.numerator}/{wanted.sar.denominator}").filter(
        "setparams",
        range=int(first.color_range),
        colorspace=int(first.colorspace),
        color_primaries=int(first.color_primaries),
        color_trc=int(first.color_trc),
    )
    rate = {"b:v": str(wanted.bit_rate)} if wanted.bit_rate else {}
    options = {
        "vcodec": wanted.encoder, "threads": wanted.threads, "g": KEY_EVERY_FRAMES, "fps_mode": "passthrough",
        "pix_fmt": "yuv420p", "loglevel": "error", **wanted.settings, **rate,
    }  # fmt: skip
    output = tagged.output(path, **options).overwrite_output()
    started = output.run_async(
        cmd=imageio_ffmpeg.get_ffmpeg_exe(), pipe_stdin=True, pipe_stdout=True, pipe_stderr=True
    )
    process = cast("subprocess.Popen[bytes]", started)
    _widen(process.stdin)
    return process


def _widen(pipe: IO[bytes] | None) -> None:
    """Have a pipe hold more, where the system can and lets us."""
    with suppress(OSError):
        if pipe is not None and hasattr(fcntl, "F_SETPIPE_SZ"):
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)

"""Copies of a finished film, as they are found in the wild, and damaged files."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from footage.encode import H264, SAME_BYTES, AudioTrack, write_film


def rename(source: Path, target: Path) -> None:
    """The same bytes under another name."""
    shutil.copyfile(source, target)


def remux(source: Path, target: Path, **options: str) -> None:
    """The same coded streams in the container that the suffix names; ``options`` are the muxer's."""
    with av.open(source) as container, av.open(target, "w", options={**SAME_BYTES, **options}) as output:
        streams = {s.index: output.add_stream_from_template(s, opaque=True) for s in container.streams}
        for packet in container.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                output.mux(packet)


def move_index_first(source: Path, target: Path) -> None:
    """The same film as an mp4 that can be played while it is still being fetched."""
    remux(source, target, movflags="+faststart")


def dub(source: Path, target: Path, sound: np.ndarray) -> None:
    """The same coded pictures with other sound, int16 ``(samples,)``."""
    with av.open(source) as container, av.open(target, "w", options=SAME_BYTES) as output:
        stream = output.add_stream_from_template(container.streams.video[0], opaque=True)
        track = AudioTrack(output, H264.audio_encoder, sound)
        for packet in container.demux(video=0):
            if packet.dts is not None:
                track.write_until(packet.dts * packet.time_base)
                packet.stream = stream
                output.mux(packet)
        track.close()


def reencode(
    source: Path,
    target: Path,
    *,
    crf: int,
    height_px: int | None = None,
    sound: np.ndarray | None = None,
) -> None:
    """The same frames at a constant rate, coded again with ``crf`` and, when given, at another height."""
    with av.open(source) as container:
        rate = container.streams.video[0].average_rate or Fraction(25)
    harder = replace(H264, options={**H264.options, "crf": str(crf)})
    write_film(target, _shrunk(source, height_px), time_base=1 / rate, encoding=harder, sound=sound)


def cut_short(source: Path, target: Path, *, share: float) -> None:
    """The first ``share`` of a file's bytes: a transfer that broke off."""
    data = source.read_bytes()
    target.write_bytes(data[: int(len(data) * share)])


def _shrunk(source: Path, height_px: int | None) -> Iterator[np.ndarray]:
    with av.open(source) as container:
        for frame in container.decode(video=0):
            height = height_px or frame.height
            width = round(frame.width * height / frame.height / 2) * 2
            yield frame.to_ndarray(format="rgb24", width=width, height=height, interpolation="BILINEAR")

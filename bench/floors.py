"""What ffmpeg programs spend on decoding, and on decoding and encoding, the films: the least one can."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import ffmpeg
import imageio_ffmpeg

from bench.process_meter import timed
from bench.run_cost import Kept
from clipmill.stages.video.clipping.clip_extraction_stages import ClipTranscodingStage

KEY_EVERY_FRAMES = 48
"""As clips have it; like the rest of the settings, it decides what encoding costs."""


@dataclass(frozen=True)
class Floor:
    """CPU seconds of ffmpeg over all films."""

    decode_s: float
    encode_s: float


def floor(films: Sequence[str]) -> Floor:
    """Measure both; for a process of its own."""
    with TemporaryDirectory() as folder:
        decode_s = sum(_cpu_s(film, os.devnull, {"f": "null"}) for film in films)
        encode_s = sum(_cpu_s(film, str(Path(folder) / "whole.mp4"), encode_options()) for film in films)
    return Floor(decode_s, encode_s)


def kept_floor(films: Sequence[str], kept: Sequence[Kept]) -> float:
    """CPU seconds of decoding all films, and of decoding and encoding each kept span; for its own process."""
    with TemporaryDirectory() as folder:
        target = str(Path(folder) / "clip.mp4")
        spans = sum(
            _cpu_s(clip.film, target, encode_options(), ss=clip.start_s, t=clip.length_s) for clip in kept
        )
    return spans + sum(_cpu_s(film, os.devnull, {"f": "null"}) for film in films)


def encode_options() -> dict[str, str | int]:
    """The settings with which clips are encoded."""
    spec = ClipTranscodingStage()
    return {
        "vcodec": "libx264",
        "preset": spec.preset,
        "crf": spec.quality,
        "g": KEY_EVERY_FRAMES,
        "bf": 0,
        "pix_fmt": "yuv420p",
        "threads": spec.encoder_threads,
        "fps_mode": "passthrough",
    }


def _cpu_s(film: str, target: str, options: dict[str, str | int], **part: float) -> float:
    program = ffmpeg.output(ffmpeg.input(film, threads=1, **part).video, target, **options)
    with timed() as taken:
        program.run(cmd=imageio_ffmpeg.get_ffmpeg_exe(), quiet=True, overwrite_output=True)
    return taken[0]

"""Which encoders work here, found by encoding, not by asking a build what it lists.

PyAV does what NeMo Curator does with ffmpeg programs. Its wheel has its own codecs; a fault is an exception
with a cause, and no pixels pass through pipes. The ffmpeg program of the imageio-ffmpeg wheel, driven through
ffmpeg-python, serves encoders that PyAV's wheel lacks, such as libopenh264.
"""

import os
from fractions import Fraction
from functools import cache

import av
import ffmpeg
import imageio_ffmpeg
import numpy as np
from av import logging as ffmpeg_log
from av.codec.codec import UnknownCodecError
from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext

from clipmill.errors import SpecError
from clipmill.media.encode.options import ENCODINGS
from clipmill.sandbox.os_settings import kept_priority
from clipmill.stages.encode_options import EncodeOptions

ENCODERS = tuple(ENCODINGS)
IN_PLACE_OF_A_COPY = ("libx264", "libvpx-vp9", "libsvtav1")
"""Who encodes what cannot be copied: the first of these that works."""
os.environ.setdefault("SVT_LOG", "1")  # errors only: libsvtav1 prints 20 lines for each clip otherwise
TEN_BITS = "yuv420p10le"
"""Pixels that keep high dynamic range."""
TRIAL_FRAMES = 3
TRIAL_SIZE = (256, 144)  # hardware encoders refuse smaller pictures


def probe_encoder(name: str) -> None:
    """SpecError, naming the encoders that work here, unless ``name`` encodes a few frames."""
    cause = trial(name)
    if cause:
        working = ", ".join(other for other in ENCODERS if other != name and not trial(other))
        raise SpecError(f"encoder {name!r} does not work here ({cause}); these do: {working}")


def check_encoder(options: EncodeOptions | None) -> None:
    """SpecError, before any work, where the encoder asked for does not work here."""
    if options is not None and options.encodes:
        probe_encoder(options.encoder)
        if options.hdr == "keep" and trial(options.encoder, TEN_BITS):
            able = ", ".join(other for other in ENCODERS if not trial(other, TEN_BITS))
            raise SpecError(
                f"encoder {options.encoder!r} has no 10 bits here, for hdr: keep; these have: {able}"
            )


def encoder_for(options: EncodeOptions) -> str:
    """The encoder of the clips that are encoded. SpecError where a copy needs one and there is none."""
    if options.encodes:
        return options.encoder
    for name in IN_PLACE_OF_A_COPY:
        if not trial(name):
            return name
    raise SpecError(
        f"nothing here encodes what cannot be copied: {', '.join(IN_PLACE_OF_A_COPY)} are missing"
    )


def keeps_hdr(options: EncodeOptions) -> bool:
    """Whether encoded clips keep high dynamic range: on demand, and beside clips that are copied."""
    wanted = options.hdr == "keep" or not options.encodes
    return wanted and not trial(encoder_for(options), TEN_BITS)


def needs_program(name: str) -> bool:
    """Whether PyAV lacks an encoder, which the ffmpeg program may have."""
    try:
        av.Codec(name, "w")
    except UnknownCodecError:
        return True
    return False


@cache
def trial(name: str, pixels: str = "yuv420p") -> str:
    """Why ``name`` cannot encode here; empty when it can. Tried once per process."""
    if name not in ENCODERS:
        return "not an encoder for clips"
    if needs_program(name):
        return _program_fault(name) if pixels != TEN_BITS else "the ffmpeg program is fed 8 bits"
    level = ffmpeg_log.get_level()
    ffmpeg_log.set_level(ffmpeg_log.ERROR)  # errors then carry what FFmpeg said
    try:
        with kept_priority():
            _encode_with_pyav(name, pixels)
    except (FFmpegError, ValueError) as error:
        said = getattr(error, "log", None)  # (level, who, what)
        return said[2].strip() if said else str(error)
    finally:
        ffmpeg_log.set_level(level)
    return ""


def _encode_with_pyav(name: str, pixels: str) -> None:
    context = av.CodecContext.create(name, "w")
    if not isinstance(context, VideoCodecContext):
        raise ValueError(f"{name} encodes no pictures")
    context.width, context.height, context.pix_fmt = *TRIAL_SIZE, pixels
    context.time_base, context.framerate = Fraction(1, 25), Fraction(25)
    for index in range(TRIAL_FRAMES):
        frame = av.VideoFrame.from_ndarray(
            np.full((TRIAL_SIZE[1] * 3 // 2, TRIAL_SIZE[0]), 128, np.uint8), format="yuv420p"
        )
        frame = frame.reformat(format=pixels)
        frame.pts, frame.time_base = index, context.time_base
        context.encode(frame)
    context.encode(None)


def _program_fault(name: str) -> str:
    width, height = TRIAL_SIZE
    picture = ffmpeg.input(f"color=size={width}x{height}:rate=25:duration=0.2", format="lavfi")
    try:
        picture.output("-", vcodec=name, format="null").run(
            cmd=imageio_ffmpeg.get_ffmpeg_exe(), capture_stdout=True, capture_stderr=True
        )
    except ffmpeg.Error as error:
        return error.stderr.decode(errors="replace").strip().rpartition("\n")[-1]
    except (RuntimeError, OSError) as error:
        return f"PyAV lacks it, and there is no ffmpeg program: {error}"
    return ""

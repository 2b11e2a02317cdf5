"""One training sample cut out of a clip's file: a run of frames, at a rate and size of its own."""

from bisect import bisect_left
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal

from av.video.frame import VideoFrame

from clipmill.errors import EncodeFailed
from clipmill.media.cut.window import frame_times, of_window
from clipmill.media.decode.seek import ClipSource
from clipmill.media.encode.clip_encoder import ClipEncoder, SourceEncoding, source_encoding
from clipmill.media.encode.resize import Fitted
from clipmill.media.frames.geometry import Geometry, Rect
from clipmill.media.frames.orient_filter import Upright
from clipmill.media.frames.time_grid import grid_rate
from clipmill.media.io.source import open_source
from clipmill.media.sound.clip_sound import ClipAudio
from clipmill.media.sound.source import AudioSource
from clipmill.records import ClipSpan, FrameSpan
from clipmill.sandbox.heartbeat import beat
from clipmill.stages.encode_options import EncodeOptions

Shape = Callable[[VideoFrame], VideoFrame]


@dataclass(frozen=True)
class SampleCut:
    """Frames ``[start_frame, end_frame)`` of a file, or ``num_frames`` of them on a grid of ``fps`` a second.

    The grid counts from the file's first frame; ``first_step`` is the sample's first instant on it. Of each
    instant the nearest frame is taken, none is blended, and the sound keeps its speed. ``size`` is width and
    height, None for the file's own.
    """

    start_frame: int
    end_frame: int
    num_frames: int
    first_step: int
    fps: float | None
    size: tuple[int, int] | None
    fit: Literal["crop", "pad", "middle"]


def cut_sample(clip_path: str, out_path: str, cut: SampleCut, *, options: EncodeOptions) -> int:
    """Writes an mp4 of a sample; returns how many frames it has.

    Encoded as the clip was by ``options``, a copied or spliced clip by the default encoder. ValueError when
    the file has fewer frames, EncodeFailed when they cannot be decoded.
    """
    with ExitStack() as stack:
        reader = stack.enter_context(open_source(clip_path))
        source = stack.enter_context(closing(ClipSource(reader)))
        audio = stack.enter_context(closing(AudioSource(reader)))
        times = frame_times(source)
        if not 0 <= cut.start_frame < cut.end_frame < len(times):
            raise ValueError(
                f"{clip_path} has {len(times) - 1} frames, asked for are {cut.start_frame} to {cut.end_frame}"
            )
        encoding = source_encoding(
            of_window(options), source.container, source.stream, size_bytes=reader.size_bytes, rotation_deg=0
        )
        shape = Upright() if cut.size is None else _Sized(cut.size, cut.fit, encoding.sar)
        if cut.size is not None:
            encoding = replace(encoding, sar=Fraction(1))
        shown = _shown(cut, times, source.time_base)
        if cut.fps is not None:
            encoding = replace(encoding, time_base=1 / grid_rate(cut.fps), rate=grid_rate(cut.fps))
        sound = None if options.strip_audio else ClipAudio(audio, options.audio)
        return _write(out_path, _frames(source, shown, cut, times), shown, shape, encoding, sound)


@dataclass(frozen=True)
class _Shown:
    """When frames are shown, in the sample's time base: of each the frame's number; and where it all ends."""

    instants: list[int]
    numbers: list[int]
    end: int


def _shown(cut: SampleCut, times: list[int], time_base: Fraction) -> _Shown:
    if cut.fps is None:
        numbers = list(range(cut.start_frame, cut.end_frame))
        return _Shown([times[number] for number in numbers], numbers, times[cut.end_frame])
    rate = grid_rate(cut.fps)
    instants = list(range(cut.first_step, cut.first_step + cut.num_frames))
    numbers = [_nearest(times, times[0] + instant / rate / time_base) for instant in instants]
    return _Shown(instants, numbers, instants[-1] + 1)


def _nearest(times: list[int], instant: Fraction) -> int:
    """The frame whose time is nearest, the earlier of equals."""
    after = min(bisect_left(times, instant), len(times) - 2)
    before = max(after - 1, 0)
    return before if instant - times[before] <= times[after] - instant else after


def _frames(
    source: ClipSource, shown: _Shown, cut: SampleCut, times: list[int]
) -> Iterator[tuple[int, VideoFrame]]:
    """Yields number and picture of each frame that is shown, once."""
    wanted, first, last = set(shown.numbers), min(shown.numbers), max(shown.numbers)
    number_of = {pts: number for number, pts in enumerate(times[:-1])}
    for count, frame in enumerate(source.frames_from(times[first])):
        beat(count + 1)
        number = number_of.get(frame.pts if frame.pts is not None else -1)
        if number is not None and number in wanted:
            yield number, frame
        if number == last:
            return


def _write(
    out_path: str,
    frames: Iterator[tuple[int, VideoFrame]],
    shown: _Shown,
    shape: Shape,
    encoding: SourceEncoding,
    sound: ClipAudio | None,
) -> int:
    span = FrameSpan(0, len(shown.instants))
    start_s, end_s = (float(pts * encoding.time_base) for pts in (shown.instants[0], shown.end))
    clip = ClipSpan("sample", span, shown.instants[0], shown.end, start_s, end_s)
    encoder = ClipEncoder(out_path, clip, encoding, upright=Upright(), audio=sound)
    try:
        waiting = list(zip(shown.instants, shown.numbers, strict=True))
        for number, frame in frames:
            picture = shape(frame)
            while waiting and waiting[0][1] == number:
                encoder.write(picture, pts=waiting.pop(0)[0])
        if waiting:
            raise EncodeFailed(f"{len(waiting)} of {len(shown.instants)} frames could not be decoded")
        encoder.finish()
    except BaseException:  # whatever it was, it is raised again: no half file stays
        encoder.abandon()
        raise
    return encoder.num_frames


class _Sized:
    """Upright frames in square pixels and of one size: filled and cropped, or whole within bars."""

    def __init__(self, size: tuple[int, int], fit: str, sar: Fraction) -> None:
        self._size, self._fit, self._sar = size, fit, sar
        self._upright = Upright()
        self._fitted: Fitted | None = None

    def __call__(self, frame: VideoFrame) -> VideoFrame:
        frame = self._upright(frame)
        if self._fitted is None:
            self._fitted = Fitted(self._geometry(frame.width, frame.height))
        return self._fitted(frame)

    def _geometry(self, width: int, height: int) -> Geometry:
        whole = Rect(0, 0, width, height)
        if self._fit == "middle":
            return Geometry(whole, (width, height), self._size)
        ratios = [Fraction(self._size[0]) / (width * self._sar), Fraction(self._size[1], height)]
        scale = max(ratios) if self._fit == "crop" else min(Fraction(1), *ratios)
        scaled = _even(width * self._sar * scale), _even(height * scale)
        return Geometry(whole, scaled, self._size)


def _even(length: Fraction) -> int:
    return max(2, round(length / 2) * 2)

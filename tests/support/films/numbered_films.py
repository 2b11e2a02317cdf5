"""Small films for the tests of cutting: every frame carries its number, painted so that no codec loses it.

The code is 10 bits, most significant first, in two rows of five squares; white is 1.
"""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import numpy as np
from av.filter import Graph
from av.video.reformatter import VideoReformatter

from clipmill.identity import clip_id
from clipmill.records import ClipSpan, FrameSpan

NUM_BITS = 10
COLUMNS = 5
TIME_BASE = Fraction(1, 90000)
FRAME = 3600  # 25 frames a second in TIME_BASE


def numbered(number: int, *, width: int = 128, height: int = 72) -> np.ndarray:
    """uint8 (height, width, 3): the code over a texture that moves a pixel from frame to frame."""
    picture = np.roll(_texture(width, height), number, axis=1)
    for bit, (rows, columns) in enumerate(_squares(height, width)):
        picture[rows, columns] = 235 if number >> (NUM_BITS - 1 - bit) & 1 else 16
    return picture


@cache
def _texture(width: int, height: int) -> np.ndarray:
    texture = np.random.default_rng(1).integers(60, 190, (height // 4 + 1, width // 4 + 1, 3), dtype=np.uint8)
    return texture.repeat(4, axis=0).repeat(4, axis=1)[:height, :width]


def read_number(picture: np.ndarray) -> int:
    """The number painted on a frame of the same layout, uint8 (h, w, 3) or (h, w)."""
    return _numbers_on(picture[None])[0]


def read_numbers(frames: Iterable[av.VideoFrame]) -> list[int]:
    """The numbers painted on frames. A converter for each frame would take most of the time."""
    convert = VideoReformatter()
    pictures = [convert.reformat(frame, format="gray", threads=1).to_ndarray() for frame in frames]
    return _numbers_on(np.stack(pictures)) if pictures else []


def _numbers_on(pictures: np.ndarray) -> list[int]:
    numbers = np.zeros(len(pictures), int)
    for rows, columns in _squares(*pictures.shape[1:3]):
        patches = pictures[:, rows, columns]
        y, x = patches.shape[1] // 4, patches.shape[2] // 4
        inner = patches[:, y : -patches.shape[1] // 4, x : -patches.shape[2] // 4]
        numbers = numbers << 1 | (inner.reshape(len(inner), -1).mean(axis=1) > 125)
    return numbers.tolist()


def draw(
    path: Path,
    num_frames: int,
    *,
    codec: str = "libx264",
    options: dict[str, str] | None = None,
    pts: Sequence[int] | None = None,
    size: tuple[int, int] = (128, 72),
    pixel_format: str = "yuv420p",
    rotation: int = 0,
    time_base: Fraction = TIME_BASE,
    audio: str | None = None,
    silent_frames: int = 0,
    first_number: int = 0,
    sar: Fraction | None = None,
) -> Path:
    """A film of numbered frames; with ``audio`` (an encoder) a tone is heard during every fiftieth."""
    pts = pts or [index * FRAME for index in range(num_frames)]
    with av.open(str(path), "w") as output:
        stream = output.add_stream(codec, rate=25, options=options or {})
        stream.width, stream.height, stream.pix_fmt = *size, pixel_format
        stream.codec_context.time_base = time_base
        stream.codec_context.thread_count = 1
        if sar is not None:
            stream.codec_context.sample_aspect_ratio = sar
        if rotation:
            stream.set_display_rotation(rotation)
        sound = output.add_stream(audio, rate=48000, layout="mono") if audio else None
        for number in range(num_frames):
            output.mux(stream.encode(_picture(first_number + number, size, pts[number], time_base)))
        output.mux(stream.encode(None))
        if sound is not None:
            for frame in _tones(num_frames, sound.codec_context.format.name, silent_frames):
                output.mux(sound.encode(frame))
            output.mux(sound.encode(None))
    return path


def draw_fields(
    path: Path,
    num_frames: int,
    *,
    order: str = "top",
    is_flagged: bool = True,
    moves: bool = True,
    codec: str = "libx264",
) -> Path:
    """A film whose frame n weaves the fields 2 n and 2 n + 1, of which ``order`` (top or bottom) is first.

    A bar stands in the middle rows, 20 pixels further in each field; without ``moves`` in each frame.
    """
    options = {"bf": "0", "b": "4000000"} | ({"crf": "10"} if codec == "libx264" else {})
    options |= {"flags": "+ildct+ilme"} if is_flagged else {}
    graph = Graph()
    source = graph.add_buffer(width=128, height=96, format="yuv420p", time_base=TIME_BASE)
    flag = graph.add("setfield", {"top": "tff", "bottom": "bff"}[order] if is_flagged else "prog")
    graph.link_nodes(source, flag)
    graph.link_nodes(flag, graph.add("buffersink")).configure()
    with av.open(str(path), "w") as output:
        stream = output.add_stream(codec, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        stream.codec_context.thread_count = 1
        for number in range(num_frames):
            first, second = (_with_bar(number, 2 * number + (place if moves else 0)) for place in (0, 1))
            first[order == "top" :: 2] = second[order == "top" :: 2]
            frame = av.VideoFrame.from_ndarray(first, format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = number * FRAME, TIME_BASE
            graph.vpush(frame)
            output.mux(stream.encode(graph.vpull()))
        output.mux(stream.encode(None))
    return path


def draw_coded_fields(
    path: Path,
    num_frames: int,
    *,
    order: str = "top",
    sar: Fraction | None = None,
) -> Path:
    """The film of ``draw_fields`` in HEVC, whose pictures are fields; ``sar`` is written."""
    with av.open(str(path), "w") as output:
        mode = {"top": "tff", "bottom": "bff"}[order]
        params = f"interlace={mode}:keyint=20:open-gop=0:bframes=2:log-level=none:pools=1:frame-threads=1"
        stream = output.add_stream("libx265", rate=50, options={"x265-params": f"{params}:crf=10"})
        stream.width, stream.height, stream.pix_fmt = 128, 48, "yuv420p"
        stream.codec_context.time_base = TIME_BASE
        if sar is not None:
            stream.codec_context.sample_aspect_ratio = sar
        for field in range(2 * num_frames):
            output.mux(stream.encode(_field(field, order)))
        output.mux(stream.encode(None))
    return path


def _field(field: int, order: str) -> av.VideoFrame:
    lines = _with_bar(field // 2, field)[(field % 2 == 0) != (order == "top") :: 2]
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(lines), format="rgb24").reformat(format="yuv420p")
    frame.pts, frame.time_base = field * FRAME // 2, TIME_BASE
    return frame


def bar_in(picture: np.ndarray) -> float:
    """The first column of the bar in a picture of ``draw_fields``."""
    bright = np.flatnonzero(picture[46:52].mean((0, 2)) > 125)
    return float(bright.mean() - 19.5)


def _with_bar(number: int, field: int) -> np.ndarray:
    picture = numbered(number, width=128, height=96)
    start = bar_start(field)
    picture[42:54] = 16
    picture[42:54, start : start + 40] = 235
    return picture


def bar_start(field: int) -> int:
    """First column of the bar in a field."""
    return field * 20 % 88


def spans(
    num_frames: int,
    *cuts: tuple[int, int],
    pts: Sequence[int] | None = None,
    time_base: Fraction = TIME_BASE,
) -> list[ClipSpan]:
    """Clips of a drawn film by half-open frame numbers; ``pts`` as ``source_pts`` gives them."""
    pts = pts or [index * FRAME for index in range(num_frames + 1)]
    return [
        ClipSpan(
            clip_id=clip_id("film", start, end),
            frames=FrameSpan(start, end),
            start_pts=pts[start],
            end_pts=pts[end],
            start_s=float((pts[start] - pts[0]) * time_base),
            end_s=float((pts[end] - pts[0]) * time_base),
        )
        for start, end in cuts
    ]


def source_pts(path: Path) -> list[int]:
    """Times of the frames of a film in its own time base, and the end of the last."""
    with av.open(str(path)) as container:
        frames = list(container.decode(container.streams.video[0]))
    times = [frame.pts for frame in frames if frame.pts is not None]
    return [*times, times[-1] + (frames[-1].duration or times[-1] - times[-2])]


def read_back(path: str) -> tuple[list[int], list[int]]:
    """Numbers and times (in the file's time base) of a file's frames."""
    with av.open(path) as container:
        frames = list(container.decode(container.streams.video[0]))
    return read_numbers(frames), [frame.pts if frame.pts is not None else -1 for frame in frames]


def boxes(data: bytes) -> Iterable[str]:
    """Types of an mp4's boxes, as paths."""
    inside = {"moov", "trak", "mdia", "minf", "stbl", "edts"}
    pending = [(0, len(data), "")]
    while pending:
        at, end, path = pending.pop()
        while at + 8 <= end:
            size, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8].decode("latin1")
            size = size or end - at
            yield f"{path}/{kind}"
            if kind in inside:
                pending.append((at + 8, at + size, f"{path}/{kind}"))
            at += size


def _picture(number: int, size: tuple[int, int], pts: int, time_base: Fraction) -> av.VideoFrame:
    frame = av.VideoFrame.from_ndarray(numbered(number, width=size[0], height=size[1]), format="rgb24")
    frame.pts, frame.time_base = pts, time_base
    return frame


def _squares(height: int, width: int) -> list[tuple[slice, slice]]:
    side_y, side_x = height // (NUM_BITS // COLUMNS), width // COLUMNS
    return [
        (
            slice(bit // COLUMNS * side_y + side_y // 8, (bit // COLUMNS + 1) * side_y - side_y // 8),
            slice(bit % COLUMNS * side_x + side_x // 8, (bit % COLUMNS + 1) * side_x - side_x // 8),
        )
        for bit in range(NUM_BITS)
    ]


def _tones(num_frames: int, sample_format: str, silent_frames: int) -> Iterable[av.AudioFrame]:
    """48 kHz mono: silence, and a tone during every fiftieth frame; it begins after ``silent_frames``."""
    at = np.arange(num_frames * 1920)
    wave = np.where(at // 1920 % 50 == 0, 0.8 * np.sin(2 * np.pi * 1000 * at / 48000), 0)
    for start in range(silent_frames * 1920, len(wave), 1024):
        part = wave[start : start + 1024].astype(np.float32)[None]
        if sample_format == "s16":
            part = (part * 32000).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(part, format=sample_format, layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 48000, start, Fraction(1, 48000)
        yield frame

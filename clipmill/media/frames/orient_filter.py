"""Decoded frames as a clip shows them: upright, even sizes, 4:2:0, the same range of values.

Not every reader applies a display matrix, so a rotation is done to the pixels.
"""

from collections.abc import Callable
from fractions import Fraction
from functools import cache

from av.filter import Graph
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace

from clipmill.media.frames.orientation import Orientation, orientation
from clipmill.media.frames.tone_mapping import ToneMappedFrames, high_range

_TURNS = {90: ("transpose=clock",), 180: ("hflip", "vflip"), 270: ("transpose=cclock",)}
"""Filters for a clockwise rotation in degrees."""

_AS_CODED = Orientation()

_NO_MATRIX = (0, 2, 3)
"""RGB, unspecified and reserved, by the numbers of ITU-T H.273."""
SMPTE170M = 6
"""Matrix, primaries and transfer that 8-bit 4:2:0 made from RGB is tagged with."""


class Upright:
    """Turns, crops and converts the frames of one video; keeps its filter graph from frame to frame.

    High dynamic range is mapped to BT.709, or kept in 10 bits where ``keeps_hdr``, which is asked once such a
    frame comes, says so.
    """

    def __init__(self, keeps_hdr: Callable[[], bool] = bool) -> None:
        self._keeps_hdr = cache(keeps_hdr)
        self._tone_mapped = ToneMappedFrames()
        self._last: tuple[VideoFrame, VideoFrame] | None = None
        self._graph: Graph | None = None
        self._graph_for: tuple[int, int, str, Orientation] | None = None

    def __call__(self, frame: VideoFrame) -> VideoFrame:
        """A frame of even width and height in yuv420p, or in 10 bits where high dynamic range is kept.

        An odd size loses its last column or row. Several clips may ask for the same frame.
        """
        if self._last is None or self._last[0] is not frame:
            self._last = frame, self._shaped(frame)
        return self._last[1]

    def _shaped(self, frame: VideoFrame) -> VideoFrame:
        turn = orientation(frame)
        if turn != _AS_CODED or frame.width % 2 or frame.height % 2:
            frame = self._filtered(frame, turn)
        if not high_range(frame.color_trc):
            return _to_yuv420p(frame)
        return _to_ten_bits(frame) if self._keeps_hdr() else self._tone_mapped(frame)

    def _filtered(self, frame: VideoFrame, turn: Orientation) -> VideoFrame:
        wanted = (frame.width, frame.height, frame.format.name, turn)
        if self._graph is None or self._graph_for != wanted:
            self._graph, self._graph_for = _build(frame, turn), wanted
        tags = (frame.color_range, frame.colorspace, frame.color_primaries, frame.color_trc)
        self._graph.vpush(frame)
        turned = self._graph.vpull()
        turned.color_range, turned.colorspace, turned.color_primaries, turned.color_trc = tags
        return turned


def coloured_like(first: VideoFrame, frame: VideoFrame) -> VideoFrame:
    """``frame`` with the matrix and the range of ``first``, where a stream changes them within a clip."""
    wanted, own = ((one.colorspace, one.color_range) for one in (first, frame))
    if wanted == own or not (_is_known(*wanted) and _is_known(*own)):
        return frame
    converted = frame.reformat(
        format=first.format.name,
        src_colorspace=frame.colorspace,
        dst_colorspace=first.colorspace,
        src_color_range=frame.color_range,
        dst_color_range=first.color_range,
    )
    converted.colorspace, converted.color_range = first.colorspace, first.color_range
    return converted


def _is_known(matrix: int, values: int) -> bool:
    return matrix not in _NO_MATRIX and values != ColorRange.UNSPECIFIED


def upright_sar(sar: Fraction, rotation_deg: int) -> Fraction:
    """Pixel aspect (width over height) after the rotation."""
    return 1 / sar if rotation_deg % 180 else sar


def _build(frame: VideoFrame, turn: Orientation) -> Graph:
    width, height = frame.width & ~1, frame.height & ~1
    if not (width and height):
        raise ValueError(f"a picture of {frame.width}x{frame.height} is too small: a clip has even sides")
    steps = [*_TURNS.get(turn.rotation_deg, ()), *(["hflip"] if turn.is_mirrored else []), ""]
    if turn.rotation_deg % 180:
        width, height = height, width
    graph = Graph()
    node = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base
    )
    steps[-1] = f"crop={width}:{height}:0:0:exact=1"
    for step in steps:
        name, _, arguments = step.partition("=")
        following = graph.add(name, arguments or None)
        graph.link_nodes(node, following)
        node = following
    graph.link_nodes(node, graph.add("buffersink")).configure()
    return graph


def _in_range_of(frame: VideoFrame, pixels: str) -> VideoFrame:
    """The frame in another pixel format, of the same range of values."""
    return frame.reformat(format=pixels, src_color_range=frame.color_range, dst_color_range=frame.color_range)


def _to_yuv420p(frame: VideoFrame) -> VideoFrame:
    if frame.format.name == "yuv420p":
        return frame
    if not frame.format.is_rgb:
        return _in_range_of(frame, "yuv420p")
    return _of_rgb(frame, "yuv420p", matrix=Colorspace.ITU601, tag=SMPTE170M)


def _to_ten_bits(frame: VideoFrame) -> VideoFrame:
    if not frame.format.is_rgb:
        return _in_range_of(frame, "yuv420p10le")
    return _of_rgb(frame, "yuv420p10le", matrix=Colorspace.BT2020, tag=Colorspace.BT2020)


def _of_rgb(frame: VideoFrame, pixels: str, *, matrix: Colorspace, tag: int) -> VideoFrame:
    """A frame of RGB by a matrix, which swscale and the frame's tag number differently."""
    converted = frame.reformat(
        format=pixels,
        src_color_range=ColorRange.JPEG,
        dst_colorspace=matrix,
        dst_color_range=ColorRange.MPEG,
    )
    converted.color_range, converted.colorspace = ColorRange.MPEG, tag
    return converted

"""Decoded frames as a clip shows them: upright, even sizes, 8-bit 4:2:0, the same range of values.

Not every reader applies a display matrix, so a rotation is done to the pixels.
"""

from fractions import Fraction

from av.filter import Graph
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace

from clipmill.media.frames.orientation import Orientation, orientation

_TURNS = {90: ("transpose=clock",), 180: ("hflip", "vflip"), 270: ("transpose=cclock",)}
"""Filters for a clockwise rotation in degrees."""

_AS_CODED = Orientation()

SMPTE170M = 6
"""Matrix, primaries and transfer that 8-bit 4:2:0 made from RGB is tagged with."""


class Upright:
    """Turns, crops and converts the frames of one video; keeps its filter graph from frame to frame."""

    def __init__(self) -> None:
        self._graph: Graph | None = None
        self._graph_for: tuple[int, int, str, Orientation] | None = None

    def __call__(self, frame: VideoFrame) -> VideoFrame:
        """A frame of even width and height in yuv420p; an odd size loses its last column or row."""
        turn = orientation(frame)
        if turn != _AS_CODED or frame.width % 2 or frame.height % 2:
            frame = self._filtered(frame, turn)
        return _to_yuv420p(frame)

    def _filtered(self, frame: VideoFrame, turn: Orientation) -> VideoFrame:
        wanted = (frame.width, frame.height, frame.format.name, turn)
        if self._graph is None or self._graph_for != wanted:
            self._graph, self._graph_for = _build(frame, turn), wanted
        tags = (frame.color_range, frame.colorspace, frame.color_primaries, frame.color_trc)
        self._graph.vpush(frame)
        turned = self._graph.vpull()
        turned.color_range, turned.colorspace, turned.color_primaries, turned.color_trc = tags
        return turned


def upright_sar(sar: Fraction, rotation_deg: int) -> Fraction:
    """Pixel aspect (width over height) after the rotation."""
    return 1 / sar if rotation_deg % 180 else sar


def _build(frame: VideoFrame, turn: Orientation) -> Graph:
    width, height = frame.width & ~1, frame.height & ~1
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


def _to_yuv420p(frame: VideoFrame) -> VideoFrame:
    if frame.format.name == "yuv420p":
        return frame
    if not frame.format.is_rgb:
        return frame.reformat(
            format="yuv420p", src_color_range=frame.color_range, dst_color_range=frame.color_range
        )
    converted = frame.reformat(
        format="yuv420p",
        src_color_range=ColorRange.JPEG,
        dst_colorspace=Colorspace.ITU601,
        dst_color_range=ColorRange.MPEG,
    )
    converted.color_range, converted.colorspace = ColorRange.MPEG, SMPTE170M
    return converted

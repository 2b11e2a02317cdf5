"""Pictures of HEVC that is coded field by field: two half pictures of different instants, woven line by line.

FFmpeg's decoders of H.264 and MPEG-2 give both fields as one interlaced frame; that of HEVC gives each field
as a frame of half the height. Source: ITU-T H.265 D.3.3 (``pic_struct``).
"""

from collections.abc import Iterator
from fractions import Fraction
from typing import Literal

from av.filter import Graph
from av.filter.context import FilterContext
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

Parity = Literal["top", "bottom"]
_OTHER: dict[Parity, Parity] = {"top": "bottom", "bottom": "top"}
MOST_FIELDS_APART = Fraction(3, 2)
"""Lengths of a field between two that belong together."""
LEAST_FRAME_SAR = Fraction(4, 5)
"""Pixels that are narrower are those of fields: of the usual aspects of frames none is below 8/9, and half of
none but 2/1 is above 8/11."""


def is_woven(frame: VideoFrame, context: VideoCodecContext) -> bool:
    """Returns True for a frame of two fields that its decoder gave one by one."""
    return frame.interlaced_frame and frame.height == 2 * context.height


def aspect_in(frame: VideoFrame, sar: Fraction, context: VideoCodecContext) -> Fraction:
    """Returns width over height of a pixel of a frame; ``sar`` is of the frame, or of a field of it."""
    return 2 * sar if is_woven(frame, context) and sar < LEAST_FRAME_SAR else sar


class Weaver:
    """Takes frames in display order and puts fields together, each with the next one of the other lines.

    A field whose partner is missing gives a picture of its own lines, each twice. Frames whose flags do not
    change from one line to the other are no fields.
    """

    def __init__(self) -> None:
        self._parities: _Parities | None = None
        self._first: tuple[VideoFrame, Parity] | None = None
        self._are_fields: bool | None = None
        self._order: Parity | None = None

    def take(self, frame: VideoFrame) -> Iterator[VideoFrame]:
        """Yields the pictures that are whole with this frame."""
        if self._parities is not None and not self._parities.fits(frame):
            yield from self.finish()  # another film may begin, whose flags mean something else
            self._parities = self._are_fields = self._order = None
        if not frame.interlaced_frame or self._are_fields is False:
            yield from self.finish()
            yield frame
            return
        parity = self._parity(frame)
        if self._first is None:
            self._begin(frame, parity)
            yield from self.finish() if parity != self._order else ()
            return
        first, first_parity = self._first
        if self._are_fields is None:
            self._are_fields = parity != first_parity
        if parity != first_parity and _belongs(first, frame):
            self._first = None
            yield woven(first, frame, first_parity)
        else:
            yield from self.finish()
            yield from self.take(frame)

    def finish(self) -> Iterator[VideoFrame]:
        """Yields the last field, where it waits for a partner."""
        if self._first is None:
            return
        (field, parity), self._first = self._first, None
        yield woven(field, field, parity) if self._are_fields else field

    def _begin(self, field: VideoFrame, parity: Parity) -> None:
        """A frame begins with a field; which lines come first a key picture says."""
        self._first = field, parity
        self._order = parity if field.key_frame or self._order is None else self._order

    def _parity(self, frame: VideoFrame) -> Parity:
        if self._parities is None:
            self._parities = _Parities(frame)
        return self._parities.of(frame)


def woven(first: VideoFrame, second: VideoFrame, parity: Parity) -> VideoFrame:
    """Returns the frame of two fields; ``parity`` is that of the first, which gives the time and the tags.

    One of them that is damaged makes a damaged frame.
    """
    is_second = second.is_corrupt and not first.is_corrupt
    graph = Graph()
    graph.threads = 1
    # The filter takes what it does not weave from the field that it gets last.
    order = (first, second) if is_second else (second, first)
    weave = graph.add("weave", f"first_field={parity if is_second else _OTHER[parity]}")
    flag = graph.add("setfield", "tff" if parity == "top" else "bff")
    source = _buffer(graph, first)
    graph.link_nodes(source, weave, flag, graph.add("buffersink")).configure()
    for field in order:
        graph.vpush(field)
    made = graph.vpull()
    made.pts, made.dts = first.pts, first.dts
    if first.time_base is not None:
        made.time_base = first.time_base
    made.duration = first.duration + (second.duration if second is not first else first.duration)
    made.key_frame = first.key_frame  # pyright: ignore[reportAttributeAccessIssue] - the stub lacks its setter
    return made


def _belongs(first: VideoFrame, second: VideoFrame) -> bool:
    """Whether two fields of different lines are of one frame, which begins with a key picture if one does."""
    if (first.width, first.height, first.format.name) != (second.width, second.height, second.format.name):
        return False
    if second.key_frame and not first.key_frame:
        return False
    if first.pts is None or second.pts is None or not first.duration:
        return True
    return 0 < second.pts - first.pts <= MOST_FIELDS_APART * first.duration


class _Parities:
    """Tells fields of the first line from those of the second: PyAV does not."""

    def __init__(self, frame: VideoFrame) -> None:
        self._graph = Graph()
        self._graph.threads = 1
        self._size = frame.width, frame.height, frame.format.name
        self._source = _buffer(self._graph, frame)
        choice = self._graph.add("select", "n=2:e='if(eq(interlace_type,TOPFIRST),1,2)'")
        self._source.link_to(choice)
        self._sinks: dict[Parity, FilterContext] = {}
        for place, parity in enumerate(_OTHER):
            self._sinks[parity] = self._graph.add("buffersink")
            choice.link_to(self._sinks[parity], place)
        self._graph.configure()

    def fits(self, frame: VideoFrame) -> bool:
        """Whether a frame has the size and format of the first one."""
        return self._size == (frame.width, frame.height, frame.format.name)

    def of(self, frame: VideoFrame) -> Parity:
        """Returns the lines of a field."""
        self._source.push(frame)
        try:
            self._sinks["top"].pull()
        except BlockingIOError:
            self._sinks["bottom"].pull()
            return "bottom"
        return "top"


def _buffer(graph: Graph, frame: VideoFrame) -> FilterContext:
    return graph.add_buffer(
        width=frame.width,
        height=frame.height,
        format=frame.format,
        time_base=frame.time_base or Fraction(1, 1000),
    )

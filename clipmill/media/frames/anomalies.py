"""What is unusual about a video, and what was done with it, in words."""

from collections.abc import Iterator

from av.container import InputContainer
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.reformatter import ColorTrc
from av.video.stream import VideoStream

from clipmill.media.frames.orientation import orientation

_HIGH_RANGE = {ColorTrc.SMPTE2084: "PQ", ColorTrc.ARIB_STD_B67: "HLG"}


class Oddities:
    """Collects them, frame by frame; cheap, as every frame of every video comes by."""

    def __init__(self, container: InputContainer, stream: VideoStream) -> None:
        self._num_other_streams = _num_other_streams(container, stream)
        self._num_interlaced = 0
        self._resized: set[tuple[int, int]] = set()
        self._first: VideoFrame | None = None
        self._size_px = (0, 0)

    def begin_part(self) -> None:
        """Another of the video streams goes on where the one before ends: it is not left out."""
        self._num_other_streams -= 1

    def see(self, frame: VideoFrame) -> None:
        """The next frame."""
        if self._first is None:
            self._first, self._size_px = frame, (frame.width, frame.height)
        elif (frame.width, frame.height) != self._size_px and len(self._resized) < 8:
            self._resized.add((frame.width, frame.height))
        self._num_interlaced += frame.interlaced_frame

    @property
    def traits(self) -> tuple[str, ...]:
        """``hdr`` and ``interlaced``, where they apply."""
        is_hdr = self._first is not None and self._first.color_trc in _HIGH_RANGE
        found = {"hdr": is_hdr, "interlaced": self._num_interlaced > 0}
        return tuple(name for name, is_there in found.items() if is_there)

    def __str__(self) -> str:
        return "; ".join(self._sentences())

    def _sentences(self) -> Iterator[str]:
        if self._num_other_streams:
            yield f"{self._num_other_streams} more video streams were left out"
        if self._num_interlaced:
            yield f"{self._num_interlaced} interlaced frames were taken as decoded"
        if self._resized:
            width, height = self._size_px
            sizes = ", ".join(f"{w}x{h}" for w, h in sorted(self._resized))
            yield f"frames of {sizes} were scaled to the first frame's {width}x{height}"
        if self._first is not None:
            yield from _of_picture(self._first)


def _of_picture(frame: VideoFrame) -> Iterator[str]:
    if orientation(frame).is_mirrored:
        yield "mirrored as its display matrix asks"
    if frame.color_trc in _HIGH_RANGE:
        yield f"{_HIGH_RANGE[ColorTrc(frame.color_trc)]} was mapped to normal range in thumbnails and frames"


def _num_other_streams(container: InputContainer, stream: VideoStream) -> int:
    cover = Disposition.attached_pic
    return sum(
        other.index != stream.index and not other.disposition & cover for other in container.streams.video
    )

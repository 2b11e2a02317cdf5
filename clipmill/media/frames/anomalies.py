"""What is unusual about a video, and what was done with it, in words."""

from collections import Counter
from collections.abc import Iterator

from av.container import InputContainer
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from clipmill.media.frames.deinterlace import are_of_two_instants, is_combed
from clipmill.media.frames.orientation import orientation
from clipmill.media.frames.render import is_transparent
from clipmill.media.frames.side_tags import has_layers, named_tags
from clipmill.media.frames.tone_mapping import high_range
from clipmill.records import ShownAs

LOOKS, LOOK_EVERY, SELDOM = (12, 36), 48, 960
"""Frames that are looked at for combs: two in so many, and seldom those without the flag."""
TAGS_EVERY = 12
"""Frames between two looks at tags and transparency."""
MANY_COMBED = 0.1
"""Share of the frames looked at from which on a film without flags is called interlaced."""


class Oddities:
    """Collects them, frame by frame; cheap, as every frame of every video comes by."""

    def __init__(self, container: InputContainer, stream: VideoStream) -> None:
        self._high_ranges: set[str] = set()
        self._num_frames = 0
        self._tags = dict[str, None]()  # in the order in which they came
        self._has_layers = has_layers(stream)
        self._is_transparent = stream.metadata.get("alpha_mode") == "1"
        self._looks: Counter[tuple[bool, bool]] = Counter()  # (is flagged, is combed) of frames looked at
        self._doubted: VideoFrame | None = None
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
        size_px, is_flagged = (frame.width, frame.height), frame.interlaced_frame
        if self._first is None:
            self._first, self._size_px = frame, size_px
        elif size_px != self._size_px and len(self._resized) < 8:
            self._resized.add(size_px)
        self._num_interlaced += is_flagged
        if self._num_frames % TAGS_EVERY == 0:
            self._high_ranges |= {high_range(frame.color_trc)} - {""}
            self._is_transparent |= is_transparent(frame)
            self._tags.update(dict.fromkeys(named_tags(frame)))
        if self._doubted is not None:
            self._looks[False, are_of_two_instants(self._doubted, frame)] += 1
            self._doubted = None
        if self._num_frames % (LOOK_EVERY if is_flagged else SELDOM) in LOOKS and not frame.format.is_rgb:
            if (has_combs := is_combed(frame)) and not is_flagged:
                self._doubted = frame  # what follows tells fields from fine stripes
            else:
                self._looks[is_flagged, has_combs] += 1
        self._num_frames += 1

    @property
    def traits(self) -> tuple[str, ...]:
        """``hdr`` and ``interlaced``, where they apply."""
        found = {"hdr": bool(self._high_ranges), "interlaced": self._num_interlaced > 0}
        return tuple(name for name, is_there in found.items() if is_there)

    @property
    def shown(self) -> ShownAs:
        """How the first frame is shown."""
        first = self._first
        if first is None:
            return ShownAs()
        colours = first.color_range, first.colorspace, first.color_primaries, first.color_trc
        return ShownAs(
            *self._size_px, orientation(first).is_mirrored, tuple(int(number) for number in colours)
        )

    def __str__(self) -> str:
        return "; ".join(self._sentences())

    def _sentences(self) -> Iterator[str]:
        if self._num_other_streams:
            yield f"{self._num_other_streams} more video streams were left out"
        yield from self._of_fields()
        if self._resized:
            width, height = self._size_px
            sizes = ", ".join(f"{w}x{h}" for w, h in sorted(self._resized))
            yield f"frames of {sizes} were scaled to the first frame's {width}x{height}"
        if self._is_transparent:
            yield "its transparency was left out"
        if self._has_layers and not self._is_transparent:
            yield "another layer of its HEVC, a second view or transparency, was left out"
        yield from self._tags
        if self._first is not None and orientation(self._first).is_mirrored:
            yield "mirrored as its display matrix asks"
        if self._high_ranges:
            names = " and ".join(sorted(self._high_ranges))
            yield f"{names} was mapped to normal range in thumbnails and frames"

    def _of_fields(self) -> Iterator[str]:
        combed, whole = self._looks[True, True], self._looks[True, False]
        if self._num_interlaced and whole and not combed:
            yield (
                f"{self._num_interlaced} frames are flagged as interlaced, but none of {whole} looked at has "
                "combs"
            )
        elif self._num_interlaced:
            yield f"{self._num_interlaced} interlaced frames"
        combed, whole = self._looks[False, True], self._looks[False, False]
        if combed > max(1, MANY_COMBED * (combed + whole)):
            yield (
                f"{combed} of {combed + whole} frames looked at have combs and are not flagged as "
                "interlaced: they were taken as decoded"
            )


def _num_other_streams(container: InputContainer, stream: VideoStream) -> int:
    cover = Disposition.attached_pic
    return sum(
        other.index != stream.index and not other.disposition & cover for other in container.streams.video
    )

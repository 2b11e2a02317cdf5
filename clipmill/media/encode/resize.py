"""Applies a geometry to upright frames, and finds the black bars of a clip by looking at a few of them."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from av.filter import Graph
from av.video.frame import VideoFrame

from clipmill.media.decode.seek import ClipSource
from clipmill.media.frames.geometry import Geometry, Rect, fit, without_bars
from clipmill.media.frames.orient_filter import Upright
from clipmill.records import ClipSpan
from clipmill.stages.encode_options import EncodeOptions

NUM_LOOKS = 5
"""Key pictures looked at per clip: at its start and at every fifth of it."""


class Fitted:
    """Crops and scales upright yuv420p frames of one size."""

    def __init__(self, geometry: Geometry) -> None:
        self._geometry = geometry
        self._graph: Graph | None = None

    def __call__(self, frame: VideoFrame) -> VideoFrame:
        """The frame in the geometry's size, with its colour tags."""
        if self._graph is None:
            self._graph = _build(frame, self._geometry)
        tags = (frame.color_range, frame.colorspace, frame.color_primaries, frame.color_trc)
        self._graph.vpush(frame)
        fitted = self._graph.vpull()
        fitted.color_range, fitted.colorspace, fitted.color_primaries, fitted.color_trc = tags
        return fitted


def geometry_of(options: EncodeOptions, *, size: tuple[int, int], crop: Rect | None) -> Geometry | None:
    """The geometry that ``options`` asks for pictures of ``size`` (width, height); None for their own.

    ``crop`` is what of them is not black.
    """
    if not options.changes_size:
        return None
    whole = Rect(0, 0, *size)
    return fit(crop or whole, max_height=options.max_height, multiple_of=options.multiple_of or 2)


def find_crop(source: ClipSource, clip: ClipSpan) -> Rect | None:
    """What of a clip's upright pictures is not black throughout; None where they are too dark to tell."""
    return without_bars(_lumas(source, clip))


def _lumas(source: ClipSource, clip: ClipSpan) -> Iterator[np.ndarray]:
    """Luma of the key picture at or before each look, limited range, uint8 ``(H, W)``, of one size."""
    upright, shape, seen = Upright(), None, set[int | None]()
    for index in range(NUM_LOOKS):
        pts = clip.start_pts + (clip.end_pts - clip.start_pts) * index // NUM_LOOKS
        frame = next(source.frames_from(pts), None)
        if frame is None or frame.pts in seen:
            continue
        seen.add(frame.pts)
        luma = upright(frame).to_ndarray()[: upright(frame).height]
        shape = shape or luma.shape
        if luma.shape == shape:
            yield luma


def _build(frame: VideoFrame, geometry: Geometry) -> Graph:
    crop, (width, height), (kept_width, kept_height) = geometry.crop, geometry.scaled, geometry.size
    graph = Graph()
    nodes = [
        graph.add_buffer(
            width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base
        ),
        graph.add("crop", f"{crop.width}:{crop.height}:{crop.x}:{crop.y}:exact=1"),
        graph.add("scale", f"{width}:{height}:flags=area+accurate_rnd+full_chroma_int+bitexact"),
        graph.add(*_last_step((width, height), (kept_width, kept_height))),
        graph.add("buffersink"),
    ]
    for node, following in pairwise(nodes):
        graph.link_nodes(node, following)
    graph.configure()
    return graph


def _last_step(scaled: tuple[int, int], size: tuple[int, int]) -> tuple[str, str]:
    """Takes the middle, or puts black bars around a picture that is smaller."""
    if all(have >= wanted for have, wanted in zip(scaled, size, strict=True)):
        return "crop", f"{size[0]}:{size[1]}"
    return "pad", f"{size[0]}:{size[1]}:(ow-iw)/2:(oh-ih)/2"

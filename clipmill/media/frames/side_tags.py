"""What is attached to a frame, or to its stream, of how it is meant to be looked at.

Sources: libavutil's stereo3d.h, spherical.h and dovi_meta.h (layout and names); ITU-T H.265 7.3.2.1 (the
number of layers).
"""

from collections.abc import Iterator
from contextlib import suppress

from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from clipmill.media.bitstream.nal_units import HEVC_VPS, Framing
from clipmill.media.frames.orientation import side_data

_STEREO = {
    1: "side by side",
    2: "one above the other",
    3: "frame by frame",
    4: "as a checkerboard",
    5: "side by side",
    6: "line by line",
    7: "column by column",
    8: "in an order that is not known",
}
_SPHERES = {
    0: "equirectangular",
    1: "cube map",
    2: "equirectangular, a part",
    3: "half a sphere",
    5: "fisheye",
}
_HEADER_PLACE_BYTES, _PROFILE_AT, _FULL_RANGE_AT = 8, 4, 10
"""Of the metadata of Dolby Vision: where its header lies, and in it the profile and the range of values."""


def named_tags(frame: VideoFrame) -> Iterator[str]:
    """Yields sentences for tags of a frame that nothing here follows."""
    attached = side_data(frame)
    for key, names, words in (
        ("STEREO3D", _STEREO, "stereo 3D, two views {}, taken as one picture"),
        ("SPHERICAL", _SPHERES, "a spherical picture ({}), taken as it is stored"),
    ):
        data = attached.get(key)
        name = names.get(int.from_bytes(bytes(data)[:4], "little")) if data is not None else None
        if name is not None:
            yield words.format(name)
    if is_dolby_only(frame):
        yield "Dolby Vision without a base layer: its colours are wrong without its metadata, left out"


def is_dolby_only(frame: VideoFrame) -> bool:
    """Returns True for Dolby Vision whose pictures mean nothing without its metadata (profile 5)."""
    metadata = side_data(frame).get("DOVI_METADATA")
    if metadata is None:
        return False
    data = bytes(metadata)
    header = data[int.from_bytes(data[:_HEADER_PLACE_BYTES], "little") :]
    return header[_PROFILE_AT] == 0 and header[_FULL_RANGE_AT] == 1


def has_layers(stream: VideoStream) -> bool:
    """Returns True for HEVC with more layers than the one that is decoded: a second view, or transparency."""
    codec = stream.codec_context
    if codec.codec.canonical_name != "hevc":
        return False
    with suppress(ValueError, IndexError):  # extradata that is cut short
        sets = Framing("hevc", codec.extradata or b"").parameter_sets
        heads = (nal[2:4] for nal in sets if nal[0] >> 1 & 0x3F == HEVC_VPS)
        return any(int.from_bytes(head, "big") >> 4 & 0x3F for head in heads)
    return False

"""The filter that smooths the edges of blocks after a picture is decoded: a quarter of a decoder's work."""

from av.video.stream import VideoStream

_CODECS = frozenset({"h264", "hevc"})
"""Codecs whose filter FFmpeg can leave out; pictures that refer to such pictures drift until the next key
picture."""


def has_loop_filter(stream: VideoStream) -> bool:
    """Returns True for a stream whose loop filter can be left out."""
    return stream.codec_context.codec.canonical_name in _CODECS


def skip_loop_filter(stream: VideoStream) -> None:
    """Leave the filter out where that is possible; before the decoder is opened."""
    if has_loop_filter(stream):
        codec = stream.codec_context
        codec.options = {**codec.options, "skip_loop_filter": "all"}

"""Who decodes a video, and how: NVDEC where that is asked for and can, FFmpeg's decoder otherwise."""

from importlib.util import find_spec
from typing import Literal

from av.container import InputContainer
from av.video.stream import VideoStream

from clipmill.media.decode.nvdec import NvdecDecoder, NvdecFault
from clipmill.media.frames.decoders import Decode, decoder_of_stream
from clipmill.media.frames.missing_timestamps import true_times
from clipmill.media.types import ScanPlan
from clipmill.stages.decoder import Decoder

CPU: Literal["cpu"] = "cpu"
NVDEC: Literal["nvdec"] = "nvdec"
_HAVE_LOOP_FILTER = frozenset({"h264", "hevc"})
"""Codecs whose filter of block edges, a quarter of the work, FFmpeg can leave out; pictures that refer to
others then drift until the next key picture."""


def is_cpu(decoder: Decoder) -> bool:
    """Whether NVDEC is not tried: ``auto`` asks for it where its library is, as in the images for GPUs."""
    return decoder == CPU or (decoder == "auto" and find_spec("PyNvVideoCodec") is None)


def decoder_of(container: InputContainer, stream: VideoStream, plan: ScanPlan) -> tuple[Decode, str]:
    """What decodes packets, and who that is: ``nvdec``, ``cpu``, or ``cpu`` with why not the other."""
    if is_cpu(plan.decoder):
        return decoder_of_stream(stream), CPU
    try:
        _check(container, stream, plan)
        return NvdecDecoder(stream).decode, NVDEC
    except NvdecFault as fault:
        return decoder_of_stream(stream), in_place_of_nvdec(fault)


def in_place_of_nvdec(fault: NvdecFault) -> str:
    """Words for a video that FFmpeg's decoder took over."""
    return f"{CPU}: {fault}"


def _check(container: InputContainer, stream: VideoStream, plan: ScanPlan) -> None:
    """NvdecFault for what only FFmpeg's decoder can tell."""
    if plan.reads_vectors:
        raise NvdecFault("NVDEC gives no motion vectors")
    if true_times(container, stream) != "all":
        raise NvdecFault("the container stores no times, and NVDEC gives pictures only those of packets")


def has_loop_filter(stream: VideoStream) -> bool:
    """Returns True for a stream whose loop filter can be left out."""
    return stream.codec_context.codec.canonical_name in _HAVE_LOOP_FILTER


def skip_loop_filter(stream: VideoStream) -> None:
    """Leave the filter out where that is possible; before the decoder is opened."""
    if has_loop_filter(stream):
        codec = stream.codec_context
        codec.options = {**codec.options, "skip_loop_filter": "all"}

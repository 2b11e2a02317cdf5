"""Which videos are read."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from clipmill.stages.base import SPEED, StageSpec

VIDEO_SUFFIXES = (
    ".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".ts", ".m2ts", ".mts", ".mpg", ".mpeg",
    ".flv", ".wmv", ".3gp", ".ogv",
)  # fmt: skip


Decoder = Literal["auto", "cpu", "nvdec"]
ANY_DECODER: Decoder = "auto"


class VideoReader(StageSpec):
    """Lists the videos under a directory (recursively), one file, or a JSON list below ``input_video_path``.

    ``input_list_json_path`` names a JSON array of paths or URIs, each under ``input_video_path``; an entry
    outside it, a value that is no list, or an entry that is no string is an error naming the entry.
    ``video_limit`` keeps the first so many in listing order. ``decoder`` ``nvdec`` decodes on a GPU what its
    decoder can, and has Ray place the work there; ``auto`` where a worker has a GPU and PyNvVideoCodec; all
    else, and all on ``cpu``, is FFmpeg's.
    """

    stage_name: ClassVar[str] = "read"

    input_video_path: str = Field(min_length=1)
    input_list_json_path: str | None = None
    video_limit: Annotated[int | None, Field(ge=1), SPEED] = None
    decoder: Annotated[Decoder, SPEED] = ANY_DECODER

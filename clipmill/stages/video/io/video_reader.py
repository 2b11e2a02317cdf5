"""Which videos are read."""

import logging
from typing import Annotated, ClassVar

from pydantic import Field

from clipmill.stages.base import IGNORED, SPEED, Affects, Grain, Stage
from clipmill.stages.decoder import ANY_DECODER, Decoder, DecoderQuality, Deinterlace
from clipmill.stages.roles import ReaderStage, SourceOptions

_FIELDS = Affects("interlaced", reads=("frames", "motion", "measure", "source"), before="off")


class VideoReader(ReaderStage):
    """Lists the videos under a directory (recursively), one file, or a JSON list below ``input_video_path``.

    ``input_list_json_path`` names a JSON array of paths or URIs, each under ``input_video_path``; an entry
    outside it, a value that is no list, or an entry that is no string is an error naming the entry.
    ``metadata`` is a CSV or parquet file whose columns about the videos are ``source.*`` in every table.
    ``video_limit`` keeps the first so many in listing order. ``decoder`` ``nvdec`` decodes on a GPU what its
    decoder can, and has Ray place the work there; ``auto`` where a worker has a GPU and PyNvVideoCodec; all
    else, and all on ``cpu``, is FFmpeg's. ``deinterlace`` ``auto`` makes whole pictures, for stages and for
    encoded clips, of frames that are flagged as interlaced and show combs; ``off`` takes them as they are.
    ``decoder_quality`` ``draft`` decodes H.264 and HEVC without their loop filter, for stages only: a quarter
    less work, and pictures with edges of blocks. Clip files are always made from exact pictures.
    """

    name: ClassVar[str] = "read"

    input_video_path: str = Field(min_length=1)
    input_list_json_path: str | None = Field(default=None, min_length=1)
    metadata: str | None = Field(default=None, min_length=1)
    video_limit: Annotated[int | None, Field(ge=1), SPEED] = None
    decoder: Annotated[Decoder, SPEED] = ANY_DECODER
    deinterlace: Annotated[Deinterlace, _FIELDS] = "auto"
    decoder_quality: Annotated[DecoderQuality, Affects("loop_filter", reads=("decode",))] = "exact"

    def source(self) -> SourceOptions:
        return SourceOptions(
            path=self.input_video_path,
            list_json_path=self.input_list_json_path,
            limit=self.video_limit,
            decoder=self.decoder,
            deinterlace=self.deinterlace,
            decoder_quality=self.decoder_quality,
            metadata=self.metadata,
        )


class ClientPartitioningStage(ReaderStage):
    """NeMo Curator's reader of listings: the videos below ``file_paths``, or those that a JSON list names.

    ``limit`` keeps the first so many, ``file_extensions`` such as ``.mp4`` those files only.
    ``VideoReaderStage`` may stand behind it.
    """

    name: ClassVar[str] = "read"

    file_paths: str = Field(min_length=1)
    input_list_json_path: str | None = Field(default=None, min_length=1)
    limit: Annotated[int | None, Field(ge=1), SPEED] = None
    file_extensions: Annotated[list[str] | None, SPEED] = None
    files_per_partition: Annotated[int | None, IGNORED] = None
    blocksize: Annotated[int | str | None, IGNORED] = None
    storage_options: Annotated[dict[str, str] | None, IGNORED] = None

    def source(self) -> SourceOptions:
        endings = tuple(ending.lower() for ending in self.file_extensions or ())
        return SourceOptions(
            self.file_paths, self.input_list_json_path, self.limit, ANY_DECODER, endings=endings
        )


class FilePartitioningStage(ClientPartitioningStage):
    """The same under the name that NeMo Curator has for local files."""


class VideoReaderStage(Stage):
    """Reads what ``ClientPartitioningStage`` listed. A run reads by itself: the stage may be left out."""

    name: ClassVar[str] = "video_reader"
    grain: ClassVar[Grain] = "run"

    input_path: Annotated[str | None, IGNORED] = None

    @classmethod
    def log(cls) -> logging.Logger:
        """Returns the logger of the reader, which reads in its place."""
        return ClientPartitioningStage.log()

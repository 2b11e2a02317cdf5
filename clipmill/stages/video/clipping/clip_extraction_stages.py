"""Fixed-stride clips, and how clips become files."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from clipmill.stages.base import SPEED_ONLY, Cpus, StageSpec


class FixedStrideExtractorStage(StageSpec):
    """Clips of ``clip_len_s`` every ``clip_stride_s``; a last one shorter than ``min_clip_length_s`` is
    dropped.

    ``limit_clips`` caps the clips of one video; 0 means no limit.
    """

    stage_name: ClassVar[str] = "split_fixed_stride"

    clip_len_s: float = Field(default=10.0, gt=0)
    clip_stride_s: float = Field(default=10.0, gt=0)
    min_clip_length_s: float = Field(default=2.0, ge=0)
    limit_clips: int = Field(default=0, ge=0)


class ClipTranscodingStage(StageSpec):
    """How clips become files: ``libx264`` is exact to the frame, ``copy`` re-encodes nothing.

    ``copy`` starts at the first key picture inside the span (``file_start_s``); a span without one, or with
    less than the minimum clip length after it, is cut by ``libx264`` with ``mode_reason``. ``quality`` is the
    encoder's constant-quality value (x264: CRF 0..51, less is better); ``use_input_bit_rate`` replaces it by
    the source's bit rate. ``num_clips_per_chunk`` clips of 8 s are one chunk (256 s by default).
    """

    stage_name: ClassVar[str] = "encode"

    num_cpus_per_worker: Cpus = 6.0
    encoder: Literal["libx264", "copy"] = "libx264"
    encoder_threads: int = Field(default=1, ge=1, le=64)  # part of the result: x264's bytes depend on it
    encode_batch_size: Annotated[int, Field(ge=1), SPEED_ONLY] = 16
    nb_streams_per_gpu: Annotated[int, Field(ge=1), SPEED_ONLY] = 3
    use_hwaccel: Annotated[bool, SPEED_ONLY] = False
    use_input_bit_rate: bool = False
    num_clips_per_chunk: int = Field(default=32, ge=1)
    ffmpeg_verbose: Annotated[bool, SPEED_ONLY] = False
    preset: Literal[
        "ultrafast",
        "superfast",
        "veryfast",
        "faster",
        "fast",
        "medium",
        "slow",
        "slower",
        "veryslow",
        "placebo",
    ] = "veryfast"
    quality: int = Field(default=21, ge=0, le=51)

    @model_validator(mode="after")
    def _hwaccel_needs_a_gpu_encoder(self) -> Self:
        if self.use_hwaccel:
            raise ValueError(f"use_hwaccel needs a GPU encoder, got encoder {self.encoder!r}")
        if self.encoder == "copy" and self.use_input_bit_rate:
            raise ValueError("use_input_bit_rate needs an encoder, got encoder 'copy'")
        return self

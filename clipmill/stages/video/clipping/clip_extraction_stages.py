"""Fixed-stride clips, and how clips become files."""

from typing import Annotated, ClassVar, Literal, Self, get_args

from pydantic import Field, model_validator

from clipmill.stages.base import SPEED, Cpus, StageSpec


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


Preset = Literal[
    "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow", "placebo"
]  # fmt: skip
PRESETS: tuple[Preset, ...] = get_args(Preset)


class ClipTranscodingStage(StageSpec):
    """How clips become files: an encoder's are exact to the frame, ``copy`` re-encodes nothing.

    ``smart`` is exact too, in the source's codec: only the frames at both ends that cannot be copied are
    encoded, by libx264 or libx265; a span where that saves nothing is encoded, with ``mode_reason``. ``copy``
    starts at the first key picture inside the span (``file_start_s``); a span without one, or with less than
    the minimum clip length after it, is cut as ``smart`` does, with ``mode_reason``. ``preset`` and
    ``quality`` (0..51, less is better) are x264's for every encoder, which gets its own words for them;
    ``libopenh264`` has no presets. ``use_input_bit_rate`` or ``bit_rate_k`` (1024 bits a second) replace the
    quality. ``use_hwaccel`` decodes on the GPU too. ``num_clips_per_chunk`` clips of 8 s are one chunk (256 s
    by default).

    For training: ``crop_letterbox`` takes black bars off, ``max_height`` (pixels) scales down,
    ``multiple_of`` (pixels, even) keeps the middle that is one in both directions, ``target_fps`` puts frames
    on a grid of equal steps; ``strip_audio`` leaves the sound out.
    """

    stage_name: ClassVar[str] = "encode"
    STAGE_VERSION: ClassVar[int] = 3

    num_cpus_per_worker: Cpus = 6.0
    encoder: Literal["libx264", "libopenh264", "h264_nvenc", "libvpx-vp9", "libsvtav1", "smart", "copy"] = (
        "libx264"
    )
    encoder_threads: int = Field(default=1, ge=1, le=64)  # part of the result: x264's bytes depend on it
    encode_batch_size: Annotated[int, Field(ge=1), SPEED] = 16
    nb_streams_per_gpu: Annotated[int, Field(ge=1), SPEED] = 3
    use_hwaccel: Annotated[bool, SPEED] = False
    use_input_bit_rate: bool = False
    bit_rate_k: int | None = Field(default=None, ge=1)
    num_clips_per_chunk: int = Field(default=32, ge=1)
    ffmpeg_verbose: Annotated[bool, SPEED] = False
    preset: Preset = "veryfast"
    quality: int = Field(default=21, ge=0, le=51)
    crop_letterbox: bool = False
    max_height: int | None = Field(default=None, ge=16)
    multiple_of: int | None = Field(default=None, ge=2, le=256, multiple_of=2)
    target_fps: float | None = Field(default=None, gt=0, le=240)
    strip_audio: bool = False

    @property
    def changes_size(self) -> bool:
        """Whether clips may be smaller than the source's upright picture."""
        return self.crop_letterbox or self.max_height is not None or self.multiple_of is not None

    @property
    def encodes(self) -> bool:
        """Whether every clip goes through an encoder."""
        return self.encoder not in ("smart", "copy")

    @model_validator(mode="after")
    def _hwaccel_needs_a_gpu_encoder(self) -> Self:
        if self.use_hwaccel and self.encoder != "h264_nvenc":
            raise ValueError(f"use_hwaccel needs a GPU encoder (h264_nvenc), got encoder {self.encoder!r}")
        return self

    @model_validator(mode="after")
    def _options_suit_the_encoder(self) -> Self:
        if self.use_input_bit_rate and self.bit_rate_k is not None:
            raise ValueError("use_input_bit_rate and bit_rate_k exclude each other")
        if not self.encodes and (self.use_input_bit_rate or self.bit_rate_k is not None):
            name = "use_input_bit_rate" if self.use_input_bit_rate else "bit_rate_k"
            raise ValueError(f"{name} needs an encoder, got encoder {self.encoder!r}")
        if not self.encodes and (self.changes_size or self.target_fps is not None):
            asked = ("crop_letterbox", "max_height", "multiple_of", "target_fps")
            name = next(name for name in asked if getattr(self, name))
            raise ValueError(f"{name} needs an encoder, got encoder {self.encoder!r}")
        if self.encoder == "libopenh264" and self.preset != "veryfast":
            raise ValueError("libopenh264 has no presets; leave preset at its default")
        return self

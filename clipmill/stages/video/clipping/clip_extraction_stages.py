"""Fixed-stride clips, and how clips become files."""

import json
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, Self, get_args

import pyarrow as pa
from pydantic import Field, model_validator

from clipmill.records import CutClip
from clipmill.stages.base import (
    IGNORED,
    MIN_CLIP_S,
    SPEED,
    Affects,
    Artifact,
    Column,
    Cpus,
    Effect,
    Reads,
    Resources,
    StageContext,
)
from clipmill.stages.columns import ERRORS, SOUND
from clipmill.stages.decoder import Hdr
from clipmill.stages.encode_options import DEFAULT_ENCODER, AudioOptions, EncodeOptions, EncoderName, Preset
from clipmill.stages.roles import ClipRules, EncoderStage, ExtractorStage, record_of

AUDIO_ERROR = "sound"
"""Name of the error of a clip whose sound is lost."""
STATUS_DOC = (
    "`copied`, `encoded`, `repaired` (times mended, or silence in place of what is damaged or missing), "
    "`partial` (a part of the clip has none), `lost` (the source has sound, the clip has none) or `none`"
)
REASON_DOC = "why its sound is not the source's packets as they are; else empty"
HDR_DOC = (
    "high dynamic range: `tone_mapped` to BT.709, `kept` in 10 bits, `copied`, `wrong_colours` (Dolby Vision "
    "without a base layer), or `none` in the source"
)
FIELDS_DOC = (
    "interlaced frames: `deinterlaced`, `left` as they are (no combs, `deinterlace: off`, or copied), "
    "or `none` in the source"
)
_OF_THE_CUT = (
    "clip_mode", "mode_reason", "file_start_s", "width", "height", "framerate", "num_frames", "num_bytes",
    "video_codec", "has_audio",
)  # fmt: skip
"""Columns that are fields of ``CutClip``."""
CROP_COLUMNS = ("crop_x", "crop_y", "crop_width", "crop_height")


SUPPORTED_ENCODERS = get_args(EncoderName)
"""What ``ClipTranscodingStage`` takes; ``smart`` and ``copy`` encode little or nothing."""

MAX_OVERLAP = 1000
"""Most clips that one picture may be in."""


class FixedStrideExtractorStage(ExtractorStage):
    """Clips of ``clip_len_s`` every ``clip_stride_s``; a last one shorter than ``min_clip_length_s`` is
    dropped.

    ``limit_clips`` caps the clips of one video; 0 means no limit.
    """

    name: ClassVar[str] = "fixed_stride"

    clip_len_s: float = Field(default=10.0, ge=MIN_CLIP_S)
    clip_stride_s: float = Field(default=10.0, ge=MIN_CLIP_S)
    min_clip_length_s: float = Field(default=2.0, ge=0)
    limit_clips: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _lengths_fit(self) -> Self:
        if self.min_clip_length_s > self.clip_len_s:
            raise ValueError(
                f"min_clip_length_s {self.min_clip_length_s:g} exceeds clip_len_s {self.clip_len_s:g}: "
                "no clip fits"
            )
        if self.clip_len_s > MAX_OVERLAP * self.clip_stride_s:
            raise ValueError(
                f"clip_len_s {self.clip_len_s:g} is more than {MAX_OVERLAP} times clip_stride_s "
                f"{self.clip_stride_s:g}: every picture would be in as many clips"
            )
        return self

    def clip_rules(self) -> ClipRules:
        """Returns the grid on which clips lie."""
        return ClipRules(
            min_length_s=self.min_clip_length_s,
            max_length_s=self.clip_len_s,
            stride_s=self.clip_stride_s,
            limit_clips=self.limit_clips,
        )

    def finder(self, context: StageContext | None = None) -> None:
        """Returns None: clips by the clock need no cuts."""


def file_row(cut: CutClip, *, clip_uri: str, clip_digest: str) -> dict[str, object]:
    """Returns the columns of an encoded clip; those of the crop are null if the clip shows the whole picture.

    ``clip_digest`` is the SHA-256 of the file, ``clip_uri`` its path relative to the output.
    """
    return {
        "clip_uri": clip_uri,
        "clip_digest": clip_digest,
        **{name: getattr(cut, name) for name in _OF_THE_CUT},
        "audio_status": cut.sound.status,
        "audio_reason": cut.sound.reason,
        "audio_errors": json.dumps({AUDIO_ERROR: cut.sound.reason}) if cut.sound.status == "lost" else None,
        "hdr_status": cut.pictures.hdr,
        "deinterlace_status": cut.pictures.fields,
        **dict(zip(CROP_COLUMNS, cut.crop or (None,) * 4, strict=True)),
    }


class ClipTranscodingStage(EncoderStage):
    """How clips become files: an encoder's are exact to the frame, ``copy`` re-encodes nothing.

    ``smart`` is exact too, in the source's codec: only the frames at both ends that cannot be copied are
    encoded, by libx264 or libx265; a span where that saves nothing is encoded, with ``mode_reason``. ``copy``
    starts at the first key picture inside the span (``file_start_s``); a span without one, or with less than
    the minimum clip length after it, is cut as ``smart`` does, with ``mode_reason``. ``preset`` and
    ``quality`` (0..51, less is better) are x264's for every encoder, which gets its own words for them;
    ``libopenh264`` has no presets. ``use_input_bit_rate`` or ``bit_rate_k`` (1024 bits a second) replace the
    quality. ``use_hwaccel`` decodes on the GPU too; ``nb_streams_per_gpu`` workers share one.
    ``num_clips_per_chunk`` clips of 8 s are one chunk (256 s by default).

    For training: ``crop_letterbox`` takes black bars off, ``max_height`` (pixels) scales down,
    ``multiple_of`` (pixels, even) keeps the middle that is one in both directions, ``target_fps`` puts frames
    on a grid of equal steps; ``strip_audio`` leaves the sound out. ``audio`` says which tracks
    clips hold, and how (``AudioOptions``). ``hdr`` ``tone_map`` maps PQ and HLG to BT.709 in clips that are
    encoded, ``keep`` encodes them in 10 bits with their tags (libx264, libsvtav1, a libvpx-vp9 that can).
    """

    name: ClassVar[str] = "encode"
    version: ClassVar[int] = 3
    on_failure: ClassVar[Literal["keep", "drop"]] = "drop"
    failure_reason: ClassVar[str] = "encode_failed"
    writes: ClassVar[tuple[Column, ...]] = (
        Column("clip_uri", pa.string(), "path of the clip's file", json="clip_location", role="file"),
        Column("clip_digest", pa.string(), "SHA-256 of the file", role="digest"),
        Column("clip_mode", pa.string(), "`encode`, `smart` (only the ends were encoded) or `copy`"),
        Column("mode_reason", pa.string(), "why another mode than the one asked for; else empty"),
        Column("file_start_s", pa.float64(), "source time of the file's first frame, in seconds"),
        Column("width", pa.int32(), "width of the file's pictures, in pixels", json="width", rank="desc"),
        Column("height", pa.int32(), "height of the file's pictures, in pixels", json="height", rank="desc"),
        Column("framerate", pa.float64(), "average frames a second of the file", json="framerate"),
        Column("num_frames", pa.int64(), "frames of the file", json="num_frames"),
        Column("num_bytes", pa.int64(), "size of the file, in bytes", json="num_bytes", role="size"),
        Column("video_codec", pa.string(), "codec of the file", json="video_codec"),
        Column("has_audio", pa.bool_(), "whether the file has sound"),
        Column("audio_status", pa.string(), STATUS_DOC, json="audio_status", role=SOUND),
        Column("audio_reason", pa.string(), REASON_DOC, json="audio_reason"),
        Column("audio_errors", pa.string(), "JSON of the error of lost sound", role=ERRORS, table="state"),
        Column("hdr_status", pa.string(), HDR_DOC),
        Column("deinterlace_status", pa.string(), FIELDS_DOC),
        Column("crop_x", pa.int32(), "left edge of the part shown, in pixels of the upright source"),
        Column("crop_y", pa.int32(), "upper edge of the part shown, in pixels of the upright source"),
        Column("crop_width", pa.int32(), "width of the part shown, in pixels of the upright source"),
        Column("crop_height", pa.int32(), "height of the part shown, in pixels of the upright source"),
    )
    artifacts: ClassVar[tuple[Artifact, ...]] = (Artifact("file", "clips/{clip_id}{suffix}"),)

    num_cpus_per_worker: Cpus = 6.0
    encoder: EncoderName = DEFAULT_ENCODER
    encoder_threads: int = Field(default=1, ge=1, le=64)  # part of the result: x264's bytes depend on it
    encode_batch_size: Annotated[int, Field(ge=1), SPEED] = 16
    nb_streams_per_gpu: Annotated[int, Field(ge=1), SPEED] = 3
    use_hwaccel: Annotated[bool, SPEED] = False
    use_input_bit_rate: bool = False
    bit_rate_k: int | None = Field(default=None, ge=1, le=1_000_000)
    num_clips_per_chunk: int = Field(default=32, ge=1)
    ffmpeg_verbose: Annotated[bool, IGNORED] = False
    ray_data_num_cpus: Annotated[float | None, IGNORED] = None
    preset: Preset = "veryfast"
    quality: int = Field(default=21, ge=0, le=51)
    crop_letterbox: bool = False
    max_height: int | None = Field(default=None, ge=16)
    multiple_of: int | None = Field(default=None, ge=2, le=256, multiple_of=2)
    target_fps: float | None = Field(default=None, ge=0.1, le=240)
    strip_audio: Annotated[bool, Affects("sound")] = False
    audio: Annotated[AudioOptions, Affects("sound")] = AudioOptions()
    hdr: Annotated[Hdr, Affects("hdr", before="as coded")] = "tone_map"

    def reads(self) -> Reads:
        """Returns the source's own file: clips are cut from its pictures and sound."""
        return Reads(source=True)

    def resources(self) -> Resources:
        """Returns the cores of one worker, and its part of a GPU that encodes."""
        gpus = 1 / self.nb_streams_per_gpu if self.encoder == "h264_nvenc" else 0.0
        return Resources(cpus=self.num_cpus_per_worker, gpus=gpus, batch_items=self.encode_batch_size)

    def effects(self) -> tuple[Effect, ...]:
        """Returns what options change; clips also end at the pauses of the track that they carry."""
        found, track = super().effects(), self.options().pauses_track
        return found if track is None else (*found, Effect(f"audio.track={track}", "sound", ("pauses",)))

    def options(self) -> EncodeOptions:
        return record_of(EncodeOptions, self)

    def row(self, cut: CutClip, *, clip_uri: str, clip_digest: str) -> Mapping[str, object]:
        """Returns the columns of an encoded clip, by ``file_row``."""
        return file_row(cut, clip_uri=clip_uri, clip_digest=clip_digest)

    @property
    def clips_per_chunk(self) -> int:
        return self.num_clips_per_chunk

    @model_validator(mode="after")
    def _hwaccel_needs_a_gpu_encoder(self) -> Self:
        if self.use_hwaccel and self.encoder != "h264_nvenc":
            raise ValueError(f"use_hwaccel needs a GPU encoder (h264_nvenc), got encoder {self.encoder!r}")
        return self

    @model_validator(mode="after")
    def _options_suit_the_encoder(self) -> Self:
        options = self.options()
        if self.use_input_bit_rate and self.bit_rate_k is not None:
            raise ValueError("use_input_bit_rate and bit_rate_k exclude each other")
        if not options.encodes and (self.use_input_bit_rate or self.bit_rate_k is not None):
            name = "use_input_bit_rate" if self.use_input_bit_rate else "bit_rate_k"
            raise ValueError(f"{name} needs an encoder, got encoder {self.encoder!r}")
        if not options.encodes and (options.changes_size or self.target_fps is not None):
            asked = ("crop_letterbox", "max_height", "multiple_of", "target_fps")
            name = next(name for name in asked if getattr(self, name))
            raise ValueError(f"{name} needs an encoder, got encoder {self.encoder!r}")
        if self.hdr == "keep" and self.encoder in ("libopenh264", "h264_nvenc"):
            raise ValueError(f"hdr: keep needs 10 bits, which encoder {self.encoder!r} has not")
        if self.encoder == "libopenh264" and self.preset != "veryfast":
            raise ValueError("libopenh264 has no presets; leave preset at its default")
        return self

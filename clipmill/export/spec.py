"""The parameters of an export: which samples, which shape, which format. Impossible ones do not construct."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from clipmill import identity
from clipmill.export.shape.frame_rules import At, FrameRule
from clipmill.export.shape.sizes import Fit, parse_size
from clipmill.stages.base import Spec
from clipmill.stages.fault_words import checked
from clipmill.stages.spec import SPEED


@dataclass(frozen=True)
class Preset:
    """Frames, rate and sides of a model's training samples; ``source`` says where and when that was read."""

    frames: str
    fps: float | None
    multiple: int | None
    source: str


PRESETS: dict[str, Preset] = {
    "ltx": Preset(
        frames="8n+1",
        fps=None,
        multiple=32,
        source="Lightricks/LTX-2, packages/ltx-trainer/docs/dataset-preparation.md, 2026-11-30",
    ),
    "wan": Preset(
        frames="4n+1",
        fps=16.0,
        multiple=16,
        source="kohya-ss/musubi-tuner, docs/dataset_config.md, 2026-11-30",
    ),
    "hunyuan": Preset(
        frames="4n+1",
        fps=24.0,
        multiple=16,
        source="kohya-ss/musubi-tuner, docs/dataset_config.md, 2026-11-30",
    ),
    "cosmos": Preset(
        frames="94",  # 93 of them, from one that it draws; a shorter video ends its training
        fps=None,
        multiple=None,
        source="nvidia-cosmos/cosmos-predict2, cosmos_predict2/data/dataset_video.py, 2026-11-30",
    ),
}


FormatName = Literal["webdataset", "lance", "hf", "ltx", "musubi", "diffusion-pipe", "cosmos"]
Unit = Literal["auto", "clip", "window"]
Need = Literal["caption", "embedding", "audio"]
Buckets = Literal["none", "size", "cosmos"]
PresetName = Literal["", "ltx", "wan", "hunyuan", "cosmos"]

GIGABYTE = 10**9
_PLAIN_VIDEO: frozenset[str] = frozenset({"ltx", "musubi", "diffusion-pipe", "cosmos"})
"""Formats whose trainers read a video from its first frame on, and know nothing else of it."""
_NEED_TEXT = frozenset({"ltx", "musubi", "cosmos"})
"""Formats in which a sample without text cannot be written."""
_FRAME_BUCKETS = "17,33,49,65,81,97,113,129"
"""Of diffusion-pipe, which takes lengths and no formula; all are 4n+1 and 8n+1."""
_OWN_PRESETS: dict[str, PresetName] = {
    "ltx": "ltx",
    "musubi": "wan",
    "diffusion-pipe": "wan",
    "cosmos": "cosmos",
}


class ExportSpec(Spec):
    """What an export holds.

    ``unit`` ``auto`` makes a sample of each window where a clip has more than one and the format can say
    which frames it means. ``require`` leaves out samples that lack something, counted. ``caption`` names the
    column of the text. ``metadata`` is a CSV or parquet file about sources, whose columns are ``source.*``.

    ``frames`` (``8n+1`` or ``33,65,97``), ``at``, ``fps``, ``size`` or ``multiple`` say what a sample's video
    is: without ``materialize`` they choose and describe clips, with it they are cut and encoded. ``preset``
    fills in frames, rate and multiple of a model.
    """

    stage_name: ClassVar[str] = "export"

    format: FormatName = "webdataset"
    snapshot: str = ""
    unit: Unit = "auto"
    require: tuple[Need, ...] = ()
    caption: str = ""
    embeddings: tuple[str, ...] | None = None
    artifacts: tuple[str, ...] = ()
    metadata: str = ""
    buckets: Buckets = "none"
    preset: PresetName = ""
    frames: str = ""
    at: At = "first"
    fps: Annotated[float, Field(gt=0, le=240)] | None = None
    size: str = ""
    multiple: Annotated[int, Field(ge=2, le=512)] | None = None
    fit: Fit = "crop"
    upscale: bool = False
    materialize: bool = False
    seed: Annotated[int, Field(ge=0, lt=1 << 32)] = 0
    max_shard_bytes: Annotated[int, Field(ge=1 << 16)] = GIGABYTE
    max_shard_samples: Annotated[int, Field(ge=1)] = 10_000
    min_shards: Annotated[int, Field(ge=1, le=100_000)] = 1
    text_embeddings: str = ""
    videos: Literal["bytes", "uri"] = "bytes"
    workers: Annotated[int, Field(ge=1, le=64), SPEED] = 4

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.frames:
            FrameRule.parse(self.frames)
        if self.size:
            parse_size(self.size)
        if self.size and self.multiple:
            raise ValueError("size and multiple exclude each other: give one of them")
        if self.buckets == "cosmos" and self.format != "webdataset":
            raise ValueError("buckets cosmos is a layout of webdataset")
        if bool(self.text_embeddings) != (self.buckets == "cosmos"):
            raise ValueError(
                "buckets cosmos and text_embeddings go together: name the folder of T5-XXL embeddings, "
                "<sample id>.pickle each; for samples without them take buckets size"
            )
        if self.upscale and not (self.materialize and self.size):
            raise ValueError("upscale needs materialize and size: copied clips stay as they are")
        return self._fit_the_format()

    def _fit_the_format(self) -> Self:
        if self.format not in _PLAIN_VIDEO or self.materialize:
            return self
        if self.unit == "window":
            raise ValueError(f"{self.format} reads whole files: unit window needs materialize")
        if self.at != "first":
            raise ValueError(
                f"{self.format} reads files from their first frame: at {self.at} needs materialize"
            )
        return self

    @property
    def needs(self) -> tuple[str, ...]:
        """What a sample must have, by the user's word or by the format's."""
        own = ("caption",) if self.format in _NEED_TEXT else ()
        return tuple(dict.fromkeys((*self.require, *own)))

    @property
    def prefers_windows(self) -> bool:
        """True if a clip with several windows becomes several samples."""
        if self.unit != "auto":
            return self.unit == "window"
        return self.format not in _PLAIN_VIDEO or self.materialize

    @property
    def resolved(self) -> "ExportSpec":
        """The spec with the values of its preset, or of the preset of its format; own values stay."""
        name = self.preset or _OWN_PRESETS.get(self.format, "")
        if not name or (name != self.preset and (self.frames or self.fps)):
            return self
        preset = PRESETS[name]
        is_own_size = bool(self.size or self.multiple)
        values = {
            "preset": name,
            "frames": self.frames or (_FRAME_BUCKETS if self.format == "diffusion-pipe" else preset.frames),
            "fps": self.fps or preset.fps,
            "multiple": self.multiple if is_own_size else preset.multiple,
        }
        return self.model_copy(update=values)

    @property
    def frame_rule(self) -> FrameRule | None:
        """The rule of ``frames``."""
        return FrameRule.parse(self.frames) if self.frames else None

    @property
    def options_digest(self) -> str:
        """Tells two exports apart: all that changes their files, without the snapshot."""
        fields = self.model_dump(mode="json", exclude={"snapshot", "workers"})
        return identity.stage_digest(self.stage_name, 1, fields)


def export_spec(fields: dict[str, object]) -> ExportSpec:
    """Returns the resolved spec of named values. SpecError in one line."""
    return checked(ExportSpec, fields).resolved

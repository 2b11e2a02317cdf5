"""Frames sampled from clips, or from whole videos."""

from enum import Enum
from typing import ClassVar, Literal

from pydantic import Field, field_validator

from clipmill.stages.base import Cpus, StageSpec


class FrameExtractionPolicy(Enum):
    """Which frames of a clip: all on the time grid, or the middle one."""

    MIDDLE = "middle"
    SEQUENCE = "sequence"


class FramePurpose(Enum):
    """What the frames are for; each purpose has its own rate."""

    AESTHETICS = "aesthetics"
    EMBEDDINGS = "embeddings"


PURPOSE_FPS = {FramePurpose.AESTHETICS: 1.0, FramePurpose.EMBEDDINGS: 2.0}


def frame_signature(policy: FrameExtractionPolicy, fps: float) -> str:
    """Key of ``Clip.extracted_frames``, as the documents write it: ``sequence-2000`` is 2 frames a second."""
    return f"{policy.value}-{int(fps * 1000)}"


class ClipFrameExtractionStage(StageSpec):
    """Samples frames on a fixed time grid, resized once to ``target_height_px`` (never enlarged).

    ``target_fps`` overrides the rates of ``extract_purposes``; with neither, 2 frames a second. ``target``
    says whether the frames of clips or of the whole video are kept; ``write`` stores them as JPEG under
    ``frames/``.
    """

    stage_name: ClassVar[str] = "frames"

    # Lists where tuples would do: Flyte's type engine knows no tuples.
    extraction_policies: list[FrameExtractionPolicy] = Field(
        default_factory=lambda: [FrameExtractionPolicy.SEQUENCE]
    )
    extract_purposes: list[FramePurpose] = Field(default_factory=list[FramePurpose])
    target_fps: list[float] = Field(default_factory=list[float])
    target_height_px: int = Field(default=240, ge=16, le=4320)
    target: Literal["clips", "videos"] = "clips"
    write: bool = False
    num_cpus: Cpus = 3.0

    @field_validator("extract_purposes", "target_fps", mode="before")
    @classmethod
    def _none_is_no_choice(cls, chosen: object) -> object:
        return [] if chosen is None else chosen

    @field_validator("target_fps")
    @classmethod
    def _positive(cls, fps: list[float]) -> list[float]:
        if any(rate <= 0 for rate in fps):
            raise ValueError(f"target_fps must be greater than 0, got {fps}")
        return fps

    @field_validator("extraction_policies")
    @classmethod
    def _some_policy(cls, policies: list[FrameExtractionPolicy]) -> list[FrameExtractionPolicy]:
        if not policies:
            raise ValueError("extraction_policies is empty")
        return policies

    @property
    def rates_fps(self) -> tuple[float, ...]:
        """The rates asked for, ascending, each once."""
        rates = self.target_fps or [PURPOSE_FPS[purpose] for purpose in self.extract_purposes]
        return tuple(sorted(set(rates or (PURPOSE_FPS[FramePurpose.EMBEDDINGS],))))

"""Clips from shots, found by content on the 48x27 stream; and NeMo Curator's rules from shots to clips."""

from typing import ClassVar, Self

from pydantic import Field, model_validator

from clipmill.shots.content import ContentCutFinder, ContentOptions
from clipmill.stages.base import MIN_CLIP_S, Reads, StageContext
from clipmill.stages.clip_rules import ClipRules, MaxLengthMode
from clipmill.stages.roles import ExtractorStage, record_of


class ShotClipRules(ExtractorStage, abstract=True):
    """From shots to clips: NeMo Curator's post-filter, shared by every shot detector.

    ``crop_s`` comes off each end of a shot once, before ``max_length_s``; ``max_length_mode`` ``stride`` cuts
    a long shot into consecutive clips, ``truncate`` keeps its beginning; ``entire_scene_as_clip`` makes a
    video without cuts one shot. ``limit_clips`` caps the clips of one video when positive. None turns a
    length rule off. ``snap_to_silence`` ends a clip that ``max_length_s`` would end inside a word at the last
    pause of the second before, if there is one.
    """

    min_length_s: float | None = Field(default=2.0, gt=0)
    max_length_s: float | None = Field(default=10.0, ge=MIN_CLIP_S)
    max_length_mode: MaxLengthMode = "stride"
    crop_s: float | None = Field(default=0.5, ge=0)
    entire_scene_as_clip: bool = True
    limit_clips: int = Field(default=-1, ge=-1)
    snap_to_silence: bool = False

    @model_validator(mode="after")
    def _lengths_fit(self) -> Self:
        if self.min_length_s and self.max_length_s and self.min_length_s > self.max_length_s:
            raise ValueError(
                f"min_length_s {self.min_length_s} exceeds max_length_s {self.max_length_s}: no clip fits"
            )
        return self

    def clip_rules(self) -> ClipRules:
        return ClipRules(
            min_length_s=self.min_length_s,
            max_length_s=self.max_length_s,
            max_length_mode=self.max_length_mode,
            crop_s=self.crop_s or 0.0,
            entire_scene_as_clip=self.entire_scene_as_clip,
            limit_clips=max(0, self.limit_clips),
            snap_to_silence=self.snap_to_silence,
        )

    def reads(self) -> Reads:
        """Returns the small stream of every frame, in which shots are found."""
        return Reads(thumbnails=True)


class ContentClipExtractionStage(ShotClipRules):
    """Shots found by content alone, without weights.

    A frame whose probability of being the first of a shot is over ``threshold`` starts one; lower values find
    more cuts, and take more whip pans and objects close to the lens for cuts. Of cuts fewer than
    ``min_shot_frames`` apart only the likeliest counts. ``gradual_threshold`` is the same for dissolves and
    fades: lower values find faint ones and those of moving pictures, and take slow pans over blurred
    backgrounds for dissolves. ``find_gradual`` off saves a part of the detector's time.
    """

    name: ClassVar[str] = "content"
    version: ClassVar[int] = 5

    threshold: float = Field(default=0.5, gt=0, lt=1)
    min_shot_frames: int = Field(default=3, ge=1)
    find_gradual: bool = True
    gradual_threshold: float = Field(default=0.2, gt=0, lt=1)

    def detector_options(self) -> ContentOptions:
        """Returns the thresholds of the detector."""
        return record_of(ContentOptions, self)

    def finder(self, context: StageContext | None = None) -> ContentCutFinder:
        """Returns a finder of cuts for one video; it needs no context."""
        del context
        return ContentCutFinder(self.detector_options())

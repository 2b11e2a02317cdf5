"""Animated previews of windows."""

from typing import ClassVar

from pydantic import Field

from clipmill.stages.base import Cpus, StageSpec


class PreviewStage(StageSpec):
    """One animated WebP per window: ``target_fps`` frames a second, ``target_height`` pixels high.

    Clips that a filter rejects have previews too: a person judges the filter by them. ``compression_level``
    is WebP's effort (0 fast .. 6 small), ``quality`` 0..100. A source below the rate or the height logs a
    warning; a preview that fails is logged with its cause and the clip stays.
    """

    stage_name: ClassVar[str] = "preview"

    target_fps: float = Field(default=1.0, gt=0, le=60)
    target_height: int = Field(default=240, ge=16, le=2160)
    compression_level: int = Field(default=6, ge=0, le=6)
    quality: int = Field(default=50, ge=0, le=100)
    num_cpus_per_worker: Cpus = 4.0

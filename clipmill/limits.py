"""Bounds on the work that one video may cost."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from clipmill.records import SourceLimits
from clipmill.stages.spec import SPEED, Spec


class LimitsSpec(Spec):
    """Bounds that keep one video from costing the run; what exceeds them is rejected by name, or waits.

    ``max_work_per_run`` is estimated decode work in megapixel-seconds of one run; what is left is
    ``pending``.
    """

    stage_name: ClassVar[str] = "limits"

    max_pixels: int = Field(default=SourceLimits.max_pixels, ge=1)
    max_duration_s: float = Field(default=SourceLimits.max_duration_s, gt=0)
    max_size_bytes: int = Field(default=SourceLimits.max_size_bytes, ge=1)
    max_framerate: float = Field(default=SourceLimits.max_framerate, gt=0)
    """Frames for each second shown, over a whole video: what bounds the work and the disk of a short one."""
    decode_timeout_s: Annotated[float, Field(gt=0, le=1e6), SPEED] = 60.0
    """Fixed part of the time one video may take; the rest grows with its megapixel-seconds."""
    decode_stall_s: Annotated[float, Field(gt=0, le=1e6), SPEED] = 60.0
    """Longest time without one more decoded frame."""
    max_child_bytes: Annotated[int, Field(ge=512 << 20), SPEED] = 4 << 30
    """Address space of a codec process; its libraries alone take about 450 MiB of it."""
    isolation: Annotated[Literal["process", "none"], SPEED] = "process"
    """``none`` runs codecs in the worker itself, for a debugger: a crash there ends the run."""
    max_attempts: Annotated[int, Field(ge=1, le=100), SPEED] = 2
    max_failed_runs: Annotated[int, Field(ge=1, le=1000), SPEED] = 3
    """Runs in which an item fails while its stage works on others; then the failure is final."""
    max_failed_ratio: Annotated[float, Field(gt=0, le=1), SPEED] = 0.5
    """Share of the videos that may fail for passing reasons; a run with more of them ends as stopped. Above a
    half, the fault is rarely in the files: a wrong key, a full disk, a limit that fits no video."""
    max_work_per_run: Annotated[float | None, Field(gt=0), SPEED] = None
    lease_hours: Annotated[float, Field(gt=0), SPEED] = 24.0
    """Under Flyte, time without any task of the run at work after which another run takes the output over."""

    @property
    def of_source(self) -> SourceLimits:
        """Returns the bounds that are checked while a video is read."""
        return SourceLimits(self.max_pixels, self.max_duration_s, self.max_size_bytes, self.max_framerate)

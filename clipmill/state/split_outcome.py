"""What the scan of one video found: its shots, clips and dropped stretches, or why it was rejected."""

from dataclasses import dataclass

from clipmill.media.types import DamagedFrames, ScanFacts
from clipmill.records import ClipSpan, DroppedSpan, Shot
from clipmill.stages.worker import Failed


@dataclass(frozen=True)
class TimedShot:
    """A shot with its times; ``gradual_*_s`` are the ends of the transition before it, if any."""

    shot: Shot
    start_pts: int
    end_pts: int
    start_s: float
    end_s: float
    gradual_start_s: float | None
    gradual_end_s: float | None


@dataclass(frozen=True)
class TimedDrop:
    """A stretch in no clip, with its times."""

    dropped: DroppedSpan
    start_s: float
    end_s: float


@dataclass(frozen=True)
class TimedDamage:
    """Damaged frames, and the time of the first."""

    damaged: DamagedFrames
    start_s: float


@dataclass(frozen=True)
class SplitOutcome:
    """The split of one video, or why it has none; ``facts`` of a video that is too short are there too."""

    facts: ScanFacts | None = None
    failed: Failed | None = None
    detector: str = ""
    shots: tuple[TimedShot, ...] = ()
    clips: tuple[ClipSpan, ...] = ()
    dropped: tuple[TimedDrop, ...] = ()
    damaged: tuple[TimedDamage, ...] = ()

"""What crosses an operator boundary: URIs, spans, scores and small frames, never pixels of a source."""

import pickle
from dataclasses import dataclass, field, replace

from clipmill.media.contracts import ScanFacts
from clipmill.records import ClipSpan, DroppedSpan, Shot, VideoReason, WorkItem
from clipmill.video import VideoTask

MAX_ROW_BYTES = 64 << 20
FRAME_BUDGET_BYTES = 24 << 20
"""Sampled frames of one chunk; what else a row holds stays far below the rest of ``MAX_ROW_BYTES``."""


@dataclass(frozen=True)
class StageMetric:
    """One operator's work on one chunk, in seconds; ``started_s`` and ``ended_s`` are wall-clock time."""

    operator: str
    video_id: str
    chunk_index: int
    started_s: float
    ended_s: float
    cpu_s: float
    detail: str = ""


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
class SplitOutcome:
    """What the scan of one video found: its split, or why it was rejected."""

    facts: ScanFacts | None = None
    reason: VideoReason | None = None
    message: str = ""
    detector: str = ""
    shots: tuple[TimedShot, ...] = ()
    clips: tuple[ClipSpan, ...] = ()
    dropped: tuple[TimedDrop, ...] = ()


@dataclass(frozen=True)
class Parcel:
    """One video, or one chunk of its clips, between two operators.

    ``outcome`` travels with the last chunk of a video whose split was missing. ``share`` is the share of the
    video's work that ends with this parcel.
    """

    item: WorkItem
    task: VideoTask
    outcome: SplitOutcome | None = None
    metrics: tuple[StageMetric, ...] = field(default=())
    share: float = 1.0

    def measured(self, metric: StageMetric) -> "Parcel":
        """This parcel with one more metric."""
        return replace(self, metrics=(*self.metrics, metric))


def pack(parcel: Parcel) -> bytes:
    """Bytes of a row. ValueError when it would exceed ``MAX_ROW_BYTES``."""
    data = pickle.dumps(parcel, protocol=pickle.HIGHEST_PROTOCOL)
    if len(data) > MAX_ROW_BYTES:
        raise ValueError(
            f"a row of {parcel.item.source.uri} has {len(data)} bytes, more than {MAX_ROW_BYTES}"
        )
    return data


def unpack(data: bytes) -> Parcel:
    """The parcel of a row made by ``pack`` in this run."""
    return pickle.loads(data)

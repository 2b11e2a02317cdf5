"""Frozen records that cross a task, process or table boundary.

Times are seconds from the first frame shown; frames are counted in display order; spans are half-open.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction


class VideoReason(StrEnum):
    """Why a video was rejected."""

    NOT_A_VIDEO = "not_a_video"
    UNREADABLE = "unreadable"
    NO_VIDEO_STREAM = "no_video_stream"
    UNSUPPORTED_CODEC = "unsupported_codec"
    OVER_LIMIT = "over_limit"
    NO_FRAMES = "no_frames"
    TOO_SHORT = "too_short"
    DECODER_CRASHED = "decoder_crashed"
    DECODER_TIMEOUT = "decoder_timeout"
    STORE_ERROR = "store_error"


class ClipReason(StrEnum):
    """Why a clip is not in the kept set."""

    TOO_SHORT = "too_short"
    LOW_MOTION = "low_motion"
    LOW_AESTHETIC = "low_aesthetic"
    LOW_QUALITY = "low_quality"
    BLACK = "black"
    FROZEN = "frozen"
    ENCODE_FAILED = "encode_failed"
    EMBEDDING_FAILED = "embedding_failed"
    REJECTED_BY_ANSWER = "rejected_by_answer"  # a question to the captioning model was answered so
    CUSTOM = "custom"  # a stage of the user's own dropped it


class DropCause(StrEnum):
    """Why a stretch of a video is in no clip."""

    CROPPED = "cropped"
    TOO_SHORT = "too_short"
    GRADUAL = "gradual"
    TRUNCATED = "truncated"
    OVER_LIMIT = "over_limit"
    BETWEEN = "between"
    UNCUT = "uncut"


@dataclass(frozen=True)
class Answer:
    """What a model said to a question about a clip; ``answer`` is yes, no, or None for anything else."""

    question: str
    answer: str | None
    text: str = ""


@dataclass(frozen=True)
class Span:
    """Half-open interval ``[start_s, end_s)`` on the source timeline, in seconds."""

    start_s: float
    end_s: float

    def __post_init__(self) -> None:
        if not 0 <= self.start_s < self.end_s:
            raise ValueError(f"Span needs 0 <= start_s < end_s, got {self.start_s} and {self.end_s}")

    @property
    def duration_s(self) -> float:
        """Seconds."""
        return self.end_s - self.start_s


@dataclass(frozen=True, order=True)
class FrameSpan:
    """Half-open run of frames ``[start_frame, end_frame)`` in display order."""

    start_frame: int
    end_frame: int

    def __post_init__(self) -> None:
        if not 0 <= self.start_frame < self.end_frame:
            raise ValueError(
                f"FrameSpan needs 0 <= start_frame < end_frame, got {self.start_frame} and {self.end_frame}"
            )

    @property
    def num_frames(self) -> int:
        """Frames in the span."""
        return self.end_frame - self.start_frame


@dataclass(frozen=True)
class Cuts:
    """Where the shot changes, in frames.

    ``hard`` holds the first frame of each new shot, ascending. ``gradual`` holds the frames of each dissolve
    or fade, which belong to no shot.
    """

    hard: tuple[int, ...] = ()
    gradual: tuple[FrameSpan, ...] = ()


@dataclass(frozen=True)
class Shot:
    """The frames between two cuts; ``gradual_*`` name the transitions that touch it, if any."""

    span: FrameSpan
    gradual_before: FrameSpan | None = None
    gradual_after: FrameSpan | None = None


@dataclass(frozen=True)
class DroppedSpan:
    """A stretch of a video that is in no clip."""

    span: FrameSpan
    cause: DropCause


@dataclass(frozen=True)
class Split:
    """The clips of one video and what lies outside them; together they cover every frame."""

    clips: tuple[FrameSpan, ...]
    dropped: tuple[DroppedSpan, ...]


@dataclass(frozen=True, order=True)
class SourceFile:
    """One file of the listing. ``source_version`` changes when uri, size or version id (else mtime) does."""

    uri: str
    size_bytes: int
    source_version: str


@dataclass(frozen=True)
class VideoFacts:
    """What the container's headers say, before anything is decoded.

    ``width_px`` and ``height_px`` are as coded, before ``rotation_deg`` (0, 90, 180, 270, clockwise).
    ``num_frames`` and ``duration_s`` are the header's word; the scan counts.
    """

    container: str
    video_codec: str
    pixel_format: str
    width_px: int
    height_px: int
    rotation_deg: int
    sar: Fraction
    framerate: Fraction
    time_base: Fraction
    duration_s: float
    num_frames: int
    bit_rate_k: int
    audio_codec: str | None = None

    @property
    def shown_size_px(self) -> tuple[int, int]:
        """(width, height) as a viewer sees them: rotation applied, pixel aspect not."""
        if self.rotation_deg % 180:
            return self.height_px, self.width_px
        return self.width_px, self.height_px


@dataclass(frozen=True)
class Inspection:
    """What one look at a source's headers and byte ranges found: facts, or a rejection."""

    source: SourceFile
    video_id: str | None
    facts: VideoFacts | None
    reason: VideoReason | None = None
    message: str = ""
    bytes_read: int = 0


@dataclass(frozen=True)
class ClipSpan:
    """A clip's place in its source. ``start_s`` and ``end_s`` follow from pts; pts are in ``time_base``."""

    clip_id: str
    frames: FrameSpan
    start_pts: int
    end_pts: int
    start_s: float
    end_s: float
    shot_index: int = -1

    @property
    def duration_s(self) -> float:
        """Seconds."""
        return self.end_s - self.start_s


@dataclass(frozen=True)
class WorkItem:
    """One video and what is missing of it: the unit of work of the streaming core.

    ``missing`` names the state stages (``clipmill.storage.state``) that lack rows of this video. ``clips`` is
    the split an earlier run found, or None where ``split`` itself is missing. ``repaired_times`` is what the
    scan said of times it had to make up (``ScanFacts``); clips are cut by the same times. ``filtered`` holds
    the clips of ``clips`` that a filter rejects by scores an earlier run found; ``captions`` what an earlier
    run said of each window of a clip, in order, where only what is made of captions is missing.
    """

    source: SourceFile
    video_id: str
    facts: VideoFacts
    missing: frozenset[str]
    clips: tuple[ClipSpan, ...] | None = None
    repaired_times: str = ""
    filtered: dict[str, ClipReason] = field(default_factory=dict[str, ClipReason])
    captions: dict[str, list[str]] = field(default_factory=dict[str, list[str]])

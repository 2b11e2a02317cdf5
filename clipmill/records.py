"""Frozen records that cross a task, process or table boundary.

Times are seconds from the first frame shown; frames are counted in display order; spans are half-open.
"""

from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Literal

TIME_TOLERANCE_S = 1e-6
"""Sums of float seconds are off by less than this over a day, and frames are much further apart."""

CLOCK_ROUNDING_S = 0.0015
"""What a clock of milliseconds takes off a video: 2 s of 24 frames a second last 1.999 s in Matroska."""


class VideoReason(StrEnum):
    """Why a video was rejected."""

    NOT_A_VIDEO = "not_a_video"
    UNREADABLE = "unreadable"
    NO_VIDEO_STREAM = "no_video_stream"
    UNSUPPORTED_CODEC = "unsupported_codec"
    ENCRYPTED = "encrypted"
    OVER_LIMIT = "over_limit"
    NO_FRAMES = "no_frames"
    TOO_SHORT = "too_short"
    DECODER_CRASHED = "decoder_crashed"
    DECODER_TIMEOUT = "decoder_timeout"
    STORE_ERROR = "store_error"
    STORE_UNAVAILABLE = "store_unavailable"
    SOURCE_CHANGED = "source_changed"
    OUTPUT_ERROR = "output_error"
    SCRATCH_ERROR = "scratch_error"
    WORKER_LOST = "worker_lost"
    UNEXPECTED = "unexpected"


class DropCause(StrEnum):
    """Why a stretch of a video is in no clip."""

    CROPPED = "cropped"
    TOO_SHORT = "too_short"
    GRADUAL = "gradual"
    TRUNCATED = "truncated"
    OVER_LIMIT = "over_limit"
    BETWEEN = "between"
    UNCUT = "uncut"
    HELD = "held"


@dataclass(frozen=True)
class SourceLimits:
    """Bounds on one video, as ``LimitsSpec`` describes them: what a codec process knows of that spec."""

    max_pixels: int = 8192 * 4320
    max_duration_s: float = 24 * 3600.0
    max_size_bytes: int = 1 << 40
    max_framerate: float = 2000.0


@dataclass(frozen=True)
class Answer:
    """What a model said to a question about a clip; ``answer`` is yes, no, or None for anything else."""

    question: str
    answer: str | None
    text: str = ""


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
    """The clips of one video and what lies outside them; together they cover every frame.

    ``shot_of_clip`` holds the index of each clip's shot, -1 where clips are not made of shots.
    """

    clips: tuple[FrameSpan, ...]
    dropped: tuple[DroppedSpan, ...]
    shots: tuple[Shot, ...] = ()
    shot_of_clip: tuple[int, ...] = ()


@dataclass(frozen=True, order=True)
class SourceFile:
    """One file of the listing. ``source_version`` changes when uri, size or version id (else mtime) does.

    ``version`` is what every opening is compared with: ETag, version id, generation, date or mtime in ns;
    empty where the store tells none. ``address`` is what is opened where ``uri`` leaves out what is secret,
    or spells out bytes that are no UTF-8.
    """

    uri: str
    size_bytes: int
    source_version: str
    version: str = ""
    address: str = ""


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
class ShownAs:
    """How the packets of a video are shown, which another file with the same packets may do otherwise.

    ``width_px`` and ``height_px`` are of the first frame, as is ``colours``: range, matrix, primaries and
    transfer by the numbers of FFmpeg. ``times_s`` are those of every ``every``-th frame, from the first one
    on. ``other_sound`` is a digest of the tracks beside the default one, empty where there are none.
    """

    width_px: int = 0
    height_px: int = 0
    is_mirrored: bool = False
    colours: tuple[int, ...] = ()
    other_sound: str = ""
    every: int = 1
    times_s: tuple[float, ...] = ()


@dataclass(frozen=True)
class Inspection:
    """What one look at a source's headers and byte ranges found: facts, or why there are none.

    ``is_retryable`` says that the failure does not follow from the bytes; ``limit`` and ``limit_value`` name
    the limit that was hit.
    """

    source: SourceFile
    video_id: str | None
    facts: VideoFacts | None
    reason: VideoReason | None = None
    message: str = ""
    bytes_read: int = 0
    is_retryable: bool = False
    limit: str = ""
    limit_value: float | None = None


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


SoundStatus = Literal["copied", "encoded", "repaired", "partial", "lost", "none"]
"""What became of the sound of a clip, as the column ``audio_status`` documents it."""


@dataclass(frozen=True)
class SoundFacts:
    """What became of the sound of a clip, and why in words; ``reason`` is empty where all is as it was."""

    status: SoundStatus = "none"
    reason: str = ""


HdrStatus = Literal["none", "tone_mapped", "kept", "copied", "wrong_colours"]
"""What became of high dynamic range in a clip, as the column ``hdr_status`` documents it."""
FieldStatus = Literal["none", "deinterlaced", "left"]
"""What became of interlaced frames in a clip, as the column ``deinterlace_status`` documents it."""


@dataclass(frozen=True)
class PictureFacts:
    """What was done to the pictures of a clip."""

    hdr: HdrStatus = "none"
    fields: FieldStatus = "none"


@dataclass(frozen=True)
class CutClip:
    """A clip that was written to ``path``, or why it was not (``message``, with ``path`` empty).

    ``clip_mode`` is ``encode``, ``smart`` or ``copy``; ``mode_reason`` says why a mode other than the one
    asked for was used. ``file_start_s`` is the source time of the file's first frame.
    """

    clip_id: str
    path: str
    message: str = ""
    clip_mode: str = ""
    mode_reason: str = ""
    file_start_s: float = 0.0
    width: int = 0
    height: int = 0
    framerate: float = 0.0
    num_frames: int = 0
    num_bytes: int = 0
    video_codec: str = ""
    has_audio: bool = False
    sound: SoundFacts = SoundFacts()
    pictures: PictureFacts = PictureFacts()
    crop: tuple[int, int, int, int] | None = None
    """Left, top, width and height of what it shows of the upright source, where a size was asked for."""

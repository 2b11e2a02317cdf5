"""NeMo Curator's data model of a video, its clips and their windows, as a view that is built for users.

Every documented field, default, method and error is there; docs/data-model.md says what fills each field. A
stage with ``process(task)`` gets these objects, and ``Pipeline.run`` returns them. Fields that hold pixels or
encoded bytes are filled inside a worker, and empty in what a run with an output returns.
"""

import logging
import sys
import uuid as uuid_module
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TypedDict

import numpy as np
import numpy.typing as npt

from clipmill.errors import UnreadableVideo
from clipmill.media.io.probe import probe
from clipmill.media.io.source import bytes_source
from clipmill.models.captioning.chat import Caption
from clipmill.records import Answer, ClipSpan, CutClip, SourceFile, VideoFacts
from clipmill.scores.quality import QualityScores

logger = logging.getLogger(__name__)

UUID_BYTES = 16
Payload = bytes | npt.NDArray[np.generic]
"""What ``Clip.egomotion`` keeps for later stages."""
WEIGHT_UNIT_S = 300.0
"""A video of five minutes weighs 1."""


class ClipFileFacts(TypedDict):
    """What ``Clip.extract_metadata`` returns."""

    width: int
    height: int
    framerate: float
    num_frames: int
    video_codec: str
    num_bytes: int


@dataclass(frozen=True)
class RemotePath:
    """A URI where NeMo Curator has a ``pathlib.Path``, which would fold the ``//`` of ``s3://``."""

    uri: str

    def as_posix(self) -> str:
        """The URI, unchanged."""
        return self.uri

    def exists(self) -> bool:
        """True: a remote source was found by a listing; asking again would cost a request."""
        return True

    def __str__(self) -> str:
        return self.uri


@dataclass
class Window:
    """A run of a clip's frames given to a captioner; ``end_frame`` is inclusive.

    Beyond the documented fields: ``preview_path``, relative to the output, and what the captioner and the
    language model answered, with status and tokens, where they were asked.
    """

    start_frame: int
    end_frame: int
    mp4_bytes: bytes | None = None
    qwen_llm_input: dict[str, object] | None = None
    llm_inputs: dict[str, dict[str, object]] = field(default_factory=dict)
    x1_input: object | None = None
    caption: dict[str, str] = field(default_factory=dict)
    enhanced_caption: dict[str, str] = field(default_factory=dict)
    webp_bytes: bytes | None = None
    preview_path: str = ""
    answer: Caption | None = None
    enhanced_answer: Caption | None = None

    def get_major_size(self) -> int:
        """Bytes of memory held by what is large."""
        texts = sum(sys.getsizeof(value) for value in (self.caption, self.enhanced_caption))
        llm_input = sum(_size(value) for value in (self.qwen_llm_input or {}).values())
        return _size(self.mp4_bytes) + _size(self.webp_bytes) + llm_input + texts


_Window = Window  # the documented name


@dataclass
class Clip:
    """A span of a video that is kept as a file, with everything found out about it.

    ``span`` is in seconds of the source. Beyond the documented fields: ``place`` is the exact span in frames
    and pts. ``reason`` says why a stage rejected the clip. ``file`` and ``file_digest`` describe the
    file it was cut to. ``embedding`` is that of the first algorithm in use, L2-normalised float32 ``(D,)``,
    ``sketch`` what verifies a copy where that makes one (``clipmill.dedup.copies.fingerprints``), and
    ``text_match`` the text that fits best with its probability, and ``answers`` those of the questions asked
    about it.
    """

    uuid: uuid_module.UUID
    source_video: str
    span: tuple[float, float]
    buffer: bytes | None = None
    extracted_frames: dict[str, npt.NDArray[np.uint8]] = field(default_factory=dict)
    decoded_motion_data: npt.NDArray[np.float32] | None = None
    motion_score_global_mean: float | None = None
    motion_score_per_patch_min_256: float | None = None
    motion_score_camera_mean: float | None = None
    motion_score_object_mean: float | None = None
    aesthetic_score: float | None = None
    cosmos_embed1_frames: npt.NDArray[np.float32] | None = None
    cosmos_embed1_embedding: npt.NDArray[np.float32] | None = None
    intern_video_2_frames: npt.NDArray[np.float32] | None = None
    intern_video_2_embedding: npt.NDArray[np.float32] | None = None
    windows: list[Window] = field(default_factory=list)
    egomotion: dict[str, Payload] = field(default_factory=dict)
    cosmos_embed1_text_match: tuple[str, float] | None = None
    intern_video_2_text_match: tuple[str, float] | None = None
    errors: dict[str, str] = field(default_factory=dict)
    place: ClipSpan | None = None
    reason: str | None = None
    quality: QualityScores | None = None
    file: CutClip | None = None
    file_digest: str = ""
    embedding: npt.NDArray[np.float32] | None = None
    sketch: bytes | None = None
    text_match: tuple[str, float] | None = None
    answers: tuple[Answer, ...] = ()

    @property
    def duration(self) -> float:
        """Seconds."""
        return self.span[1] - self.span[0]

    def extract_metadata(self) -> ClipFileFacts | None:
        """Facts of the encoded clip in ``buffer``; None without one. Raises UnreadableVideo."""
        if self.buffer is None:
            return None
        facts = _probe_bytes(self.buffer, str(self.uuid))
        return ClipFileFacts(
            width=facts.width_px,
            height=facts.height_px,
            framerate=float(facts.framerate),
            num_frames=facts.num_frames,
            video_codec=facts.video_codec,
            num_bytes=len(self.buffer),
        )

    def get_major_size(self) -> int:
        """Bytes of memory held by what is large: at least the 16 of the uuid."""
        arrays = (
            self.decoded_motion_data,
            self.cosmos_embed1_frames,
            self.cosmos_embed1_embedding,
            self.intern_video_2_frames,
            self.intern_video_2_embedding,
            self.embedding,
            *self.extracted_frames.values(),
        )
        windows = sum(window.get_major_size() for window in self.windows)
        return (
            UUID_BYTES
            + _size(self.buffer)
            + _size(self.sketch)
            + sum(_size(array) for array in arrays)
            + windows
        )


@dataclass
class ClipStats:
    """Counts of clips, and seconds of clip time."""

    num_filtered_by_motion: int = 0
    num_filtered_by_aesthetic: int = 0
    num_passed: int = 0
    num_transcoded: int = 0
    num_with_embeddings: int = 0
    num_with_caption: int = 0
    num_with_webp: int = 0
    total_clip_duration: float = 0.0
    max_clip_duration: float = 0.0

    def combine(self, other: "ClipStats") -> None:
        """Add ``other`` to this: counts and durations sum, the longest wins."""
        longest = max(self.max_clip_duration, other.max_clip_duration)
        for one in fields(self):
            setattr(self, one.name, getattr(self, one.name) + getattr(other, one.name))
        self.max_clip_duration = longest


@dataclass
class VideoMetadata:
    """Properties of a source: ``size`` in bytes, ``duration`` in s, ``bit_rate_k`` in 1024 bit/s."""

    size: int | None = None
    height: int | None = None
    width: int | None = None
    framerate: float | None = None
    num_frames: int | None = None
    duration: float | None = None
    video_codec: str | None = None
    pixel_format: str | None = None
    audio_codec: str | None = None
    bit_rate_k: int | None = None

    @classmethod
    def from_facts(cls, facts: VideoFacts, *, size_bytes: int) -> "VideoMetadata":
        """Returns what the headers say, by the documented names."""
        return cls(
            size=size_bytes,
            height=facts.height_px,
            width=facts.width_px,
            framerate=float(facts.framerate),
            num_frames=facts.num_frames,
            duration=facts.duration_s,
            video_codec=facts.video_codec,
            pixel_format=facts.pixel_format,
            audio_codec=facts.audio_codec,
            bit_rate_k=facts.bit_rate_k,
        )


@dataclass
class Video:
    """A source video with its clips; beyond the documented fields, its identity and what its headers say."""

    input_video: Path | RemotePath
    source_bytes: bytes | None = None
    metadata: VideoMetadata = field(default_factory=VideoMetadata)
    frame_array: npt.NDArray[np.uint8] | None = None
    clips: list[Clip] = field(default_factory=list)
    filtered_clips: list[Clip] = field(default_factory=list)
    num_total_clips: int = 0
    num_clip_chunks: int = 0
    clip_chunk_index: int = 0
    clip_stats: ClipStats = field(default_factory=ClipStats)
    errors: dict[str, str] = field(default_factory=dict)
    source: SourceFile | None = None
    video_id: str = ""
    facts: VideoFacts | None = None

    def populate_metadata(self) -> None:
        """Read ``metadata`` from ``source_bytes``. ValueError without them, or UnreadableVideo."""
        if self.source_bytes is None:
            raise ValueError("No video data available: source_bytes is None")
        self.facts = _probe_bytes(self.source_bytes, self.input_path)
        self.metadata = VideoMetadata.from_facts(self.facts, size_bytes=len(self.source_bytes))

    @property
    def fraction(self) -> float:
        """Share of the video's clips that this object holds, 0..1; 1 while no clips are known."""
        if self.num_total_clips == 0:
            return 1.0
        return (len(self.clips) + len(self.filtered_clips)) / self.num_total_clips

    @property
    def weight(self) -> float:
        """Work, in videos of five minutes; 0 while the size is unknown. ValueError without a duration."""
        if self.metadata.size is None:
            return 0.0
        if self.metadata.duration is None:
            raise ValueError("metadata.duration is None")
        return self.metadata.duration / WEIGHT_UNIT_S * self.fraction

    def get_major_size(self) -> int:
        """Bytes of memory held by what is large."""
        clips = sum(clip.get_major_size() for clip in (*self.clips, *self.filtered_clips))
        return _size(self.source_bytes) + _size(self.frame_array) + clips

    def has_metadata(self) -> bool:
        """True when height, width, duration, framerate, num_frames and video_codec are known and not zero."""
        known = self.metadata
        return all(
            (known.height, known.width, known.duration, known.framerate, known.num_frames, known.video_codec)
        )

    def is_10_bit_color(self) -> bool | None:
        """Whether the pixel format's name says 10 bits; None while it is unknown."""
        if self.metadata.pixel_format is None:
            return None
        return any(mark in self.metadata.pixel_format for mark in ("10le", "10be"))

    @property
    def input_path(self) -> str:
        """Path or URI of the source."""
        return self.input_video.as_posix()


@dataclass
class VideoTask:
    """One video, or one chunk of its clips, on its way through the stages."""

    data: Video
    task_id: str = ""
    dataset_name: str = ""
    _stage_perf: list[object] = field(default_factory=list[object])
    _metadata: dict[str, object] = field(default_factory=dict[str, object])

    def validate(self) -> bool:
        """False, with a warning, when the source is a local path that does not exist."""
        if self.data.input_video.exists():
            return True
        logger.warning("video %s does not exist", self.data.input_path)
        return False

    @property
    def num_items(self) -> int:
        """Always 1: a task is one video."""
        return 1


def _probe_bytes(data: bytes, name: str) -> VideoFacts:
    return probe(bytes_source(data, name), name)


def _size(value: object) -> int:
    if value is None:
        return 0
    if isinstance(value, np.ndarray):
        return value.nbytes
    return len(value) if isinstance(value, bytes) else sys.getsizeof(value)


__all__ = [
    "Clip",
    "ClipFileFacts",
    "ClipStats",
    "RemotePath",
    "UnreadableVideo",
    "Video",
    "VideoMetadata",
    "VideoTask",
    "Window",
]

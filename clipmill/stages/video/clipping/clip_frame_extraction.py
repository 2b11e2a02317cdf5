"""Frames sampled from clips, or from whole videos."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar, Literal

import numpy as np
import pyarrow as pa
from PIL import Image
from pydantic import Field, field_validator

from clipmill.media.encode.jpeg import frame_jpeg
from clipmill.models.preprocessing.pixels import resized
from clipmill.records import VideoFacts
from clipmill.stages.base import (
    Artifact,
    Batch,
    Column,
    Cpus,
    Frames,
    Grain,
    Item,
    Reads,
    Resources,
    RunView,
    SampleRate,
    Stage,
    StageContext,
    VideoPart,
    VideoWorker,
    Worker,
    rate,
)

LEAST_HEIGHT_PX = 240


class FrameExtractionPolicy(Enum):
    """Which frames of a clip: all on the time grid, or the middle one."""

    MIDDLE = middle = "middle"
    SEQUENCE = sequence = "sequence"


class FramePurpose(Enum):
    """What the frames are for; each purpose has its own rate."""

    AESTHETICS = "aesthetics"
    EMBEDDINGS = "embeddings"


PURPOSE_FPS = {FramePurpose.AESTHETICS: 1.0, FramePurpose.EMBEDDINGS: 2.0}


FRAME_PATH = "{signature}_{index:05d}.jpg"


def frame_signature(policy: FrameExtractionPolicy, fps: float) -> str:
    """Key of ``Clip.extracted_frames``, as NeMo Curator writes it: ``sequence-2000`` is 2 frames a second."""
    return f"{policy.value}-{int(fps * 1000)}"


@dataclass(frozen=True)
class FrameExtractionSignature:
    """How frames were sampled."""

    extraction_policy: FrameExtractionPolicy
    target_fps: float

    def to_str(self) -> str:
        """Returns the key of ``Clip.extracted_frames``."""
        return frame_signature(self.extraction_policy, self.target_fps)


class FrameSampling(Stage, abstract=True):
    """What frames are sampled, and whether they are stored."""

    # Lists where tuples would do: Flyte's type engine knows no tuples.
    extraction_policies: list[FrameExtractionPolicy] = Field(
        default_factory=lambda: [FrameExtractionPolicy.SEQUENCE]
    )
    extract_purposes: list[FramePurpose] = Field(default_factory=list[FramePurpose])
    target_fps: list[SampleRate] = Field(default_factory=list[float])
    target_height_px: int = Field(default=240, ge=16, le=4320)
    target_res: list[int] | None = None

    @field_validator("target_res", mode="before")
    @classmethod
    def _negative_is_no_choice(cls, chosen: object) -> object:
        return None if isinstance(chosen, Sequence) and list(chosen) == [-1, -1] else chosen

    @field_validator("target_res")
    @classmethod
    def _height_and_width(cls, chosen: list[int] | None) -> list[int] | None:
        if chosen is not None and not (len(chosen) == 2 and all(16 <= side <= 4320 for side in chosen)):
            raise ValueError(f"target_res is [height, width], each from 16 to 4320, or null; got {chosen}")
        return chosen

    @field_validator("extract_purposes", "target_fps", mode="before")
    @classmethod
    def _none_is_no_choice(cls, chosen: object) -> object:
        return [] if chosen is None else chosen

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

    @property
    def sampled(self) -> tuple[Frames, ...]:
        """Frames at each of the rates."""
        height_px = max(LEAST_HEIGHT_PX, self.height_px)
        return tuple(Frames(rate(fps), height_px) for fps in self.rates_fps)

    @property
    def height_px(self) -> int:
        """The most lines that a frame has."""
        return self.target_res[0] if self.target_res else self.target_height_px

    def shaped(self, frames: np.ndarray) -> np.ndarray:
        """Returns frames uint8 ``(T, h, w, 3)`` at ``target_res``, or as they are without one."""
        return at_size(frames, self.target_res)

    def _reads_of(self, sampled: Sequence[Frames]) -> Reads:
        return Reads(frames=sampled[0], more_frames=tuple(sampled[1:])) if sampled else Reads()


class WholeVideoFramesStage(FrameSampling):
    """Stores frames of whole videos as JPEG under ``frames/{video_id}``.

    ``ClipFrameExtractionStage`` with ``target`` ``videos`` adds it to a run.
    """

    name: ClassVar[str] = "video_frames"
    grain: ClassVar[Grain] = "video"
    writes: ClassVar[tuple[Column, ...]] = (
        Column("num_frame_files", pa.int64(), "frames of the video that were stored", table="state"),
    )
    artifacts: ClassVar[tuple[Artifact, ...]] = (Artifact("frame", "frames/{video_id}/" + FRAME_PATH),)

    def reads(self) -> Reads:
        return self._reads_of(self.sampled)

    def open(self, context: StageContext) -> VideoWorker:
        return VideoFrameWriter(self, context)


class ClipFrameExtractionStage(FrameSampling):
    """Samples frames on a fixed time grid, resized once to ``target_height_px`` (never enlarged).

    ``target_res`` (height, width) brings them to exactly that size instead, and the stages of aesthetics and
    of learned embeddings look at frames of that size too. ``target_fps`` overrides the rates of
    ``extract_purposes``; with neither, 2 frames a second. ``target``
    says whether the frames of clips or of the whole video are kept; ``write`` stores them as JPEG under
    ``frames/``.
    """

    name: ClassVar[str] = "frames"
    grain: ClassVar[Grain] = "clip"
    writes: ClassVar[tuple[Column, ...]] = (
        Column("num_frame_files", pa.int64(), "frames of the clip that were stored", table="state"),
    )
    artifacts: ClassVar[tuple[Artifact, ...]] = (Artifact("frame", "frames/{clip_id}/" + FRAME_PATH),)

    target: Literal["clips", "videos"] = "clips"
    write: bool = False
    num_cpus: Cpus = 3.0

    @property
    def writes_clips(self) -> bool:
        """True when frames of clips become files."""
        return self.write and self.target == "clips"

    def makes_rows(self) -> bool:
        return self.writes_clips

    def shows(self) -> tuple[Frames, ...]:
        return self.sampled

    def requires(self) -> tuple[Stage, ...]:
        if not (self.write and self.target == "videos"):
            return ()
        given = self.model_fields_set & set(FrameSampling.model_fields)
        return (WholeVideoFramesStage.model_validate({name: getattr(self, name) for name in given}),)

    def reads(self) -> Reads:
        """See ``Stage``. Without files to write there is nothing to read: ``sampled`` says what users see."""
        return self._reads_of(self.sampled if self.writes_clips else ())

    def resources(self) -> Resources:
        return Resources(cpus=self.num_cpus)

    def open(self, context: StageContext) -> Worker:
        return ClipFrameWriter(self, context)


class ClipFrameWriter:
    """Stores the sampled frames of clips."""

    def __init__(self, stage: ClipFrameExtractionStage, context: StageContext) -> None:
        self._stage = stage
        self._context = context

    def __call__(self, batch: Batch) -> Mapping[str, Sequence[int]]:
        """Returns how many files each clip has."""
        return {"num_frame_files": [self._write(item) for item in batch.items]}

    def _write(self, item: Item) -> int:
        if not self._stage.writes_clips:
            return 0
        return sum(
            self._put(item.id, frame_signature(policy, fps), taken(frames, policy))
            for fps, frames in zip(self._stage.rates_fps, _frames_by_rate(item), strict=True)
            for policy in self._stage.extraction_policies
        )

    def _put(self, clip_id: str, signature: str, frames: np.ndarray) -> int:
        for index, frame in enumerate(self._stage.shaped(frames)):
            jpeg = frame_jpeg(frame, height_px=self._stage.height_px)
            self._context.put("frame", clip_id, jpeg, signature=signature, index=index)
        return len(frames)


class VideoFrameWriter:
    """Stores the sampled frames of one video after the other; holds JPEGs of half a video at most."""

    def __init__(self, stage: WholeVideoFramesStage, context: StageContext) -> None:
        self._stage = stage
        self._context = context
        self._video_id = ""
        self._num_files = 0
        self._sequences = list[_Sequence]()

    def begin(self, video_id: str, video: VideoFacts) -> None:
        """Starts a video."""
        del video
        self._video_id = video_id
        self._num_files = 0
        self._sequences = [_Sequence() for _ in self._stage.rates_fps]

    def feed(self, part: VideoPart) -> None:
        """Takes the next frames of each rate, in the order of ``reads()``."""
        for fps, sequence, samples in zip(self._stage.rates_fps, self._sequences, part.frames, strict=True):
            for frame in self._stage.shaped(samples.frames):
                jpeg = frame_jpeg(frame, height_px=self._stage.height_px)
                if FrameExtractionPolicy.SEQUENCE in self._stage.extraction_policies:
                    self._put(FrameExtractionPolicy.SEQUENCE, fps, sequence.num_frames, jpeg)
                sequence.append(jpeg)

    def finish(self, num_frames: int, duration_s: float) -> Mapping[str, object]:
        """Returns the columns of the video that ends."""
        del num_frames, duration_s
        if FrameExtractionPolicy.MIDDLE in self._stage.extraction_policies:
            for fps, sequence in zip(self._stage.rates_fps, self._sequences, strict=True):
                if sequence.middle is not None:
                    self._put(FrameExtractionPolicy.MIDDLE, fps, 0, sequence.middle)
        return {"num_frame_files": self._num_files}

    def _put(self, policy: FrameExtractionPolicy, fps: float, index: int, jpeg: bytes) -> None:
        signature = frame_signature(policy, fps)
        self._context.put("frame", self._video_id, jpeg, signature=signature, index=index)
        self._num_files += 1


class _Sequence:
    """The later half of a growing sequence, of which the first is the middle of the whole."""

    def __init__(self) -> None:
        self.num_frames = 0
        self._later = deque[bytes]()

    @property
    def middle(self) -> bytes | None:
        return self._later[0] if self._later else None

    def append(self, jpeg: bytes) -> None:
        self._later.append(jpeg)
        self.num_frames += 1
        if self.num_frames - len(self._later) < self.num_frames // 2:
            self._later.popleft()


def target_res_of(run: RunView) -> list[int] | None:
    """Returns the size of the frames of a run, where one is asked for."""
    frames = run.find(ClipFrameExtractionStage)
    return frames.target_res if frames else None


def at_size(frames: np.ndarray, size: Sequence[int] | None) -> np.ndarray:
    """Returns frames uint8 ``(T, h, w, 3)`` at ``size`` (height, width), bicubic; None keeps theirs."""
    if size is None or len(frames) == 0:
        return frames
    height, width = size
    return np.stack([resized(frame, (height, width), resample=Image.Resampling.BICUBIC) for frame in frames])


def taken(sequence: np.ndarray, policy: FrameExtractionPolicy) -> np.ndarray:
    """Returns the frames of a sequence, uint8 ``(T, h, w, 3)``, that a policy takes."""
    middle = len(sequence) // 2
    return sequence[middle : middle + 1] if policy is FrameExtractionPolicy.MIDDLE else sequence


def _frames_by_rate(item: Item) -> list[np.ndarray]:
    if item.frames is None:
        raise ValueError(f"clip {item.id} has no sampled frames")
    return [item.frames, *(samples.frames for samples in item.more_frames)]

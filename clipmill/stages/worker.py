"""What a stage's worker gets and gives back."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol, TypeVar, get_args

import numpy as np
import pyarrow as pa

from clipmill.records import ClipSpan, FrameSpan, VideoFacts

FailureKind = Literal["final", "retryable"]
T = TypeVar("T")


@dataclass(frozen=True)
class Failed:
    """Why a stage has no result for an item.

    ``final`` follows from the bytes and the parameters; anything else is ``retryable``. ``limit`` is the name
    of the limit that was hit, and ``limit_value`` its value; a run with a larger one tries again at once.
    """

    kind: FailureKind
    reason: str
    message: str
    limit: str = ""
    limit_value: float | None = None

    def __post_init__(self) -> None:
        if self.kind not in get_args(FailureKind) or not self.reason:
            raise ValueError(f"Failed needs a kind, final or retryable, and a reason, got {self}")


@dataclass(frozen=True)
class MotionSamples:
    """Motion inside a clip at M instants.

    ``blocks`` is float32 ``(M, By, Bx)``, length of a block's flow over (height + width). ``parts`` is
    float32 ``(M, 2)``, the camera's motion and that of objects; ``(0, 2)`` where it was not asked for.
    """

    blocks: np.ndarray
    parts: np.ndarray = field(default_factory=lambda: np.empty((0, 2), np.float32))


@dataclass(frozen=True)
class FrameSamples:
    """Frames of one rate and height.

    ``frames`` is uint8 ``(T, h, w, 3)``. ``numbers`` is int64 ``(T,)``, counted from the item's first frame;
    ``times_s`` is float64 ``(T,)`` on the source timeline.
    """

    frames: np.ndarray
    numbers: np.ndarray
    times_s: np.ndarray


@dataclass(frozen=True)
class Item:
    """One clip, or one window of a clip, as a stage sees it. Reads that the stage did not declare are None.

    ``frames`` is uint8 ``(T, h, w, 3)``, of the whole clip also for a window. ``frame_numbers`` is int64
    ``(T,)``, counted from the clip's first frame; ``frame_times_s`` is float64 ``(T,)`` on the source
    timeline. ``window`` is the window's place in frames of the clip.
    ``thumbnails`` is uint8 ``(N, 27, 48, 3)``, ``thumbnail_times_s`` float64 ``(N + 1,)``: the time of each
    frame on the source timeline, and the end of the last. ``measures`` has one float32 array
    ``(M, *shape)`` for each declared Measure. ``columns`` holds the values of the columns that were read, by
    the names in ``reads()``.
    ``more_frames`` has one entry for each of ``Reads.more_frames``.
    ``sound`` is float32 ``(N, channels)``, of the whole clip also for a window; None also where the source
    has no sound in the clip.
    """

    id: str
    clip: ClipSpan
    video: VideoFacts
    source_uri: str = ""
    window: FrameSpan | None = None
    frames: np.ndarray | None = None
    frame_numbers: np.ndarray | None = None
    frame_times_s: np.ndarray | None = None
    thumbnails: np.ndarray | None = None
    thumbnail_times_s: np.ndarray | None = None
    motion: MotionSamples | None = None
    measures: tuple[np.ndarray, ...] = ()
    sound: np.ndarray | None = None
    columns: Mapping[str, object] = field(default_factory=dict[str, object])
    more_frames: tuple[FrameSamples, ...] = ()

    @property
    def shown(self) -> FrameSpan:
        """The window, or the whole clip as one, in frames of the clip."""
        return self.window or FrameSpan(0, self.clip.frames.num_frames)


@dataclass(frozen=True)
class Batch:
    """Items of one or several videos. Every property has one entry for each item, in order."""

    items: tuple[Item, ...]

    def __len__(self) -> int:
        """Returns the number of items."""
        return len(self.items)

    @property
    def ids(self) -> list[str]:
        """Ids of the items."""
        return [item.id for item in self.items]

    @property
    def spans(self) -> list[ClipSpan]:
        """Places of the clips in their sources."""
        return [item.clip for item in self.items]

    @property
    def videos(self) -> list[VideoFacts]:
        """Facts of the sources' headers."""
        return [item.video for item in self.items]

    @property
    def frames(self) -> list[np.ndarray]:
        """Sampled frames, uint8 ``(T, h, w, 3)``. ValueError for a stage that declared none."""
        return [_there(item.frames, "frames") for item in self.items]

    @property
    def thumbnails(self) -> list[np.ndarray]:
        """Thumbnails of every frame, uint8 ``(N, 27, 48, 3)``. ValueError for a stage that declared none."""
        return [_there(item.thumbnails, "thumbnails") for item in self.items]

    @property
    def thumbnail_times_s(self) -> list[np.ndarray]:
        """Times of every frame and the end of the last, float64 ``(N + 1,)``. ValueError likewise."""
        return [_there(item.thumbnail_times_s, "thumbnails") for item in self.items]

    @property
    def motion(self) -> list[MotionSamples]:
        """Motion at the sampled instants. ValueError for a stage that declared none."""
        return [_there(item.motion, "motion") for item in self.items]

    @property
    def measures(self) -> list[tuple[np.ndarray, ...]]:
        """One array for each declared Measure."""
        return [item.measures for item in self.items]

    @property
    def sound(self) -> list[np.ndarray | None]:
        """Samples, float32 ``(N, channels)``; None for a clip without sound."""
        return [item.sound for item in self.items]

    @property
    def columns(self) -> pa.Table:
        """The columns that were read, one row for each item."""
        return pa.Table.from_pylist([dict(item.columns) for item in self.items])


def _there(value: T | None, what: str) -> T:
    if value is None:
        raise ValueError(f"the stage's reads() declare no {what}")
    return value


@dataclass(frozen=True)
class Results:
    """New columns, one value for each item of the batch, and the items that failed by their place in it."""

    columns: Mapping[str, Sequence[object] | np.ndarray | pa.Array]
    failed: Mapping[int, Failed] = field(default_factory=dict[int, Failed])


Answer = Mapping[str, object]
"""Column name -> one value for each item."""


class Worker(Protocol):
    """Computes a stage's columns of a batch; a plain function is one too."""

    def __call__(self, batch: Batch) -> Results | Answer:
        """Returns columns of the same length and order as the batch."""
        ...


class StreamWorker(Protocol):
    """Answers items in any order; for models that are asked."""

    def stream(self, items: Iterator[Item]) -> Iterator[tuple[str, Mapping[str, object] | Failed]]:
        """Yields (item id, values by column or a failure) for the items, each once."""
        ...


@dataclass(frozen=True)
class VideoPart:
    """About a minute of a video, in order.

    ``times_s`` is float64 ``(N,)`` from the first frame shown. ``frames`` has one entry for each Frames read,
    with numbers counted from the video's first frame. ``thumbnails`` is as in ``Item``, of this part.
    """

    times_s: np.ndarray
    frames: tuple[FrameSamples, ...] = ()
    thumbnails: np.ndarray | None = None


class VideoWorker(Protocol):
    """Sees a whole video in parts of about a minute; its memory must not grow with the length."""

    def begin(self, video_id: str, video: VideoFacts) -> None:
        """A new video."""
        ...

    def feed(self, part: VideoPart) -> None:
        """The next part."""
        ...

    def finish(self, num_frames: int, duration_s: float) -> Mapping[str, object]:
        """Returns the value of each column."""
        ...


class StageContext(Protocol):
    """What a worker process lends to the stages that it opens."""

    @property
    def device(self) -> str:
        """``cuda`` where the worker has a part of a GPU and the stage asks for one, else ``cpu``."""
        ...

    @property
    def gpu_share(self) -> float:
        """Share of a GPU that the worker process has; 0 without one."""
        ...

    @property
    def num_threads(self) -> int:
        """Threads that the stage may compute with."""
        ...

    @property
    def scratch_dir(self) -> Path:
        """A folder of the worker process."""
        ...

    @property
    def log(self) -> logging.Logger:
        """The stage's logger."""
        ...

    def weights(self, name: str) -> Path:
        """Returns the folder of a model that the stage names in ``models()``."""
        ...

    def shared(self, key: str, make: Callable[[], T]) -> T:
        """Returns the object of this worker process by that key; ``make`` makes it once."""
        ...

    def get(self, path: str) -> bytes:
        """Returns a file of the output, by its path in a column that is read, such as ``clip_uri``."""
        ...

    def put(self, artifact: str, item_id: str, data: bytes | Path, **place: str | int) -> str:
        """Stores a file of an item before its row is written; returns its path relative to the output.

        ``place`` fills the fields of the artefact's path that tell several files of an item apart.
        """
        ...

"""What a stage reads of a video: the planner takes the union over all stages for the one decode."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, cast

MAX_RATE = 1000
RATE_DENOMINATOR = 1000
"""Rates are fractions of at most this denominator: 23.976 is 23976/1000 = 2997/125."""

MAX_RATE_HZ = 192_000

MotionSource = Literal["blocks", "vectors"]
ReadKind = Literal["decode", "frames", "thumbnails", "motion", "measure", "sound", "source", "pauses"]
"""``decode`` stands for every read of pictures but ``source``, which is an encoder's; extractors that
``snap_to_silence`` read ``pauses``."""


def rate(fps: float | Fraction) -> Fraction:
    """Returns a rate as the exact fraction that a time grid ``k / fps`` uses.

    ValueError unless it is 0.001 to 1000 frames a second.
    """
    exact = Fraction(fps).limit_denominator(RATE_DENOMINATOR)
    if not Fraction(1, RATE_DENOMINATOR) <= exact <= MAX_RATE:
        raise ValueError(f"a rate must be 0.001 to {MAX_RATE} frames a second, got {fps}")
    return exact


@dataclass(frozen=True)
class Frames:
    """Sampled frames: uint8 ``(T, h, w, 3)`` RGB, upright, square pixels.

    For every k, the frame shown at ``k / fps`` seconds after the first frame of the video. ``h`` is
    ``height_px`` or the source's height where that is smaller; frames are never enlarged. A clip's frames
    thin out evenly where they exceed ``max_bytes_per_clip``.
    """

    fps: Fraction
    height_px: int
    max_bytes_per_clip: int = 24 << 20

    def __post_init__(self) -> None:
        object.__setattr__(self, "fps", rate(self.fps))
        if self.height_px < 1 or self.max_bytes_per_clip < 1:
            raise ValueError(f"Frames needs height_px and max_bytes_per_clip above 0, got {self}")


@dataclass(frozen=True)
class Motion:
    """Flow of blocks at ``fps`` instants a second, each between a frame and the one before it.

    ``blocks`` is one estimator for every codec; ``vectors`` reads the decoder's own (H.264 only).
    ``separate_camera`` adds the motion of the camera apart from that of objects.
    """

    fps: Fraction
    source: MotionSource = "blocks"
    separate_camera: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "fps", rate(self.fps))


@dataclass(frozen=True)
class Measure:
    """A small pure function that the pass applies to sampled full-size frames where they are decoded.

    ``function`` is ``package.module:name``. It takes the full luma, uint8 ``(H, W)``, and the thumbnail,
    uint8 ``(27, 48, 3)``, and returns float32 of ``shape``.
    """

    function: str
    fps: Fraction
    shape: tuple[int, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "fps", rate(self.fps))
        module, colon, name = self.function.partition(":")
        if not (module and colon and name.isidentifier()):
            raise ValueError(f"Measure.function must look like package.module:name, got {self.function!r}")
        if not all(isinstance(cast(object, length), int) and length >= 0 for length in self.shape):
            raise ValueError(f"Measure.shape must hold lengths of 0 or more, got {self.shape}")


@dataclass(frozen=True)
class Sound:
    """Samples of the default track: float32 ``(N, channels)``, 1 or 2 channels, full scale at 1.

    ``N`` is the length of the clip at ``rate_hz``. Sample 0 sounds with the clip's first frame, on the
    pictures' repaired clock. Gaps are silent. A clip in which the source has no sound has no samples.
    """

    rate_hz: int = 16_000
    channels: int = 1

    def __post_init__(self) -> None:
        if not (1000 <= self.rate_hz <= MAX_RATE_HZ and self.channels in (1, 2)):
            raise ValueError(f"Sound needs rate_hz of 1000 to {MAX_RATE_HZ} and 1 or 2 channels, got {self}")


Sample = Frames | Motion | Measure
"""A read that samples the picture on a time grid."""


@dataclass(frozen=True)
class Reads:
    """Everything that one stage reads.

    ``thumbnails`` are uint8 ``(27, 48, 3)`` RGB of every frame. ``source`` is the source file itself.
    ``columns`` are ``"key:column"``, or a bare name where one stage only writes it; ``artifacts`` are
    ``"key.artifact"``. ``more_frames`` are for a stage that samples frames at several rates.
    """

    frames: Frames | None = None
    thumbnails: bool = False
    motion: Motion | None = None
    measures: tuple[Measure, ...] = ()
    sound: Sound | None = None
    source: bool = False
    columns: tuple[str, ...] = ()
    artifacts: tuple[str, ...] = ()
    more_frames: tuple[Frames, ...] = ()

    def all_frames(self) -> tuple[Frames, ...]:
        """Returns the reads of frames, ``frames`` first."""
        return (self.frames, *self.more_frames) if self.frames else self.more_frames

    def kinds(self) -> frozenset[ReadKind]:
        """Returns the kinds of what is read of the file."""
        there: dict[ReadKind, bool] = {
            "frames": bool(self.all_frames()),
            "thumbnails": self.thumbnails,
            "motion": self.motion is not None,
            "measure": bool(self.measures),
        }
        there["decode"] = any(there.values())
        there |= {"sound": self.sound is not None, "source": self.source}
        return frozenset(kind for kind, is_read in there.items() if is_read)

    def samples(self) -> Iterator[Sample]:
        """Yields the reads that sample the picture on a time grid."""
        yield from self.all_frames()
        if self.motion:
            yield self.motion
        yield from self.measures


@dataclass(frozen=True)
class Effect:
    """An option at a value that changes results of some videos only: those whose split has ``trait``.

    ``text`` is what their rows say of it. ``reads`` are the kinds of reads that it changes, for every stage
    with one of them; without any it changes the rows of the stage that has the option.
    """

    text: str
    trait: str
    reads: tuple[ReadKind, ...] = ()

"""What one pass over a video, and one cut of its clips, is asked for and gives back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from clipmill.records import ShownAs
from clipmill.stages.decoder import Decoder, DecoderQuality, Deinterlace
from clipmill.stages.reads import Measure, Motion, Sample

THUMBNAIL_HW = (27, 48)
WHOLE = 1 << 40
"""Frames of a piece that is all of a video."""


@dataclass(frozen=True)
class ScanPlan:
    """What the one demux-and-decode pass collects: the union of what the stages read.

    Each of ``samples`` lies on a time grid of its own. ``piece_frames`` hands the arrays out in pieces of so
    many frames, each as soon as it is whole. ``sound_levels`` reads the sound beside the pictures, of the
    audio track with the number ``sound_track``, or of the default one. Thumbnails are of frames as they were
    decoded, of lines of either field.
    """

    thumbnails: bool = True
    samples: tuple[Sample, ...] = ()
    decoder: Decoder = "cpu"
    piece_frames: int | None = None
    sound_levels: bool = False
    sound_track: int | None = None
    deinterlace: Deinterlace = "auto"
    quality: DecoderQuality = "exact"

    @property
    def reads_vectors(self) -> bool:
        """Whether the decoder has to give its own motion vectors."""
        return any(isinstance(read, Motion) and read.source == "vectors" for read in self.samples)


@dataclass(frozen=True)
class DamagedFrames:
    """Frames that the decoder patched, from ``start_frame`` on, or pictures lost behind that frame."""

    start_frame: int
    num_patched: int = 0
    num_lost: int = 0


@dataclass(frozen=True)
class ScanFacts:
    """What the pass counted, as opposed to what the headers claim.

    ``duration_s`` runs from the first frame shown to the end of the last. ``is_partial`` with
    ``partial_reason`` says what is missing or damaged, and from which second on. ``repaired_times`` counts
    frames whose timestamps were missing or out of order and had to be made up; empty when there are none.
    ``oddities`` says in words what else is unusual (interlaced, mirrored, high dynamic range, sizes that
    change) and what was done with it. ``traits`` are those of them that options depend on, as ``hdr``.
    ``decoder`` says who decoded, and why not NVDEC where that was tried. ``failed_measures`` holds the first
    error of each Measure that raised one. ``clock_jumps`` where the file's times come several times, as in
    joined recordings, so that they do not say where a packet belongs. ``damaged`` names frames. ``shown`` is
    what tells it from other files with the same packets.
    """

    num_frames: int
    duration_s: float
    time_base: Fraction
    is_vfr: bool
    is_partial: bool
    partial_reason: str
    content_digest: str
    audio_digest: str | None
    bytes_read: int
    cpu_s: float
    repaired_times: str = ""
    oddities: str = ""
    traits: tuple[str, ...] = ()
    decoder: str = "cpu"
    failed_measures: Mapping[Measure, str] = field(default_factory=dict[Measure, str])
    clock_jumps: bool = False
    damaged: tuple[DamagedFrames, ...] = ()
    shown: ShownAs = field(default_factory=ShownAs)


@dataclass(frozen=True)
class Samples:
    """What was taken at S instants of a time grid.

    ``frames`` is int64 ``(S,)``: the number of the frame that each instant shows, ascending. ``values`` are
    arrays with a row for each instant:

    - Motion: float32 ``(S, By, Bx)``, length of a block's flow over (height + width), from the frame before.
      With ``separate_camera`` also float32 ``(S, 2)``, mean lengths of the camera's flow and of the blocks'
      own, likewise over (height + width).
    - Measure: float32 ``(S, *shape)``; NaN where its function failed.
    - Frames: none. Their pictures are found by frame number among those of their height.
    - Pictures of a height, of distinct frames: uint8 ``(S, h, w, 3)`` RGB, upright, square pixels.
    """

    frames: np.ndarray
    values: tuple[np.ndarray, ...] = ()


@dataclass(frozen=True)
class ScanArrays:
    """Per-frame arrays of one video, in display order; read-only memory maps of the spool.

    N frames are shown.

    - ``pts``: int64 ``(N + 1,)`` in ``time_base``; the last entry is the end of the last frame.
    - ``times_s``: float64 ``(N + 1,)``, ``(pts - pts[0]) * time_base``.
    - ``is_key``: bool ``(N,)``, key pictures (IDR or CRA, or the codec's own).
    - ``thumbnails``: uint8 ``(N, 27, 48, 3)`` RGB; ``(0, 27, 48, 3)`` when not asked for.
    - ``levels``: float32 ``(N,)``, loudness of the sound around each frame in dB of full scale, NaN where it
      is not known; ``(0,)`` when not asked for.
    - ``samples``: what each read of the plan gets, on its own grid.
    - ``pictures``: height in pixels -> the pictures that ``Frames`` of this height share.

    Of a part of a video, ``first_frame`` is the number of the frame of the first thumbnail; what the arrays
    say counts from the video's first frame.
    """

    pts: np.ndarray
    times_s: np.ndarray
    is_key: np.ndarray
    thumbnails: np.ndarray
    samples: Mapping[Sample, Samples] = field(default_factory=dict[Sample, Samples])
    pictures: Mapping[int, Samples] = field(default_factory=dict[int, Samples])
    levels: np.ndarray = field(default_factory=lambda: np.empty(0, np.float32), kw_only=True)
    first_frame: int = field(default=0, kw_only=True)

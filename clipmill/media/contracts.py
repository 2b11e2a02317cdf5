"""What one pass over a video, and one cut of its clips, is asked for and gives back."""

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

import numpy as np

from clipmill.stages.video.io.video_reader import Decoder

THUMBNAIL_HW = (27, 48)


@dataclass(frozen=True)
class ScanPlan:
    """What the one demux-and-decode pass collects: the union of what the stages need. None means not needed.

    Frames are sampled on a fixed grid: for every k, the frame shown at ``k / fps`` seconds after the first
    frame. ``piece_frames`` hands the arrays out in pieces of so many frames, each as soon as it is whole.
    """

    thumbnails: bool = True
    motion_fps: float | None = None
    motion_source: Literal["blocks", "vectors"] = "blocks"
    separates_camera: bool = False
    quality_fps: float | None = None
    frames_fps: float | None = None
    frames_height_px: int = 240
    decoder: Decoder = "cpu"
    piece_frames: int | None = None


@dataclass(frozen=True)
class ScanFacts:
    """What the pass counted, as opposed to what the headers claim.

    ``duration_s`` runs from the first frame shown to the end of the last. ``is_partial`` with
    ``partial_reason`` says what is missing or damaged, and from which second on. ``repaired_times`` counts
    frames whose timestamps were missing or out of order and had to be made up; empty when there are none.
    ``oddities`` says in words what else is unusual (interlaced, mirrored, high dynamic range, sizes that
    change) and what was done with it. ``decoder`` says who decoded, and why not NVDEC where that was tried.
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
    decoder: str = "cpu"


@dataclass(frozen=True)
class ScanArrays:
    """Per-frame arrays of one video, in display order; read-only memory maps of the spool.

    N frames are shown.

    - ``pts``: int64 ``(N + 1,)`` in ``time_base``; the last entry is the end of the last frame.
    - ``times_s``: float64 ``(N + 1,)``, ``(pts - pts[0]) * time_base``.
    - ``is_key``: bool ``(N,)``, key pictures (IDR or CRA, or the codec's own).
    - ``thumbnails``: uint8 ``(N, 27, 48, 3)`` RGB; ``(0, 27, 48, 3)`` when not asked for.
    - ``motion_frames``: int64 ``(M,)``, the frame of each measured instant (against the one before it).
    - ``motion_blocks``: float32 ``(M, By, Bx)``, length of a block's flow over (height + width).
    - ``motion_parts``: float32 ``(M, 2)``, mean lengths of the camera's flow and of the blocks' own, likewise
      over (height + width); ``(0, 2)`` when not asked for.
    - ``quality_frames``: int64 ``(Q,)``, the frame of each quality sample.
    - ``quality_measures``: float32 ``(Q, K)``, columns ``clipmill.scores.quality.FRAME_MEASURES``.
    - ``sampled_frames``: int64 ``(S,)``, the frame of each instant of the grid.
    - ``frames``: uint8 ``(S, h, w, 3)`` RGB, upright (rotation applied), square pixels.

    Of a part of a video, ``first_frame`` is the number of the frame of the first thumbnail, and
    ``first_sample`` of the instant of the first of ``frames``; what the arrays say counts from the video's
    first frame.
    """

    pts: np.ndarray
    times_s: np.ndarray
    is_key: np.ndarray
    thumbnails: np.ndarray
    motion_frames: np.ndarray
    motion_blocks: np.ndarray
    motion_parts: np.ndarray
    quality_frames: np.ndarray
    quality_measures: np.ndarray
    sampled_frames: np.ndarray
    frames: np.ndarray
    first_frame: int = field(default=0, kw_only=True)
    first_sample: int = field(default=0, kw_only=True)


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
    crop: tuple[int, int, int, int] | None = None
    """Left, top, width and height of what it shows of the upright source, where a size was asked for."""

"""Plans with at most one read of each kind, and what such a pass took."""

from fractions import Fraction
from pathlib import Path

import numpy as np

from clipmill.media.scan.scan import load_arrays, scan
from clipmill.media.types import Samples, ScanArrays, ScanFacts, ScanPlan
from clipmill.scores.quality import FRAME_MEASURES
from clipmill.stages.reads import Frames, Measure, Motion, MotionSource, Sample

THUMBNAILS = ScanPlan()
QUALITY = "clipmill.scores.quality:frame_measures"


def quality(fps: float) -> Measure:
    return Measure(QUALITY, Fraction(fps), (len(FRAME_MEASURES),))


def plan_of(
    *,
    frames_fps: float | None = None,
    height_px: int = 240,
    motion_fps: float | None = None,
    motion_source: MotionSource = "blocks",
    quality_fps: float | None = None,
    thumbnails: bool = True,
    piece_frames: int | None = None,
) -> ScanPlan:
    """None means not read."""
    reads: list[Sample] = []
    if frames_fps is not None:
        reads.append(Frames(Fraction(frames_fps), height_px))
    if motion_fps is not None:
        reads.append(Motion(Fraction(motion_fps), motion_source))
    if quality_fps is not None:
        reads.append(quality(quality_fps))
    return ScanPlan(thumbnails, tuple(reads), piece_frames=piece_frames)


def taken(arrays: ScanArrays, kind: type[Sample]) -> Samples:
    """Of the only read of a kind."""
    [samples] = [each for read, each in arrays.samples.items() if isinstance(read, kind)]
    return samples


def pictures(arrays: ScanArrays) -> np.ndarray:
    """A picture for each instant of the only read of frames, uint8 ``(T, h, w, 3)``."""
    [stored] = arrays.pictures.values()
    return stored.values[0][np.searchsorted(stored.frames, taken(arrays, Frames).frames)]


def scanned(path: Path, plan: ScanPlan = THUMBNAILS) -> tuple[ScanFacts, ScanArrays]:
    """The scan of a film, spooled beside it."""
    spool = str(path.parent / f"{path.name}.spool")
    facts = scan(str(path), plan, spool)
    return facts, load_arrays(spool)

"""What the one pass has to sample for the stages that need it, and which of it belongs to a clip. Pure."""

from collections.abc import Iterable
from fractions import Fraction
from math import gcd, lcm

import numpy as np

from clipmill.media.contracts import ScanArrays, ScanPlan
from clipmill.plan import RunPlan
from clipmill.records import FrameSpan
from clipmill.stages.video.clipping.content_extraction import ShotClipRules
from clipmill.stages.video.embedding.learned import LearnedEmbeddingStage

EMBEDDING_HEIGHT_PX = 240
RATE_DENOMINATOR = 1000
"""Rates are taken as fractions of at most this denominator: 23.976 is 23976/1000."""


def scan_plan(plan: RunPlan, missing: frozenset[str]) -> ScanPlan:
    """The union of what the missing stages need of one pass."""
    rates = frame_rates(plan, missing)
    detects = "split" in missing and isinstance(plan.extractor, ShotClipRules)
    return ScanPlan(
        thumbnails=detects or "quality" in missing or bool(plan.customs_after("scan")),
        motion_fps=plan.motion.target_fps if plan.motion and "motion" in missing else None,
        motion_source=plan.motion.motion_source if plan.motion else "blocks",
        separates_camera=plan.motion is not None and plan.motion.separate_camera,
        quality_fps=plan.quality.sample_fps if plan.quality and "quality" in missing else None,
        frames_fps=float(common_rate(rates)) if rates else None,
        frames_height_px=_frames_height_px(plan, missing),
        decoder=plan.reader.decoder,
    )


def frame_rates(plan: RunPlan, missing: frozenset[str]) -> list[float]:
    """Frames a second that each missing stage samples."""
    rates: list[float] = []
    if plan.aesthetics and "aesthetic" in missing:
        rates.append(plan.aesthetics.target_fps)
    if missing & {"answers", "caption"}:
        rates.append(plan.windows.sampling_fps)
    if plan.embedding and "embed" in missing:
        rates.append(plan.embedding.target_fps)
    if plan.preview and "preview" in missing:
        rates.append(plan.preview.target_fps)
    if plan.frames and ("frames" in missing or plan.customs or plan.writer is None):
        rates.extend(plan.frames.rates_fps)
    return rates


def common_rate(rates: Iterable[float]) -> Fraction:
    """The smallest rate of which every given rate takes each n-th frame."""
    exact = [Fraction(rate).limit_denominator(RATE_DENOMINATOR) for rate in rates]
    return Fraction(lcm(*(rate.numerator for rate in exact)), gcd(*(rate.denominator for rate in exact)))


def frames_of_clip(arrays: ScanArrays, span: FrameSpan, *, grid_fps: float, fps: float) -> np.ndarray:
    """Sampled frames of a clip at ``fps``: uint8 ``(T, h, w, 3)``; every n-th instant of the grid, n whole.

    The instants count from the first frame of the *video*, so that overlapping clips share their frames.
    """
    step = round(grid_fps / fps)
    first, last = np.searchsorted(arrays.sampled_frames, [span.start_frame, span.end_frame])
    indices = np.arange(first, last)
    on_grid = indices[(indices + arrays.first_sample) % step == 0]
    return np.asarray(arrays.frames[on_grid if len(on_grid) else indices[:1]])


def frames_bytes_of_clip(arrays: ScanArrays, span: FrameSpan, *, rates: Iterable[float], budget: int) -> int:
    """At most so many bytes ``frames_of_clip`` takes for all ``rates``, thinned to shares of ``budget``."""
    shares = budget_shares(rates, budget)
    if not shares:
        return 0
    inside = samples_inside(arrays.sampled_frames, span, paired=False)
    frame_bytes = int(np.prod(arrays.frames.shape[1:]))
    grid_fps = float(common_rate(shares))
    num_samples = inside.stop - inside.start
    return sum(
        min(share, -(-num_samples // round(grid_fps / fps)) * frame_bytes) for fps, share in shares.items()
    )


def budget_shares(rates: Iterable[float], budget: int) -> dict[float, int]:
    """Rate -> bytes of one clip's frames at it: faster rates get more, so that all thin out alike."""
    wanted = sorted(set(rates))
    return {fps: int(budget * fps / sum(wanted)) for fps in wanted}


def samples_inside(frame_indices: np.ndarray, span: FrameSpan, *, paired: bool) -> slice:
    """Which samples lie in a clip; ``paired`` ones compare a frame with the one before, also inside."""
    first_frame = span.start_frame + 1 if paired else span.start_frame
    first, last = np.searchsorted(frame_indices, [first_frame, span.end_frame])
    return slice(int(first), int(last))


def thin(frames: np.ndarray, budget_bytes: int) -> np.ndarray:
    """Every n-th frame, n the smallest that fits the budget; at least one frame."""
    if frames.nbytes <= budget_bytes:
        return frames
    return frames[:: -(-frames.nbytes // budget_bytes)]


def _frames_height_px(plan: RunPlan, missing: frozenset[str]) -> int:
    heights = [EMBEDDING_HEIGHT_PX]
    if isinstance(plan.embedding, LearnedEmbeddingStage) and "embed" in missing:
        heights.append(plan.embedding.frame_height_px)
    if missing & {"answers", "caption"}:
        heights.append(plan.windows.frame_height_px)
    if plan.preview and "preview" in missing:
        heights.append(plan.preview.target_height)
    if plan.frames:
        heights.append(plan.frames.target_height_px)
    return max(heights)

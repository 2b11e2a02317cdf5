"""Items of hand-made clips for tests of workers, and the reason that a stage's rules name."""

from fractions import Fraction

import numpy as np
import pyarrow as pa

from clipmill.records import ClipSpan, FrameSpan, VideoFacts
from clipmill.stages.base import Batch, Item, MotionSamples, Rule, Stage

NO_BLOCKS = np.zeros((0, 4, 6), np.float32)


def facts(width_px: int = 640, height_px: int = 360, *, rotation_deg: int = 0) -> VideoFacts:
    return VideoFacts(
        container="mp4", video_codec="h264", pixel_format="yuv420p", width_px=width_px, height_px=height_px,
        rotation_deg=rotation_deg, sar=Fraction(1), framerate=Fraction(25), time_base=Fraction(1, 12800),
        duration_s=2.0, num_frames=50, bit_rate_k=500,
    )  # fmt: skip


def item(
    name: str = "clip",
    *,
    video: VideoFacts | None = None,
    frames: np.ndarray | None = None,
    thumbnails: np.ndarray | None = None,
    motion: MotionSamples | None = None,
    measures: tuple[np.ndarray, ...] = (),
) -> Item:
    """A clip of two seconds at the start of its video, with what a stage reads of it."""
    span = ClipSpan(name, FrameSpan(0, 50), start_pts=0, end_pts=25600, start_s=0.0, end_s=2.0)
    return Item(
        name,
        span,
        video or facts(),
        frames=frames,
        thumbnails=thumbnails,
        thumbnail_times_s=None if thumbnails is None else np.arange(len(thumbnails) + 1) / 25,
        motion=motion,
        measures=measures,
    )


def batch(*items: Item) -> Batch:
    return Batch(items)


def moved(blocks: np.ndarray, parts: np.ndarray | None = None) -> MotionSamples:
    """Samples of motion; without ``parts`` the camera was not told apart."""
    return MotionSamples(blocks, np.zeros((0, 2), np.float32) if parts is None else parts)


def clip_of(num_frames: int, *, seed: int = 0, height_px: int = 40, width_px: int = 64) -> np.ndarray:
    """Frames of noise, uint8 ``(num_frames, height_px, width_px, 3)``."""
    return np.random.default_rng(seed).integers(0, 256, (num_frames, height_px, width_px, 3), dtype=np.uint8)


def reason(stage: Stage, **columns: object) -> str | None:
    """The reason of the first rule that rejects a row with ``columns``; their names go without a key."""
    return next((rule.reason for rule in stage.rules() if _rejects(rule, columns)), None)


def _rejects(rule: Rule, columns: dict[str, object]) -> bool:
    value = columns.get(rule.column.rpartition(":")[2])
    if value is None:
        return False
    if value in rule.equals:
        return True
    return isinstance(value, float) and not (
        (rule.min is None or value >= rule.min) and (rule.max is None or value <= rule.max)
    )


def table(stage: Stage, *rows: dict[str, object]) -> pa.Table:
    """Rows as the state holds them: the stage's columns that are not derived."""
    kept = [(column.name, column.type) for column in stage.writes if not column.derived]
    return pa.Table.from_pylist(list(rows), pa.schema(kept))

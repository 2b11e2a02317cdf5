"""Rows of the videos and shots tables. Pure."""

from collections.abc import Mapping, Sequence
from fractions import Fraction

import numpy as np
import pyarrow as pa

from clipmill.dataset.rows.video_fates import VideoFate
from clipmill.dataset.schemas import SHOTS, VIDEOS
from clipmill.state.splits import Row, Splits
from clipmill.storage.source_columns import SourceColumns

_INSPECTED = (
    "video_id", "duration_s", "num_frames", "width", "height", "rotation_deg", "sar", "video_codec",
    "pixel_format", "audio_codec", "bit_rate_k",
)  # fmt: skip
_SCANNED = ("content_digest", "audio_digest", "is_partial", "partial_reason", "is_vfr")


def curated_items(videos: Sequence[VideoFate]) -> np.ndarray:
    """Returns the items of the curated videos, in their order."""
    return np.array([video.item for video in videos if video.status == "curated"], np.int64)


def video_table(videos: Sequence[VideoFate], splits: Splits, known: SourceColumns | None = None) -> pa.Table:
    """Returns one row for each source, with what the user knows of it."""
    dropped_s = _dropped_by_item(splits)
    rows = [dict(_video_row(video, splits, dropped_s)) for video in videos]
    table = pa.Table.from_pylist(rows, schema=VIDEOS)
    return known.beside(table, key="uri") if known else table


def _video_row(fate: VideoFate, splits: Splits, dropped_s: np.ndarray) -> Row:
    """One source. Length and number of frames are the scan's where there was one, else the header's word.

    ``duplicate_of`` is a URI: a renamed copy has the same ``video_id`` as its keeper.
    """
    inspection, split = fate.inspection or {}, fate.split or {}
    return {
        "source_version": fate.source.source_version,
        "uri": fate.source.uri,
        "size_bytes": fate.source.size_bytes,
        "status": fate.status,
        "reason": fate.reason,
        "message": fate.message or None,
        "duplicate_of": fate.duplicate.duplicate_of if fate.duplicate else None,
        **{name: inspection.get(name) for name in _INSPECTED},
        **_framerate(inspection),
        **{name: split.get(name) for name in _SCANNED},
        "oddities": _oddities(split) if split.get("content_digest") else None,
        **{name: split[name] for name in ("duration_s", "num_frames") if split.get(name) is not None},
        **(_counts(fate.item, splits, dropped_s) if fate.status == "curated" else {}),
    }


def _oddities(split: Row) -> str:
    """What was unusual and what was done with it, times first; empty for an ordinary video."""
    return "; ".join(str(split[name]) for name in ("repaired_times", "oddities") if split.get(name))


def _framerate(inspection: Row) -> Row:
    if inspection.get("framerate") is None:
        return {}
    rate = Fraction(str(inspection["framerate"]))
    return {"framerate_num": rate.numerator, "framerate_den": rate.denominator}


def _counts(item: int, splits: Splits, dropped_s: np.ndarray) -> Row:
    shots, clips = splits.shots.of(item), splits.clips.of(item)
    return {
        "num_shots": shots.stop - shots.start,
        "num_clips": clips.stop - clips.start,
        "dropped_s": float(dropped_s[item]),
    }


def shot_table(videos: Sequence[VideoFate], splits: Splits) -> pa.Table:
    """Returns the shots of the curated videos, in order."""
    curated = [video for video in videos if video.status == "curated"]
    items = curated_items(videos)
    places, owners = splits.shots.places_of(items)
    found = splits.shots.rows.take(pa.array(places))
    owner = pa.array(owners)
    video_ids = pa.array([video.inspection["video_id"] for video in curated if video.inspection], pa.string())
    detectors = pa.array([video.split["detector"] for video in curated if video.split], pa.string())
    index = places - splits.shots.starts[items][owners]
    columns = {
        "video_id": video_ids.take(owner),
        "shot_index": pa.array(index, pa.int32()),
        "detector": detectors.take(owner),
    }
    arrays = [columns[name] if name in columns else found[name] for name in SHOTS.names]
    return pa.table(arrays, schema=SHOTS)


def _seconds(dropped: pa.Table) -> np.ndarray:
    return dropped["end_s"].to_numpy() - dropped["start_s"].to_numpy()


def _dropped_by_item(splits: Splits) -> np.ndarray:
    """Seconds ``(N,)`` of each video that are in no clip."""
    lists = splits.dropped
    owners = np.repeat(np.arange(len(lists.starts) - 1), np.diff(lists.starts))
    return np.bincount(owners, weights=_seconds(lists.rows), minlength=len(lists.starts) - 1)


def dropped_by_cause(videos: Sequence[VideoFate], splits: Splits) -> Mapping[str, float]:
    """Returns the seconds of the curated videos that are in no clip, by cause."""
    places, _ = splits.dropped.places_of(curated_items(videos))
    dropped = splits.dropped.rows.take(pa.array(places))
    causes = dropped["cause"].combine_chunks().dictionary_encode()
    seconds = np.bincount(causes.indices.to_numpy(), weights=_seconds(dropped))
    return dict(sorted(zip(causes.dictionary.to_pylist(), seconds.tolist(), strict=True)))

"""Rows of the videos and shots tables. Pure."""

from collections.abc import Iterator
from fractions import Fraction
from typing import cast

from clipmill.dataset.collect import Row
from clipmill.dataset.video_fates import VideoFate

_INSPECTED = (
    "video_id", "duration_s", "num_frames", "width", "height", "rotation_deg", "sar", "video_codec",
    "pixel_format", "audio_codec", "bit_rate_k",
)  # fmt: skip
_SCANNED = ("content_digest", "audio_digest", "is_partial", "partial_reason", "is_vfr")


def video_row(fate: VideoFate) -> Row:
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
        **(_counts(fate, split) if fate.status == "curated" else {}),
    }


def _oddities(split: Row) -> str:
    """What was unusual and what was done with it, times first; empty for an ordinary video."""
    return "; ".join(str(split[name]) for name in ("repaired_times", "oddities") if split.get(name))


def _framerate(inspection: Row) -> Row:
    if inspection.get("framerate") is None:
        return {}
    rate = Fraction(str(inspection["framerate"]))
    return {"framerate_num": rate.numerator, "framerate_den": rate.denominator}


def _counts(fate: VideoFate, split: Row) -> Row:
    dropped = cast("list[dict[str, float]]", split["dropped"] or [])
    return {
        "num_shots": len(cast("list[object]", split["shots"] or [])),
        "num_clips": len(fate.clips),
        "dropped_s": sum(span["end_s"] - span["start_s"] for span in dropped),
    }


def shot_rows(fate: VideoFate) -> Iterator[Row]:
    """The shots of a curated video, in order."""
    if fate.status != "curated" or fate.split is None or fate.inspection is None:
        return
    for index, shot in enumerate(cast("list[dict[str, object]]", fate.split["shots"] or [])):
        yield {
            "video_id": fate.inspection["video_id"],
            "shot_index": index,
            "detector": fate.split["detector"],
            **shot,
        }

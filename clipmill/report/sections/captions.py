"""Captions that windows of unrelated clips share. Pure."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import pyarrow as pa

from clipmill.report import words
from clipmill.report.plan_records import CaptionColumns
from clipmill.report.view import RepeatsView

MIN_REPEATS = 2
"""Windows of different videos with one text; a clip of its own copy says nothing."""
MAX_SHOWN = 5


def repeated_captions(
    windows: pa.Table, clips: pa.Table, columns: Sequence[CaptionColumns]
) -> tuple[RepeatsView, ...]:
    """Returns the stages with captions that clips of different videos share.

    Clips that duplicate another may well have its caption, and are left out.
    """
    unique = {
        row["clip_id"]: row["video_id"]
        for row in clips.select(["clip_id", "video_id", "status"]).to_pylist()
        if row["status"] == "kept"
    }
    views = (_repeats(windows, unique, one) for one in columns)
    return tuple(view for view in views if view.num_repeated)


def _repeats(windows: pa.Table, unique: Mapping[str, str], columns: CaptionColumns) -> RepeatsView:
    repeated = _repeated(windows, unique, columns.caption)
    return RepeatsView(
        name=words.reason(columns.key),
        repeated=tuple((words.plain(text), num, of) for text, num, of in repeated[:MAX_SHOWN]),
        num_repeated=sum(num for _, num, _ in repeated),
    )


def _repeated(windows: pa.Table, unique: Mapping[str, str], column: str) -> list[tuple[str, int, int]]:
    """(text, windows, videos) of texts that several videos share, the most frequent first."""
    places: defaultdict[str, list[str]] = defaultdict(list)
    for clip_id, text in zip(windows["clip_id"].to_pylist(), windows[column].to_pylist(), strict=True):
        if text and clip_id in unique:
            places[" ".join(text.split())].append(unique[clip_id])
    counted = ((text, len(videos), len(set(videos))) for text, videos in places.items())
    return sorted((one for one in counted if one[2] >= MIN_REPEATS), key=lambda one: (-one[1], one[0]))

"""How captions turned out: their statuses, and texts that windows of unrelated clips share. Pure."""

from collections import Counter, defaultdict

import pyarrow as pa

from clipmill.review import wording
from clipmill.review.view import CaptionsView

MIN_REPEATS = 2
"""Windows of different videos with one text; a clip of its own copy says nothing."""
MAX_SHOWN = 5


def captions_view(windows: pa.Table, clips: pa.Table) -> CaptionsView:
    """Counts over all windows; equal captions count where their clips are of different videos.

    Clips that duplicate another may well have its caption, and are left out.
    """
    unique = {
        row["clip_id"]: row["video_id"]
        for row in clips.select(["clip_id", "video_id", "status"]).to_pylist()
        if row["status"] == "kept"
    }
    places: defaultdict[str, list[str]] = defaultdict(list)
    for row in windows.select(["clip_id", "caption"]).to_pylist():
        if row["caption"] and row["clip_id"] in unique:
            places[" ".join(row["caption"].split())].append(unique[row["clip_id"]])
    repeated = sorted(
        (
            (text, len(videos), len(set(videos)))
            for text, videos in places.items()
            if len(set(videos)) >= MIN_REPEATS
        ),
        key=lambda one: (-one[1], one[0]),
    )
    return CaptionsView(
        statuses=_counted(windows, "status"),
        enhanced=_counted(windows, "enhanced_status"),
        repeated=tuple((wording.plain(text), num, of) for text, num, of in repeated[:MAX_SHOWN]),
        num_repeated=sum(num for _, num, _ in repeated),
        num_windows=windows.num_rows,
    )


def _counted(windows: pa.Table, column: str) -> tuple[tuple[str, int], ...]:
    counts = Counter(value for value in windows[column].to_pylist() if value)
    return tuple(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))

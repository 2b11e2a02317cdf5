"""Nothing is lost and nothing is counted twice: checked before anything is published. Pure."""

from collections import Counter
from typing import Any, cast

import numpy as np
import pyarrow as pa

from clipmill import arrow
from clipmill.dataset.assemble import Tables
from clipmill.errors import ConservationError

VIDEO_STATUSES = {"curated", "rejected", "failed", "duplicate", "pending"}
CLIP_STATUSES = {"kept", "filtered", "failed", "duplicate"}
_ROUNDING_S = 1e-3


def check_conservation(tables: Tables, *, num_found: int) -> None:
    """Raise ConservationError naming the numbers unless everything found is accounted for.

    ``tables`` are of a range of sources or of all; ``num_found`` is how many were listed. Seconds are
    compared for each curated video: clips (once where they overlap) and dropped time make up its length,
    within one frame per cut.
    """
    _check_videos(tables, num_found)
    _check_clips(tables)
    _check_rejections(tables)
    _check_seconds(tables)


def _check_videos(tables: Tables, num_found: int) -> None:
    _check_unique("videos", "uri", tables.videos)
    statuses = _statuses("videos", tables.videos, allowed=VIDEO_STATUSES)
    if sum(statuses.values()) != num_found:
        raise ConservationError(f"{num_found} videos were found, the videos table has {_listed(statuses)}")


def _check_clips(tables: Tables) -> None:
    _check_unique("clips", "clip_id", tables.clips)
    _statuses("clips", tables.clips, allowed=CLIP_STATUSES)
    counted = _counts(tables.clips["source_uri"])
    columns = (tables.videos[name].to_pylist() for name in ("uri", "status", "num_clips"))
    for uri, status, num_clips in zip(*columns, strict=True):
        expected = num_clips if status == "curated" else 0
        if counted.pop(uri, 0) != expected:
            raise ConservationError(f"{uri} ({status}) has {expected} clips, the clips table has others")
    if counted:
        raise ConservationError(f"clips of videos that were not found: {', '.join(sorted(counted))}")


def _check_rejections(tables: Tables) -> None:
    videos, clips = _counts(tables.videos["status"]), _counts(tables.clips["status"])
    rejected, filtered = videos["rejected"], clips["filtered"]
    if len(tables.rejections) != rejected + filtered:
        raise ConservationError(
            f"{rejected} videos are rejected and {filtered} clips filtered, "
            f"the rejections table has {len(tables.rejections)} rows"
        )
    copies, repeats = videos["duplicate"], clips["duplicate"]
    if len(tables.duplicates) != copies + repeats:
        raise ConservationError(
            f"{copies} videos and {repeats} clips are duplicates, "
            f"the duplicates table has {len(tables.duplicates)} rows"
        )


def _check_seconds(tables: Tables) -> None:
    covered = covered_by_source(tables.clips)
    names = ("uri", "status", "duration_s", "dropped_s", "num_frames", "num_shots")
    columns = (tables.videos[name].to_pylist() for name in names)
    for uri, status, duration_s, dropped_s, num_frames, num_shots in zip(*columns, strict=True):
        if status != "curated":
            continue
        in_clips_s = covered.get(uri, 0.0)
        allowed_s = duration_s / max(num_frames, 1) * (num_shots + 1) + _ROUNDING_S
        if abs(duration_s - in_clips_s - dropped_s) > allowed_s:
            raise ConservationError(
                f"{uri} lasts {duration_s:.3f} s, but its clips cover {in_clips_s:.3f} s "
                f"and {dropped_s:.3f} s are dropped"
            )


def _check_unique(table: str, column: str, rows: pa.Table) -> None:
    counts = rows.group_by(column).aggregate([([], "count_all")])
    again = counts.filter(arrow.greater(counts["count_all"], 1))
    if twice := sorted(again[column].to_pylist()):
        raise ConservationError(f"the {table} table has {', '.join(twice[:5])} more than once")


def _statuses(table: str, rows: pa.Table, *, allowed: set[str]) -> Counter[str]:
    counts = _counts(rows["status"])
    if unknown := set(counts) - allowed:
        raise ConservationError(f"the {table} table has status {', '.join(sorted(map(str, unknown)))}")
    return counts


def _counts(column: pa.ChunkedArray) -> Counter[str]:
    pairs = cast("list[dict[str, Any]]", column.value_counts().to_pylist())
    return Counter({pair["values"]: pair["counts"] for pair in pairs})


def _listed(counts: Counter[str]) -> str:
    return " + ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "none"


def covered_by_source(clips: pa.Table) -> dict[str, float]:
    """Source URI -> seconds of it that are in a clip, counted once, whatever became of the clip."""
    sources = clips["source_uri"].combine_chunks().dictionary_encode()
    codes = sources.indices.to_numpy()
    start_s, end_s = (clips[name].to_numpy() for name in ("start_s", "end_s"))
    order = np.lexsort((end_s, start_s, codes))
    codes, start_s, end_s = codes[order], start_s[order], end_s[order]
    start_s = np.maximum(start_s, _reached(codes, end_s))
    seconds = np.maximum(end_s - start_s, 0.0)
    covered = np.bincount(codes, weights=seconds, minlength=len(sources.dictionary))
    return dict(zip(sources.dictionary.to_pylist(), covered.tolist(), strict=True))


def _reached(codes: np.ndarray, end_s: np.ndarray) -> np.ndarray:
    """The end of the latest clip of the same source before each clip; minus infinity before the first.

    ``codes`` are ascending. Ends are nearly always ascending too: only other sources are walked through.
    """
    before = np.full(len(end_s), -np.inf)
    is_same = codes[1:] == codes[:-1]
    before[1:][is_same] = end_s[:-1][is_same]
    for code in np.unique(codes[1:][is_same & (end_s[1:] < end_s[:-1])]):
        first, stop = np.searchsorted(codes, [code, code + 1])
        before[first + 1 : stop] = np.maximum.accumulate(end_s[first : stop - 1])
    return before

"""Counts the funnel of a snapshot from its tables. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from clipmill import arrow
from clipmill.dataset.assemble import Tables
from clipmill.dataset.conservation import covered_by_source
from clipmill.outcomes.funnel import Count, Counts, Funnel
from clipmill.outcomes.run_end import merged
from clipmill.planning.plan import Plan
from clipmill.stages.columns import CAPTION, ENHANCED_CAPTION, SOUND, STATUS


@dataclass(frozen=True)
class StatusColumns:
    """Published columns that the funnel counts by value, as the stages of a plan name them.

    ``sound`` of the clips says what became of their sound; empty without an encoder. ``captions`` maps the
    key of a stage to the column of the windows that says what became of its captions.
    """

    sound: str = ""
    captions: Mapping[str, str] = field(default_factory=dict[str, str])


def status_columns(plan: Plan) -> StatusColumns:
    """Returns the columns of a plan."""
    of_encoder = plan.encoder.published_columns() if plan.encoder else ()
    captions: dict[str, str] = {}
    for node in plan.nodes:
        roles = {column.role: name for name, column in node.published_columns()}
        if node.stage.grain == "window" and STATUS in roles and roles.keys() & {CAPTION, ENHANCED_CAPTION}:
            captions[node.key] = roles[STATUS]
    return StatusColumns(next((name for name, column in of_encoder if column.role == SOUND), ""), captions)


def total(parts: Iterable[Funnel]) -> Funnel:
    """Returns the funnel of all ranges together, in whole microseconds."""
    found = list(parts)
    by_reason = ("rejected", "failed", "filtered", "failed_clips", "sound")
    counts = ("found", "curated", "duplicate_videos", "pending", "clips", "kept", "duplicate_clips")
    sums: dict[str, Any] = {
        **{name: _sum(getattr(part, name) for part in found) for name in counts},
        **{name: _sums([getattr(part, name) for part in found]) for name in by_reason},
    }
    dropped_s = Counter[str]()
    captions: dict[str, Counter[str]] = {}
    for part in found:
        dropped_s.update(part.dropped_s)  # pyright: ignore[reportArgumentType] it adds any numbers
        for key, statuses in part.captions.items():
            captions.setdefault(key, Counter()).update(statuses)
    return Funnel(
        **sums,
        dropped_s={cause: round(dropped_s[cause], 6) for cause in sorted(dropped_s)},
        overlap_s=round(sum(part.overlap_s for part in found), 6),
        tolerance_s=round(sum(part.tolerance_s for part in found), 6),
        num_partial=sum(part.num_partial for part in found),
        captions={key: dict(sorted(statuses.items())) for key, statuses in captions.items()},
        failures=merged(tally for part in found for tally in part.failures),
    )


def _sums(parts: Sequence[Counts]) -> Counts:
    reasons = sorted({reason for part in parts for reason in part})
    return {reason: _sum(part[reason] for part in parts if reason in part) for reason in reasons}


def _sum(counts: Iterable[Count]) -> Count:
    return sum(counts, start=Count()).rounded()


def count_range(tables: Tables, columns: StatusColumns = StatusColumns()) -> Funnel:
    """Returns the funnel of the tables of a range, for ``total``."""
    videos = _Tally(tables.videos, tables.videos["duration_s"])
    start_s, end_s = (tables.clips[name].to_numpy() for name in ("start_s", "end_s"))
    clip_s = pa.array(end_s - start_s)
    clips = _Tally(tables.clips, clip_s)
    covered_s = sum(covered_by_source(tables.clips).values())
    return Funnel(
        found=videos.of(),
        curated=videos.of("curated"),
        rejected=videos.by_reason("rejected"),
        failed=videos.by_reason("failed"),
        duplicate_videos=videos.of("duplicate"),
        pending=videos.of("pending"),
        clips=clips.of(),
        kept=clips.of("kept"),
        filtered=clips.by_reason("filtered"),
        failed_clips=clips.by_reason("failed"),
        duplicate_clips=clips.of("duplicate"),
        dropped_s=tables.dropped_s,
        overlap_s=max(0.0, clips.of().seconds - covered_s),
        tolerance_s=_tolerance_s(tables.videos),
        num_partial=tables.videos["is_partial"].to_pylist().count(True),
        sound=_by_sound(tables.clips, columns.sound, clip_s),
        captions={key: _counted(tables.windows[name]) for key, name in columns.captions.items()},
        failures=tables.failures,
    )


def _by_sound(clips: pa.Table, column: str, seconds: pa.Array) -> Counts:
    """Kept clips by what became of their sound; empty without an encoder."""
    if column not in clips.column_names:
        return {}
    is_known = pa.array(arrow.flags(clips[column].is_valid()))
    return _Tally(clips.filter(is_known), seconds.filter(is_known), by=column).by_reason("kept")


def _counted(statuses: pa.ChunkedArray) -> Mapping[str, int]:
    return Counter(str(status) for status in statuses.drop_null().to_pylist())


def _tolerance_s(videos: pa.Table) -> float:
    """One frame for each cut and each end of a video; without a frame rate, 10 frames a second."""
    columns = ("framerate_num", "framerate_den", "num_shots", "num_clips")
    num, den, num_shots, num_clips = (
        np.nan_to_num(videos[name].to_numpy().astype(np.float64)) for name in columns
    )
    rate_fps = np.divide(num, den, out=np.full(len(num), 10.0), where=(num > 0) & (den > 0))
    return float(((num_shots + num_clips + 2) / np.maximum(rate_fps, 1.0)).sum())


class _Tally:
    """Items and seconds of a table by status and reason; ``by`` names another column than ``reason``."""

    def __init__(self, table: pa.Table, seconds: pa.Array | pa.ChunkedArray, *, by: str = "reason") -> None:
        keyed = pa.table([table["status"], table[by], seconds], ["status", "reason", "seconds"])
        totals = [("seconds", "sum"), ("seconds", "count"), ([], "count_all")]
        grouped = keyed.group_by(["status", "reason"]).aggregate(totals)
        self._counts = {
            (str(row["status"]), str(row["reason"])): Count(
                row["count_all"], row["seconds_sum"] or 0.0, row["count_all"] - row["seconds_count"]
            )
            for row in grouped.to_pylist()
        }

    def of(self, status: str = "") -> Count:
        found = (count for (own, _), count in self._counts.items() if status in ("", own))
        return sum(found, start=Count())

    def by_reason(self, status: str) -> Counts:
        return {reason: count for (own, reason), count in sorted(self._counts.items()) if own == status}

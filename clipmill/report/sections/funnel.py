"""The funnel, counted from the tables alone: what was found, what became of it, where each second went."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np
import pyarrow as pa

from clipmill.report import words
from clipmill.report.measures import LENGTH, measure_values
from clipmill.report.view import FunnelView, Step

VIDEO_STATUSES = ("rejected", "failed", "duplicate", "pending", "curated")
CLIP_STATUSES = ("filtered", "failed", "duplicate", "kept")


def count_funnel(videos: pa.Table, clips: pa.Table, *, dropped_s: Mapping[str, float]) -> FunnelView:
    """Items and seconds of ``videos`` and ``clips`` by status and reason.

    ``dropped_s`` splits the dropped time of the curated videos by cause; without it the time is one line.
    """
    video_steps = _steps(_tally(videos, videos["duration_s"].to_numpy()), VIDEO_STATUSES)
    clip_steps = _steps(_tally(clips, measure_values(clips, LENGTH)), CLIP_STATUSES)
    is_split = _is_split(videos, clips)
    whole = videos.filter(pa.array(~is_split))
    time = (
        *_named(reversed(clip_steps[1:]), "clips"),
        *_dropped(videos.filter(pa.array(is_split)), dropped_s),
        *_named(_steps(_tally(whole, whole["duration_s"].to_numpy()), VIDEO_STATUSES)[1:], "files"),
    )
    source_s, overlap_s = _sum(videos["duration_s"]), overlapping_s(clips)
    return FunnelView(
        videos=video_steps,
        clips=clip_steps,
        time=tuple(step for step in time if step.seconds),
        source_s=source_s,
        overlap_s=overlap_s,
        unaccounted_s=source_s + overlap_s - sum(step.seconds or 0.0 for step in time),
        tolerance_s=_tolerance_s(videos),
    )


def overlapping_s(clips: pa.Table) -> float:
    """Seconds of source that are counted more than once because clips overlap."""
    columns = (clips[name].to_pylist() for name in ("source_uri", "start_s", "end_s"))
    overlap_s, source, reached_s = 0.0, None, 0.0
    for uri, start_s, end_s in sorted(zip(*columns, strict=True)):
        reached_s = reached_s if uri == source else start_s
        overlap_s += max(0.0, min(reached_s, end_s) - start_s)
        source, reached_s = uri, max(reached_s, end_s)
    return overlap_s


def _tally(table: pa.Table, seconds: np.ndarray) -> dict[tuple[str, str], Step]:
    """One step per (status, reason); ``seconds`` is NaN where a length is not known."""
    columns = {
        "status": table["status"],
        "reason": table["reason"],
        "seconds": pa.array(seconds, from_pandas=True),
    }
    grouped = pa.table(columns).group_by(["status", "reason"])
    totals = grouped.aggregate([("seconds", "sum"), ("seconds", "count"), ([], "count_all")]).to_pylist()
    tally: dict[tuple[str, str], Step] = {}
    for row in sorted(totals, key=lambda row: (row["status"] or "", -row["count_all"], row["reason"] or "")):
        status, reason = row["status"] or "", row["reason"] or ""
        unknown = row["count_all"] - row["seconds_count"]
        tally[status, reason] = Step(
            status, words.reason(reason), row["count_all"], row["seconds_sum"], num_unknown=unknown
        )
    return tally


def _steps(tally: dict[tuple[str, str], Step], statuses: tuple[str, ...]) -> tuple[Step, ...]:
    """Found first, then each status in the order of the funnel, then any that is not in the closed list."""
    others = sorted({status for status, _ in tally} - set(statuses))
    steps = [_merge(status, [step for key, step in tally.items() if key[0] == status]) for status in statuses]
    steps += [_merge(status, [step for key, step in tally.items() if key[0] == status]) for status in others]
    return (_merge("found", steps, has_parts=False), *steps)


def _merge(kind: str, steps: list[Step], *, has_parts: bool = True) -> Step:
    """The sum of ``steps``; they are its parts where they have reasons."""
    seconds = [step.seconds for step in steps if step.seconds is not None]
    parts = tuple(step for step in steps if step.label != words.DASH) if has_parts else ()
    num_items = sum(step.num_items for step in steps)
    known = sum(seconds) if seconds or not num_items else None
    return Step(kind, kind, num_items, known, sum(step.num_unknown for step in steps), parts)


def _named(steps: Iterable[Step], noun: str) -> list[Step]:
    return [replace(step, label=f"{step.kind} {noun}") for step in steps]


def _is_split(videos: pa.Table, clips: pa.Table) -> np.ndarray:
    """Which videos were split, bool ``(N,)``: their time is in clips and dropped spans, not in one piece.

    A duplicate that was found only after the split, by its content, has clips of its own.
    """
    with_clips = frozenset(clips["source_uri"].unique().to_pylist())
    rows = zip(videos["status"].to_pylist(), videos["uri"].to_pylist(), strict=True)
    return np.array([status == "curated" or uri in with_clips for status, uri in rows], dtype=bool)


def _dropped(videos: pa.Table, dropped_s: Mapping[str, float]) -> list[Step]:
    """Time of split videos that is in no clip; what no cause is given for stays ``in no clip``."""
    known = [
        Step(f"dropped {cause}", f"in no clip, {words.reason(cause)}", 0, dropped_s[cause])
        for cause in sorted(dropped_s)
    ]
    rest = _sum(videos["dropped_s"]) - sum(dropped_s.values())
    return [*known, Step("dropped", "in no clip", 0, rest)] if rest > 1e-3 else known


def _sum(seconds: pa.ChunkedArray) -> float:
    return float(np.nansum(seconds.to_numpy().astype(np.float64)))


def _tolerance_s(videos: pa.Table) -> float:
    """One frame for each cut and each end of a video; without a frame rate, 10 frames a second."""
    columns = ("framerate_num", "framerate_den", "num_shots", "num_clips")
    num, den, num_shots, num_clips = (_zero_for_null(videos[name]) for name in columns)
    rate_fps = np.divide(num, den, out=np.full(len(num), 10.0), where=(num > 0) & (den > 0))
    return float(((num_shots + num_clips + 2) / np.maximum(rate_fps, 1.0)).sum()) + 1e-3


def _zero_for_null(column: pa.ChunkedArray) -> np.ndarray:
    return np.nan_to_num(column.to_numpy().astype(np.float64))

"""The funnel: what was found and what became of it, in items and in seconds. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from clipmill import arrow
from clipmill.dataset.assemble import Tables
from clipmill.dataset.coverage import covered_by_source

FAULTY_SOUND = ("repaired", "partial", "lost")
"""What the summary names of the sound of clips."""


@dataclass(frozen=True)
class Count:
    """Items and their seconds; a file of unknown length counts as 0 s."""

    items: int = 0
    seconds: float = 0.0

    def __add__(self, other: "Count") -> "Count":
        return Count(self.items + other.items, self.seconds + other.seconds)

    def rounded(self) -> "Count":
        """Returns the count in whole microseconds; of no items it is 0, without a decimal point in JSON."""
        return Count(self.items, round(self.seconds, 6) if self.items else 0)


Counts = Mapping[str, Count]


@dataclass(frozen=True)
class Funnel:
    """Videos: ``found`` = ``curated`` + ``rejected`` + ``failed`` + ``duplicate_videos`` + ``pending``.

    Clips: ``clips`` = ``kept`` + ``filtered`` + ``failed_clips`` + ``duplicate_clips``. Seconds of the
    curated videos are those of the clips, less ``overlap_s`` (counted twice where clips overlap), and
    ``dropped_s`` by cause. ``sound`` counts the clips that were kept by what became of their sound. The next
    run tries failed and pending ones again.
    """

    found: Count = field(default_factory=Count)
    curated: Count = field(default_factory=Count)
    rejected: Counts = field(default_factory=dict[str, Count])
    failed: Counts = field(default_factory=dict[str, Count])
    duplicate_videos: Count = field(default_factory=Count)
    pending: Count = field(default_factory=Count)
    clips: Count = field(default_factory=Count)
    kept: Count = field(default_factory=Count)
    filtered: Counts = field(default_factory=dict[str, Count])
    failed_clips: Counts = field(default_factory=dict[str, Count])
    duplicate_clips: Count = field(default_factory=Count)
    dropped_s: Mapping[str, float] = field(default_factory=dict[str, float])
    overlap_s: float = 0.0
    num_partial: int = 0
    sound: Counts = field(default_factory=dict[str, Count])

    @property
    def is_complete(self) -> bool:
        """True if no video or clip is pending or failed."""
        return not (self.pending.items or self.failed or self.failed_clips)

    def lines(self) -> list[str]:
        """The funnel as text, one line per step."""
        videos = [
            ("found", self.found),
            *_by_reason("rejected", self.rejected),
            *_by_reason("failed", self.failed),
            ("duplicates", self.duplicate_videos),
            ("pending", self.pending),
            ("curated", self.curated),
        ]
        clips = [
            ("cut into", self.clips),
            *_by_reason("filtered", self.filtered),
            *_by_reason("failed", self.failed_clips),
            ("duplicates", self.duplicate_clips),
            ("kept", self.kept),
        ]
        return [
            *(_line(name, f"{count.items} videos", count.seconds) for name, count in videos),
            *(_line(f"in no clip, {cause}", "", seconds) for cause, seconds in self.dropped_s.items()),
            *(_line(name, f"{count.items} clips", count.seconds) for name, count in clips),
            *(
                _line(f"kept, sound {status}", f"{count.items} clips", count.seconds)
                for status, count in self.sound.items()
                if status in FAULTY_SOUND
            ),
        ]


def _by_reason(name: str, counts: Counts) -> Iterator[tuple[str, Count]]:
    return ((f"{name}, {reason}", count) for reason, count in counts.items())


def _line(name: str, items: str, seconds: float) -> str:
    return f"{name:<28}{items:>16}{seconds:>12.1f} s"


def count_funnel(tables: Tables, *, sound_column: str = "") -> Funnel:
    """The funnel of the tables of a whole snapshot."""
    return total([count_range(tables, sound_column=sound_column)])


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
    for part in found:
        dropped_s.update(part.dropped_s)  # pyright: ignore[reportArgumentType] it adds any numbers
    return Funnel(
        **sums,
        dropped_s={cause: round(dropped_s[cause], 6) for cause in sorted(dropped_s)},
        overlap_s=round(sum(part.overlap_s for part in found), 6),
        num_partial=sum(part.num_partial for part in found),
    )


def _sums(parts: Sequence[Counts]) -> Counts:
    reasons = sorted({reason for part in parts for reason in part})
    return {reason: _sum(part[reason] for part in parts if reason in part) for reason in reasons}


def _sum(counts: Iterable[Count]) -> Count:
    return sum(counts, start=Count()).rounded()


def count_range(tables: Tables, *, sound_column: str = "") -> Funnel:
    """The funnel of the tables of a range, for ``total``.

    ``sound_column`` of the clips says what became of their sound.
    """
    lengths = [row or 0.0 for row in tables.videos["duration_s"].to_pylist()]
    videos = _Tally(tables.videos, pa.array(lengths, pa.float64()))
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
        num_partial=tables.videos["is_partial"].to_pylist().count(True),
        sound=_by_sound(tables.clips, sound_column, clip_s),
    )


def _by_sound(clips: pa.Table, column: str, seconds: pa.Array) -> Counts:
    """Kept clips by what became of their sound; empty without an encoder."""
    if column not in clips.column_names:
        return {}
    is_known = pa.array(arrow.flags(clips[column].is_valid()))
    return _Tally(clips.filter(is_known), seconds.filter(is_known), by=column).by_reason("kept")


class _Tally:
    """Items and seconds of a table by status and reason; ``by`` names another column than ``reason``."""

    def __init__(self, table: pa.Table, seconds: pa.Array, *, by: str = "reason") -> None:
        keyed = pa.table([table["status"], table[by], seconds], ["status", "reason", "seconds"])
        grouped = keyed.group_by(["status", "reason"]).aggregate([("seconds", "sum"), ("seconds", "count")])
        self._counts = {
            (str(row["status"]), str(row["reason"])): Count(row["seconds_count"], row["seconds_sum"])
            for row in grouped.to_pylist()
        }

    def of(self, status: str = "") -> Count:
        found = (count for (own, _), count in self._counts.items() if status in ("", own))
        return sum(found, start=Count())

    def by_reason(self, status: str) -> Counts:
        return {reason: count for (own, reason), count in sorted(self._counts.items()) if own == status}

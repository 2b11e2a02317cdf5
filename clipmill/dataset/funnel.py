"""The funnel: what was found and what became of it, in items and in seconds. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from clipmill.dataset.assemble import Tables
from clipmill.dataset.coverage import covered_by_source


@dataclass(frozen=True)
class Count:
    """Items and their seconds; a file whose length nobody could read counts as 0 s."""

    items: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Funnel:
    """Videos: ``found`` = ``curated`` + ``rejected`` + ``duplicate_videos`` + ``pending``.

    Clips: ``clips`` = ``kept`` + ``filtered`` + ``duplicate_clips``. Seconds of the curated videos are those
    of the clips, less ``overlap_s`` (counted twice where clips overlap), and ``dropped_s`` by cause.
    """

    found: Count
    curated: Count
    rejected: Mapping[str, Count]
    duplicate_videos: Count
    pending: Count
    clips: Count
    kept: Count
    filtered: Mapping[str, Count]
    duplicate_clips: Count
    dropped_s: Mapping[str, float]
    overlap_s: float
    num_partial: int

    def lines(self) -> list[str]:
        """The funnel as text, one line per step."""
        videos = [
            ("found", self.found),
            *((f"rejected, {reason}", count) for reason, count in self.rejected.items()),
            ("duplicates", self.duplicate_videos),
            ("pending", self.pending),
            ("curated", self.curated),
        ]
        clips = [
            ("cut into", self.clips),
            *((f"filtered, {reason}", count) for reason, count in self.filtered.items()),
            ("duplicates", self.duplicate_clips),
            ("kept", self.kept),
        ]
        return [
            *(_line(name, f"{count.items} videos", count.seconds) for name, count in videos),
            *(_line(f"in no clip, {cause}", "", seconds) for cause, seconds in self.dropped_s.items()),
            *(_line(name, f"{count.items} clips", count.seconds) for name, count in clips),
        ]


def _line(name: str, items: str, seconds: float) -> str:
    return f"{name:<28}{items:>16}{seconds:>12.1f} s"


def count_funnel(tables: Tables) -> Funnel:
    """The funnel of assembled tables."""
    videos = [
        _Item(row["status"], row["reason"], row["duration_s"] or 0.0) for row in tables.videos.to_pylist()
    ]
    clips = [
        _Item(row["status"], row["reason"], row["end_s"] - row["start_s"]) for row in tables.clips.to_pylist()
    ]
    overlap_s = sum(clip.seconds for clip in clips) - sum(covered_by_source(tables.clips).values())
    return Funnel(
        found=_count(videos),
        curated=_count(videos, status="curated"),
        rejected=_by_reason(videos, status="rejected"),
        duplicate_videos=_count(videos, status="duplicate"),
        pending=_count(videos, status="pending"),
        clips=_count(clips),
        kept=_count(clips, status="kept"),
        filtered=_by_reason(clips, status="filtered"),
        duplicate_clips=_count(clips, status="duplicate"),
        dropped_s={cause: round(seconds, 6) for cause, seconds in tables.dropped_s.items()},
        overlap_s=max(0.0, round(overlap_s, 6)),
        num_partial=tables.videos["is_partial"].to_pylist().count(True),
    )


@dataclass(frozen=True)
class _Item:
    status: str
    reason: str | None
    seconds: float


def _count(items: Iterable[_Item], *, status: str | None = None) -> Count:
    seconds = [item.seconds for item in items if status in (None, item.status)]
    return Count(len(seconds), round(sum(seconds), 6))


def _by_reason(items: list[_Item], *, status: str) -> dict[str, Count]:
    chosen = [item for item in items if item.status == status]
    reasons = sorted({str(item.reason) for item in chosen})
    return {reason: _count(item for item in chosen if item.reason == reason) for reason in reasons}

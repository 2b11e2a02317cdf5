"""The funnel of a snapshot: what was found and what became of it, in items and in seconds. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from clipmill.outcomes.run_end import Tally


@dataclass(frozen=True)
class Count:
    """Items and their seconds; ``num_unknown`` of the items are of unknown length and count as 0 s."""

    items: int = 0
    seconds: float = 0.0
    num_unknown: int = 0

    def __add__(self, other: "Count") -> "Count":
        unknown = self.num_unknown + other.num_unknown
        return Count(self.items + other.items, self.seconds + other.seconds, unknown)

    def rounded(self) -> "Count":
        """Returns the count in whole microseconds; of no items it is 0, without a decimal point in JSON."""
        return Count(self.items, round(self.seconds, 6) if self.items else 0, self.num_unknown)


Counts = Mapping[str, Count]


@dataclass(frozen=True)
class Funnel:
    """Videos: ``found`` = ``curated`` + ``rejected`` + ``failed`` + ``duplicate_videos`` + ``pending``.

    Clips: ``clips`` = ``kept`` + ``filtered`` + ``failed_clips`` + ``duplicate_clips``. Seconds of the
    curated videos are those of the clips, less ``overlap_s`` (counted twice where clips overlap), and
    ``dropped_s`` by cause; ``tolerance_s`` of them is the rounding of cuts to frames. ``num_partial`` videos
    lack frames after a damage. ``sound`` counts the clips that were kept by what became of their sound,
    ``captions`` the windows by the key of a stage and by what became of their caption. ``failures`` counts
    what has no result, by stage and reason: videos, clips and windows, also of clips that were kept. The next
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
    tolerance_s: float = 0.0
    num_partial: int = 0
    sound: Counts = field(default_factory=dict[str, Count])
    captions: Mapping[str, Mapping[str, int]] = field(default_factory=dict[str, Mapping[str, int]])
    failures: tuple[Tally, ...] = ()

    @property
    def is_complete(self) -> bool:
        """True if no video or clip is pending or failed."""
        return not (self.pending.items or self.failed or self.failed_clips)

"""What a report is made of: the tables it reads, and the records its page is drawn from."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from clipmill.report.plan_records import NO_STAGES, PlanView


@dataclass(frozen=True)
class ReportTables:
    """The published tables, with the columns of ``clipmill.dataset.schemas``."""

    videos: pa.Table
    shots: pa.Table
    clips: pa.Table
    windows: pa.Table
    rejections: pa.Table
    duplicates: pa.Table


@dataclass(frozen=True)
class SimilarityCounts:
    """Clips by their similarity to the most alike better-ranked one, in equal bins from 0; the last is 1.0.

    From ``threshold`` on they are duplicates.
    """

    threshold: float
    counts: tuple[int, ...]


@dataclass(frozen=True)
class ReportOptions:
    """What a report says beyond its tables, and how large it may be.

    ``view`` names the columns of the run's stages, and their thresholds. ``facts`` are (name, value) pairs of
    the header: what ran over what. ``dropped_s`` says, by ``DropCause``,
    how many seconds of the split videos are in no clip. ``similarity`` is what deduplication measured.
    The page has at most ``max_bytes`` bytes: previews are left out where they do not fit.
    """

    title: str = "Curation report"
    facts: tuple[tuple[str, str], ...] = ()
    view: PlanView = NO_STAGES
    dropped_s: Mapping[str, float] = field(default_factory=dict[str, float])
    similarity: SimilarityCounts | None = None
    max_clips: int = 300
    max_rejections: int = 500
    max_bytes: int = 25_000_000
    seed: int = 0


@dataclass(frozen=True)
class Step:
    """One line of the funnel. ``seconds`` is None where no length is known; ``num_unknown`` items have none.

    ``kind`` is ``found``, a status of videos or clips, or a cause of dropped time.
    """

    kind: str
    label: str
    num_items: int
    seconds: float | None
    num_unknown: int = 0
    parts: tuple["Step", ...] = ()


@dataclass(frozen=True)
class FunnelView:
    """Videos and clips from found to kept, and where each second of source went.

    ``time`` adds up to ``source_s`` and ``overlap_s`` (the seconds that more than one clip holds), but for
    ``unaccounted_s``; up to ``tolerance_s`` of it is the rounding of cuts to frames.
    """

    videos: tuple[Step, ...]
    clips: tuple[Step, ...]
    time: tuple[Step, ...]
    source_s: float
    overlap_s: float
    unaccounted_s: float
    tolerance_s: float

    @property
    def is_conserved(self) -> bool:
        """Whether items and seconds add up."""
        return all(_adds_up(steps) for steps in (self.videos, self.clips)) and (
            abs(self.unaccounted_s) <= self.tolerance_s
        )


@dataclass(frozen=True)
class ClipView:
    """One sampled clip as the page shows it; ``scores`` by column, ``details`` in the order of the fields.

    ``note`` are the values that stages want to see on the clip's card.
    """

    clip_id: str
    name: str
    start_s: float
    end_s: float
    status: str
    reason: str
    message: str
    scores: Mapping[str, float | None]
    details: tuple[str, ...]
    preview_uri: str | None
    duplicate_of: str | None
    similarity: float | None
    link: str
    caption: str = ""
    note: str = ""

    @property
    def length_s(self) -> float:
        """The seconds of the clip."""
        return self.end_s - self.start_s


@dataclass(frozen=True)
class CaptionerView:
    """How a stage captioned windows: (status, windows) pairs, and captions that unrelated windows share.

    ``name`` is the stage's key in words. ``repeated`` holds (caption, windows, videos) of shared captions,
    the most frequent first; ``num_repeated`` counts all such windows.
    """

    name: str
    statuses: tuple[tuple[str, int], ...] = ()
    repeated: tuple[tuple[str, int, int], ...] = ()
    num_repeated: int = 0

    @property
    def is_on(self) -> bool:
        """True if the stage did not skip every window."""
        return any(status != "skipped" for status, _ in self.statuses)


@dataclass(frozen=True)
class CaptionsView:
    """The stages that caption windows, in run order."""

    captioners: tuple[CaptionerView, ...] = ()
    num_windows: int = 0

    @property
    def active(self) -> tuple[CaptionerView, ...]:
        """The stages that did not skip every window."""
        return tuple(one for one in self.captioners if one.is_on)


@dataclass(frozen=True)
class GroupView:
    """A kept clip and the sampled clips that duplicate it; ``keeper`` is None when not in the sample."""

    keeper_id: str
    keeper: ClipView | None
    copies: tuple[ClipView, ...]
    num_copies: int


@dataclass(frozen=True)
class ReasonView:
    """The sampled clips that were filtered for one reason, out of ``num_clips``."""

    reason: str
    num_clips: int
    clips: tuple[ClipView, ...]


@dataclass(frozen=True)
class CopyView:
    """A source file that is a copy of another."""

    name: str
    duplicate_of: str
    size: str
    duration: str


@dataclass(frozen=True)
class OddityView:
    """A file that was not ordinary, and what was done with it."""

    name: str
    oddities: str


@dataclass(frozen=True)
class RejectionView:
    """A rejected file."""

    name: str
    stage: str
    reason: str
    message: str


def _adds_up(steps: tuple[Step, ...]) -> bool:
    return not steps or steps[0].num_items == sum(step.num_items for step in steps[1:])

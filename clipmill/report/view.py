"""What a report is made of: the tables it reads, and the records its page is drawn from."""

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from clipmill.outcomes.funnel import Funnel
from clipmill.outcomes.run_end import RunEnd
from clipmill.outcomes.summary import Summary, summary_of
from clipmill.report.plan_records import NO_STAGES, PlanView

NOTHING_FOUND = summary_of(Funnel(), RunEnd())


@dataclass(frozen=True)
class ReportTables:
    """The published tables, with the columns of ``clipmill.dataset.schemas``.

    Of many clips ``clips``, ``windows``, ``duplicates`` and the rejections of clips are a sample; ``counts``
    are of all then.
    """

    videos: pa.Table
    shots: pa.Table
    clips: pa.Table
    windows: pa.Table
    rejections: pa.Table
    duplicates: pa.Table
    counts: "ClipCounts | None" = None


@dataclass(frozen=True)
class ClipCounts:
    """How many clips of an output have a (status, reason); an empty reason stands for none."""

    numbers: Mapping[tuple[str, str], int]

    def num(self, status: str = "") -> int:
        """Returns how many clips have a status; all of them without one."""
        return sum(number for (own, _), number in self.numbers.items() if status in ("", own))


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
    the header: what ran over what. ``summary`` counts what became of everything. ``similarity`` is what
    deduplication measured. The page has at most ``max_bytes`` bytes: previews are left out where they do not
    fit.
    """

    title: str = "Curation report"
    facts: tuple[tuple[str, str], ...] = ()
    view: PlanView = NO_STAGES
    summary: Summary = NOTHING_FOUND
    similarity: SimilarityCounts | None = None
    max_clips: int = 300
    max_rejections: int = 500
    max_bytes: int = 25_000_000
    seed: int = 0


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
class RepeatsView:
    """Captions of one stage that windows of unrelated videos share.

    ``name`` is the stage's key in words. ``repeated`` holds (caption, windows, videos) of shared captions,
    the most frequent first; ``num_repeated`` counts all such windows.
    """

    name: str
    repeated: tuple[tuple[str, int, int], ...] = ()
    num_repeated: int = 0


@dataclass(frozen=True)
class GroupView:
    """A kept clip and the sampled clips that duplicate it; ``keeper`` is None when not in the sample."""

    keeper_id: str
    keeper: ClipView | None
    copies: tuple[ClipView, ...]
    num_copies: int


@dataclass(frozen=True)
class PairView:
    """A sampled duplicate beside the clip that was kept, and why that one was.

    ``rows`` are (label, of the kept one, of the duplicate): what is always of interest, and what differs.
    """

    keeper_id: str
    because: str
    rows: tuple[tuple[str, str, str], ...]


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

"""What a page says, from the tables: counts over all rows, views of sampled ones. No preview is read here."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from clipmill.report import sample
from clipmill.report.fields import Field, clip_fields
from clipmill.report.measures import Measure, card_measures, plan_measures
from clipmill.report.names import common_root
from clipmill.report.sections.captions import repeated_captions
from clipmill.report.sections.copies import copy_views, group_views, pair_views
from clipmill.report.sections.distributions import Distributions, draw_distributions
from clipmill.report.sections.files import oddity_views, rejected_files, rejection_views, sample_rejections
from clipmill.report.sections.gallery import clip_views, reason_views
from clipmill.report.sections.similarity import SimilarityView, draw_similarity
from clipmill.report.sections.what_if import WhatIf, what_if
from clipmill.report.view import (
    ClipView,
    CopyView,
    GroupView,
    OddityView,
    PairView,
    ReasonView,
    RejectionView,
    RepeatsView,
    ReportOptions,
    ReportTables,
)


@dataclass(frozen=True)
class Page:
    """Everything the template draws, but for the previews."""

    options: ReportOptions
    fields: Sequence[Field]
    measures: Sequence[Measure]
    card_measures: Sequence[Measure]
    distributions: Distributions
    what_if: Mapping[str, WhatIf]
    clips: Sequence[ClipView]
    num_clips: int
    reasons: Sequence[tuple[str, int]]
    filtered: Sequence[ReasonView]
    groups: Sequence[GroupView]
    pairs: Mapping[str, PairView]
    num_duplicates: int
    similarity: SimilarityView | None
    copies: Sequence[CopyView]
    num_copies: int
    rejections: Sequence[RejectionView]
    num_rejections: int
    oddities: Sequence[OddityView]
    num_odd: int
    repeats: Sequence[RepeatsView]


def build_page(tables: ReportTables, *, options: ReportOptions) -> Page:
    """The page of ``tables``; the same for any order of their rows."""
    clips, view = tables.clips, options.view
    fields, measures = clip_fields(view), plan_measures(view)
    root = common_root(_uris(tables))
    rows = sample.sample_clips(clips, size=options.max_clips, seed=options.seed)
    views = clip_views(tables, rows, fields, measures, root=root, options=options)
    copies, num_copies = copy_views(tables.videos, root=root, max_rows=options.max_rejections)
    oddities, num_odd = oddity_views(tables.videos, root=root, max_rows=options.max_rejections)
    files = rejected_files(tables.rejections)
    rejected_rows = sample_rejections(files, size=options.max_rejections, seed=options.seed)
    counts = tables.counts or sample.count_clips([clips])
    return Page(
        options=options,
        fields=fields,
        measures=measures,
        card_measures=card_measures(measures, clips),
        distributions=draw_distributions(clips, measures, limits=view.limits),
        what_if=what_if(clips, measures, view.places),
        clips=views,
        num_clips=counts.num(),
        reasons=_reasons(views),
        filtered=reason_views(counts, views),
        groups=group_views(clips, views),
        pairs=pair_views(clips.take(pa.array(rows, pa.int64())), tables.duplicates, view.clip_columns),
        num_duplicates=counts.num("duplicate"),
        similarity=draw_similarity(options.similarity),
        copies=copies,
        num_copies=num_copies,
        rejections=rejection_views(files, rejected_rows, root=root),
        num_rejections=files.num_rows,
        oddities=oddities,
        num_odd=num_odd,
        repeats=repeated_captions(tables.windows, clips, view.captions),
    )


def _reasons(clips: Sequence[ClipView]) -> list[tuple[str, int]]:
    """Reasons among the sampled clips, the most frequent first."""
    numbers = Counter(clip.reason for clip in clips if clip.reason)
    return sorted(numbers.items(), key=lambda pair: (-pair[1], pair[0]))


def _uris(tables: ReportTables) -> list[str]:
    columns = (tables.videos["uri"], tables.clips["source_uri"], tables.rejections["uri"])
    return [uri for column in columns for uri in column.unique().to_pylist() if uri]

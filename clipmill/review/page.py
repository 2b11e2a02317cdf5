"""What a page says, from the tables: counts over all rows, views of sampled ones. No preview is read here."""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from clipmill.review import gallery, sample
from clipmill.review.distributions import Distributions, draw_distributions
from clipmill.review.funnel import count_funnel
from clipmill.review.view import (
    ClipView,
    CopyView,
    FunnelView,
    GroupView,
    ReasonView,
    RejectionView,
    ReportOptions,
    ReportTables,
)


@dataclass(frozen=True)
class Page:
    """Everything the template draws, but for the previews."""

    options: ReportOptions
    funnel: FunnelView
    distributions: Distributions
    clips: Sequence[ClipView]
    num_clips: int
    reasons: Sequence[tuple[str, int]]
    filtered: Sequence[ReasonView]
    groups: Sequence[GroupView]
    num_duplicates: int
    copies: Sequence[CopyView]
    num_copies: int
    rejections: Sequence[RejectionView]
    num_rejections: int
    num_partial: int


def build_page(tables: ReportTables, *, options: ReportOptions) -> Page:
    """The page of ``tables``; the same for any order of their rows."""
    clips = tables.clips
    root = gallery.common_root(_uris(tables))
    chosen = sample.sample_clips(clips, size=options.max_clips, seed=options.seed)
    sampled = clips.take(pa.array(chosen, pa.int64()))
    views = gallery.clip_views(sampled, tables.windows, root=root, output_root=options.output_root)
    copies, num_copies = gallery.copy_views(tables.videos, root=root, max_rows=options.max_rejections)
    return Page(
        options=options,
        funnel=count_funnel(tables.videos, clips, dropped_s=options.dropped_s),
        distributions=draw_distributions(clips, limits=options.limits),
        clips=views,
        num_clips=clips.num_rows,
        reasons=_reasons(views),
        filtered=gallery.reason_views(clips, views, options.limits),
        groups=gallery.group_views(clips, views),
        num_duplicates=clips["status"].to_pylist().count("duplicate"),
        copies=copies,
        num_copies=num_copies,
        rejections=gallery.rejection_views(
            tables.rejections, _sampled_rejections(tables, options), root=root
        ),
        num_rejections=tables.rejections.num_rows,
        num_partial=tables.videos["is_partial"].to_pylist().count(True),
    )


def _sampled_rejections(tables: ReportTables, options: ReportOptions) -> list[int]:
    columns = [tables.rejections[name].to_pylist() for name in ("uri", "clip_id", "stage")]
    ids = ["\n".join(str(part) for part in row) for row in zip(*columns, strict=True)]
    reasons = [reason or "" for reason in tables.rejections["reason"].to_pylist()]
    return sample.stratified(ids, reasons, size=options.max_rejections, seed=options.seed)


def _reasons(clips: Sequence[ClipView]) -> list[tuple[str, int]]:
    """Reasons among the sampled clips, the most frequent first."""
    rows = sample.group_rows([clip.reason for clip in clips if clip.reason])
    return sorted(
        ((name, len(members)) for name, members in rows.items()), key=lambda pair: (-pair[1], pair[0])
    )


def _uris(tables: ReportTables) -> list[str]:
    columns = (tables.videos["uri"], tables.clips["source_uri"], tables.rejections["uri"])
    return [uri for column in columns for uri in column.unique().to_pylist() if uri]

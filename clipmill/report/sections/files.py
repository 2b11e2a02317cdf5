"""Files that were rejected, with what is known of the cause, and files that were not ordinary."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from clipmill.report import sample, words
from clipmill.report.names import short_name
from clipmill.report.view import OddityView, RejectionView


def rejected_files(rejections: pa.Table) -> pa.Table:
    """The rows that speak of files; filtered clips, which the same table names, are shown as clips."""
    return rejections.filter(pc.field("clip_id").is_null())


def sample_rejections(files: pa.Table, *, size: int, seed: int) -> list[int]:
    """Row indices of at most ``size`` rejected files, with every reason among them."""
    ids = [
        f"{uri}\n{stage}"
        for uri, stage in zip(*(files[name].to_pylist() for name in ("uri", "stage")), strict=True)
    ]
    reasons = [reason or "" for reason in files["reason"].to_pylist()]
    return sample.stratified(ids, reasons, size=size, seed=seed)


def rejection_views(files: pa.Table, rows: Sequence[int], *, root: str) -> list[RejectionView]:
    """The sampled ``rows``, by name."""
    views = [
        RejectionView(
            name=short_name(row["uri"], root=root),
            stage=words.plain(row["stage"]),
            reason=row["reason"] or "",
            message=words.plain(row["message"]),
        )
        for row in files.take(pa.array(rows, pa.int64())).to_pylist()
    ]
    return sorted(views, key=lambda view: (view.name, view.stage, view.reason))


def oddity_views(videos: pa.Table, *, root: str, max_rows: int) -> tuple[list[OddityView], int]:
    """Videos with something to say, by name, and how many there are in all."""
    is_odd = (pc.field("partial_reason") != "") | (pc.field("oddities") != "")  # null says nothing
    odd = videos.filter(is_odd).sort_by("uri")
    views = [
        OddityView(name=short_name(row["uri"], root=root), oddities=_sentence(row))
        for row in odd.slice(0, max_rows).to_pylist()
    ]
    return views, odd.num_rows


def _sentence(row: dict[str, str | None]) -> str:
    partial = f"partial: {row['partial_reason']}" if row["partial_reason"] else ""
    return "; ".join(text for text in (partial, row["oddities"]) if text)

"""Rejected files, with what is known of the cause."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from clipmill.report import sample, words
from clipmill.report.names import short_name
from clipmill.report.view import RejectionView


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

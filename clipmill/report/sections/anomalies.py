"""Files that were not ordinary: damaged, with times to repair, in colours or sizes that had to be changed."""

import pyarrow as pa
import pyarrow.compute as pc

from clipmill.report.names import short_name
from clipmill.report.view import OddityView


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

"""Duplicates beside what they duplicate: clips with their pictures, files by name."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from clipmill.report import words
from clipmill.report.names import short_name
from clipmill.report.view import ClipView, CopyView, GroupView


def group_views(clips: pa.Table, views: Sequence[ClipView]) -> list[GroupView]:
    """The sampled duplicates beside what they duplicate, largest groups first."""
    by_id = {view.clip_id: view for view in views}
    copies: dict[str, list[ClipView]] = defaultdict(list)
    for view in views:
        if view.status == "duplicate" and view.duplicate_of:
            copies[view.duplicate_of].append(view)
    totals = _copies_of(clips, frozenset(copies))
    groups = [
        GroupView(
            keeper_id,
            by_id.get(keeper_id),
            tuple(sorted(members, key=_least_similar_last)),
            totals[keeper_id],
        )
        for keeper_id, members in copies.items()
    ]
    return sorted(groups, key=lambda group: (group.keeper is None, -group.num_copies, group.keeper_id))


def copy_views(videos: pa.Table, *, root: str, max_rows: int) -> tuple[list[CopyView], int]:
    """Source files that are copies of others, by name, and how many there are in all."""
    copies = videos.filter(pc.field("status") == "duplicate")
    views = [
        CopyView(
            name=short_name(row["uri"], root=root),
            duplicate_of=short_name(row["duplicate_of"], root=root),
            size=words.size(row["size_bytes"]),
            duration=words.length(row["duration_s"]),
        )
        for row in copies.sort_by("uri").slice(0, max_rows).to_pylist()
    ]
    return views, copies.num_rows


def _copies_of(clips: pa.Table, keepers: frozenset[str]) -> Mapping[str, int]:
    wanted = clips.filter(pc.field("duplicate_of").isin(pa.array(sorted(keepers), pa.string())))
    return {row["values"]: row["counts"] for row in wanted["duplicate_of"].value_counts().to_pylist()}


def _least_similar_last(view: ClipView) -> tuple[float, str]:
    return (-(view.similarity or 0.0), view.clip_id)

"""Duplicates beside what they duplicate: clips with their pictures, files by name."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from clipmill.report import words
from clipmill.report.names import label_of, short_name
from clipmill.report.plan_records import PublishedColumn
from clipmill.report.view import ClipView, CopyView, GroupView, PairView
from clipmill.stages.columns import SIZE


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


def pair_views(
    clips: pa.Table, duplicates: pa.Table, columns: Sequence[PublishedColumn]
) -> Mapping[str, PairView]:
    """Each duplicate among ``clips`` of which the kept one is there too, by its id."""
    rows = {row["clip_id"]: row for row in clips.to_pylist()}
    found = dict[str, PairView]()
    named = duplicates.select(["clip_id", "kept_because"]) if len(duplicates) else duplicates
    because = {row["clip_id"]: row["kept_because"] for row in named.to_pylist() if row["clip_id"] in rows}
    for clip_id, row in rows.items():
        keeper = rows.get(row["duplicate_of"])
        if row["status"] == "duplicate" and keeper is not None:
            compared = tuple(_compared(keeper, row, columns))
            found[clip_id] = PairView(row["duplicate_of"], words.plain(because.get(clip_id)), compared)
    return found


def _compared(
    keeper: Mapping[str, Any], copy: Mapping[str, Any], columns: Sequence[PublishedColumn]
) -> Iterator[tuple[str, str, str]]:
    """Size, length and bit rate, then the stages' ranked numbers in which the two differ."""
    size = next((one.name for one in columns if one.column.role == SIZE), "")
    always: tuple[tuple[str, Callable[[Mapping[str, Any]], str]], ...] = (
        ("Picture", _picture),
        ("Length", lambda row: words.length(row["end_s"] - row["start_s"])),
        ("Bit rate", lambda row: _bit_rate(row, size)),
        ("File", lambda row: words.size(row.get(size))),
    )
    for label, worded in always:
        pair = worded(keeper), worded(copy)
        if pair != (words.DASH, words.DASH):
            yield label, *pair
    for one in columns:
        if one.column.rank and one.column.plot:
            pair = [words.number(row.get(one.name), digits=4) for row in (keeper, copy)]
            if pair[0] != pair[1]:
                yield label_of(one.name), pair[0], pair[1]


def _picture(row: Mapping[str, Any]) -> str:
    if not (row.get("width") and row.get("height")):
        return words.DASH
    codec = row.get("video_codec")
    return f"{row['width']} x {row['height']}" + (f", {words.plain(codec)}" if codec else "")


def _bit_rate(row: Mapping[str, Any], size: str) -> str:
    num_bytes, length_s = row.get(size), row["end_s"] - row["start_s"]
    return words.DASH if num_bytes is None else f"{words.number(num_bytes * 8e-6 / length_s)} Mb/s"


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

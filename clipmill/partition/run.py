"""Splits the kept clips of a snapshot into parts; clips that have a part keep it.

A group is what videos, copies and equal values of a column join, in this snapshot or an earlier one. A new
group is drawn, a new clip follows its group. Where a new link joins groups of two parts, the clips to train
on are held out.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from clipmill import layout
from clipmill.dataset.snapshots.record import Snapshot, source_columns_of
from clipmill.errors import OutputError, SourceError
from clipmill.partition.caps import beyond_cap
from clipmill.partition.draw import draw_groups, settled
from clipmill.partition.groups import Links, ranks_of, smallest
from clipmill.partition.rows import (
    Clips,
    Standing,
    duplicate_pairs,
    places_in,
    read_clips,
    read_standing,
    sorted_rows,
    source_of,
)
from clipmill.partition.spec import PartitionSpec
from clipmill.partition.table import (
    HELD_OUT,
    PARTS_SCHEMA,
    folder,
    part_files,
    read_settings,
    settings_path,
)
from clipmill.scratch import ScratchFolder
from clipmill.storage import conditional, parquet, store

_ROWS = 1 << 17
"""Rows of the table that are made at a time: a row group."""


@dataclass(frozen=True)
class Group:
    """Clips that stay in one part; ``share`` of all clips or seconds, as the ratios count them."""

    source_uri: str
    num_clips: int
    num_videos: int
    share: float


@dataclass(frozen=True)
class Split:
    """What a run added, and what each part holds now: clips and seconds.

    ``obstacle`` is the largest group where a part has less than half of its share, or half as much again.
    """

    num_new: int
    num_leaks: int
    num_capped: int
    clips: Mapping[str, int]
    seconds: Mapping[str, float]
    obstacle: Group | None = None


@dataclass(frozen=True)
class _Grouped:
    """Groups of this run: that of each clip and of each standing row, and the parts each has clips in."""

    of_clips: np.ndarray
    of_standing: np.ndarray
    names: pa.Array
    parts: list[frozenset[str]]


def split_clips(output: str, snapshot: Snapshot, spec: PartitionSpec) -> Split:
    """Gives every kept clip of a snapshot a part; appends the new rows to the table.

    OutputError for a table that was made by other parts or another column. SpecError for parts that cannot
    be filled.
    """
    _check_settings(output, spec)
    sources = source_columns_of(output, snapshot, spec.metadata)
    clips = read_clips(
        output, snapshot, group_by=spec.group_by, cap_by=spec.cap_by, rank=spec.rank, sources=sources
    )
    standing = read_standing(output)
    if not clips.is_kept.any() and not len(standing.ids):
        raise SourceError(f"{output} has no kept clip in snapshot {snapshot.snapshot_id}")
    grouped = _grouped(clips, standing, duplicate_pairs(output, snapshot, clips))
    places = places_in(clips.ids, standing.ids)
    parts = np.where(places >= 0, np.append(standing.parts, "")[places], "").astype(object)
    leaks = _leaking(standing, grouped, spec)
    is_leak = np.append(leaks, False)[places] & (places >= 0)
    parts[is_leak] = HELD_OUT
    is_new = clips.is_kept & (places < 0)
    reasons = np.full(len(parts), "", object)
    _place_new(parts, reasons, is_new, clips, grouped, spec)
    rows = _rows(clips, standing, grouped, parts, reasons, is_new, leaks, snapshot.snapshot_id)
    _append(output, rows, spec)
    done = _summary(clips, parts, int(is_new.sum()), int(leaks.sum()), int((reasons == "cap").sum()), spec)
    if not _is_missed(done, spec):
        return done
    return replace(done, obstacle=_largest(output, snapshot, clips, grouped, spec))


def _check_settings(output: str, spec: PartitionSpec) -> None:
    known = read_settings(output)
    if known is not None and dict(known) != dict(spec.lasting):
        raise OutputError(
            f"{folder(output)} has {_in_words(known)}, not {_in_words(spec.lasting)}: split with the same, "
            "or move that folder away to begin anew"
        )


def _in_words(settings: Mapping[str, Any]) -> str:
    parts = ", ".join(settings["parts"])
    return f"parts {parts} grouped by {settings['group_by']}" if settings["group_by"] else f"parts {parts}"


def _grouped(clips: Clips, standing: Standing, pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> _Grouped:
    links = Links()
    videos = links.nodes(len(clips.video_ids))
    values = links.nodes(int(clips.groups.max(initial=-1)) + 1)
    known = links.nodes(len(standing.group_ids))
    links.join(clips.videos + videos, np.where(clips.groups >= 0, clips.groups + values, -1))
    places = places_in(clips.ids, standing.ids)
    groups = np.append(standing.groups, -1)[places]
    links.join(clips.videos + videos, np.where((places >= 0) & (groups >= 0), groups + known, -1))
    for one, other in pairs:
        links.join(one, other)
    found = links.groups()
    of_clips, of_standing = found[clips.videos + videos], found[standing.groups + known]
    num_groups = int(found.max(initial=-1)) + 1
    parts: list[set[str]] = [set() for _ in range(num_groups)]
    for group, part in set(zip(of_standing.tolist(), standing.parts.tolist(), strict=True)):
        if part != HELD_OUT:
            parts[group].add(part)
    names = _names(clips, of_clips, num_groups)
    return _Grouped(of_clips, of_standing, names, [frozenset(one) for one in parts])


def _names(clips: Clips, groups: np.ndarray, num_groups: int) -> pa.Array:
    """The smallest clip id of each group; null for a group without clips."""
    order = sorted_rows(clips.ids)
    first = smallest(groups, ranks_of(order), num_groups)
    rows = np.append(order, 0)[np.minimum(first, len(order))]
    return clips.ids.take(pa.array(rows, pa.int64(), mask=first >= len(order)))


def _leaking(standing: Standing, grouped: _Grouped, spec: PartitionSpec) -> np.ndarray:
    """Bool for each standing row: to train on, in a group that has clips to measure by."""
    has_both = np.array([spec.training in parts and len(parts) > 1 for parts in grouped.parts], bool)
    return (standing.parts == spec.training) & np.append(has_both, False)[grouped.of_standing]


def _place_new(
    parts: np.ndarray,
    reasons: np.ndarray,
    is_new: np.ndarray,
    clips: Clips,
    grouped: _Grouped,
    spec: PartitionSpec,
) -> None:
    """Gives new clips the part of their group, draws new groups, and holds out what is too much."""
    new = np.flatnonzero(is_new)
    if spec.cap is not None:
        capped = _capped(parts, new, clips, spec.cap)
        parts[capped], reasons[capped] = HELD_OUT, "cap"
        new = new[~capped[new]]
    weights = clips.seconds if spec.by == "seconds" else np.ones(len(parts))
    standing = {name: float(weights[parts == name].sum()) for name in spec.ratios}
    groups, place = np.unique(grouped.of_clips[new], return_inverse=True)
    own = np.bincount(place, weights=weights[new], minlength=len(groups))
    fate = [settled(grouped.parts[group], spec.training) if grouped.parts[group] else "" for group in groups]
    for group, part in enumerate(fate):
        if part:
            standing[part] += own[group]
    undrawn = [index for index, part in enumerate(fate) if part == ""]
    if undrawn:
        names = [str(name) for name in grouped.names.take(pa.array(groups[undrawn])).to_pylist()]
        drawn = draw_groups(names, own[undrawn], ratios=spec.ratios, standing=standing, seed=spec.seed)
        for index, part in zip(undrawn, drawn, strict=True):
            fate[index] = part
    chosen = np.array([HELD_OUT if part is None else part for part in fate], object)
    if len(new):
        parts[new] = chosen[place]
        reasons[new[parts[new] == HELD_OUT]] = "leak"


def _capped(parts: np.ndarray, new: np.ndarray, clips: Clips, cap: int) -> np.ndarray:
    """Bool for each clip: new, and beyond the cap of its value."""
    order = new[np.lexsort((ranks_of(sorted_rows(clips.ids))[new], clips.ranks[new]))]
    is_in = (parts != "") & (parts != HELD_OUT) & (clips.caps >= 0)
    counted = np.bincount(clips.caps[is_in], minlength=int(clips.caps.max(initial=-1)) + 1)
    return beyond_cap(clips.caps, order, counted, cap)


def _rows(
    clips: Clips,
    standing: Standing,
    grouped: _Grouped,
    parts: np.ndarray,
    reasons: np.ndarray,
    is_new: np.ndarray,
    leaks: np.ndarray,
    snapshot_id: str,
) -> Iterator[pa.Table]:
    """Yields the rows to append, some at a time: new ones by clip id, then those that leave their part."""
    order, left = sorted_rows(clips.ids), np.flatnonzero(leaks)
    own = order[is_new[order]]
    for rows in np.split(own, range(_ROWS, len(own), _ROWS)):
        names = grouped.names.take(pa.array(grouped.of_clips[rows]))
        yield _table(
            clips.ids.take(pa.array(rows)), names, parts[rows].tolist(), reasons[rows].tolist(), snapshot_id
        )
    ids, names = standing.ids.take(pa.array(left)), standing.group_ids.take(pa.array(standing.groups[left]))
    yield _table(ids, names, [HELD_OUT] * len(left), ["leak"] * len(left), snapshot_id).sort_by("clip_id")


def _table(
    ids: pa.Array, names: pa.Array, parts: Iterable[str], reasons: Iterable[str], snapshot_id: str
) -> pa.Table:
    texts = (pa.array(values, pa.string()) for values in (parts, reasons, [snapshot_id] * len(ids)))
    return pa.Table.from_arrays([ids, names, *texts], schema=PARTS_SCHEMA)


def _append(output: str, rows: Iterable[pa.Table], spec: PartitionSpec) -> None:
    """Adds a file behind the others. WriteConflict where another run added one meanwhile."""
    store.put_if_changed(settings_path(output), json.dumps(dict(spec.lasting)).encode())
    with ScratchFolder("split") as scratch:
        path = Path(scratch.path) / "rows.parquet"
        if parquet.write_file(str(path), rows, schema=PARTS_SCHEMA):
            uri = layout.join(folder(output), f"part-{len(part_files(output)):06d}.parquet")
            conditional.put_versioned(uri, path.read_bytes(), if_version=None)


def _summary(
    clips: Clips, parts: np.ndarray, num_new: int, num_leaks: int, num_capped: int, spec: PartitionSpec
) -> Split:
    names = [*spec.ratios, HELD_OUT]
    kept = {name: (parts == name) & clips.is_kept for name in names}
    return Split(
        num_new, num_leaks, num_capped,
        {name: int(own.sum()) for name, own in kept.items()},
        {name: float(clips.seconds[own].sum()) for name, own in kept.items()},
    )  # fmt: skip


def _is_missed(done: Split, spec: PartitionSpec) -> bool:
    held = done.seconds if spec.by == "seconds" else done.clips
    total = sum(held[name] for name in spec.ratios)
    shares = {name: held[name] / total for name in spec.ratios if total}
    return any(not 0.5 <= share / spec.ratios[name] <= 1.5 for name, share in shares.items())


def _largest(output: str, snapshot: Snapshot, clips: Clips, grouped: _Grouped, spec: PartitionSpec) -> Group:
    weights = (clips.seconds if spec.by == "seconds" else np.ones(len(clips.ids))) * clips.is_kept
    sizes = np.bincount(grouped.of_clips, weights=weights)
    group = int(sizes.argmax())
    own = (grouped.of_clips == group) & clips.is_kept
    return Group(
        source_uri=source_of(output, snapshot, grouped.names[group].as_py()),
        num_clips=int(own.sum()),
        num_videos=len(np.unique(clips.videos[own])),
        share=float(sizes[group] / sizes.sum()),
    )

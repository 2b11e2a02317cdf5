"""Splits the kept clips of a snapshot into parts; clips that have a part keep it.

A group is what videos, copies and equal values of a column join, in this snapshot or an earlier one. A new
group is drawn, a new clip follows its group. Where a new link joins groups of two parts, the clips to train
on are held out.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from clipmill.dataset.snapshots.record import Snapshot, source_columns_of
from clipmill.errors import SourceError
from clipmill.partition.caps import beyond_cap
from clipmill.partition.draw import draw_groups, settled
from clipmill.partition.groups import Links, ranks_of, smallest
from clipmill.partition.rows import Clips, duplicate_pairs, read_clips, source_of
from clipmill.partition.spec import PartitionSpec
from clipmill.partition.table import (
    HELD_OUT,
    PARTS_SCHEMA,
    Standing,
    append_rows,
    check_settings,
    places_in,
    read_standing,
    sorted_rows,
    texts,
)

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
    """Groups of this run: that of each clip and of each standing row, and the parts that groups are in.

    ``order`` are the clips in the order of their ids.
    """

    of_clips: np.ndarray
    of_standing: np.ndarray
    names: pa.Array
    parts: Mapping[int, frozenset[str]]
    order: np.ndarray


_NONE = -1
_REASONS = ("", "leak", "cap")
_LEAK, _CAP = 1, 2


def split_clips(output: str, snapshot: Snapshot, spec: PartitionSpec) -> Split:
    """Gives every kept clip of a snapshot a part; appends the new rows to the table.

    OutputError for a table that was made by other parts or another column. SpecError for parts that cannot
    be filled.
    """
    check_settings(output, spec.lasting)
    sources = source_columns_of(output, snapshot, spec.metadata)
    clips = read_clips(
        output, snapshot, group_by=spec.group_by, cap_by=spec.cap_by, rank=spec.rank, sources=sources
    )
    standing = read_standing(output)
    if not clips.is_kept.any() and not len(standing.ids):
        raise SourceError(f"{output} has no kept clip in snapshot {snapshot.snapshot_id}")
    places = places_in(clips.ids, standing.ids)
    grouped = _grouped(clips, standing, places, duplicate_pairs(output, snapshot, clips))
    leaks = _leaking(standing, grouped, spec)
    names = list(dict.fromkeys([*spec.ratios, HELD_OUT, *standing.names]))
    held_out = names.index(HELD_OUT)
    codes = np.array([names.index(name) for name in standing.names] + [_NONE], np.int8)
    parts = codes[np.append(standing.parts, _NONE)[places]]
    parts[np.append(leaks, False)[places]] = held_out
    is_new = clips.is_kept & (places < 0)
    del places
    reasons = np.zeros(len(parts), np.int8)
    _place_new(parts, reasons, is_new, clips, grouped, spec, names)
    rows = _rows(clips, standing, grouped, _Fates(names, parts, reasons), is_new, leaks, snapshot.snapshot_id)
    append_rows(output, rows, spec.lasting)
    num_capped = int((reasons == _CAP).sum())
    done = _summary(clips, parts, names, Split(int(is_new.sum()), int(leaks.sum()), num_capped, {}, {}), spec)
    if not _is_missed(done, spec):
        return done
    return replace(done, obstacle=_largest(output, snapshot, clips, grouped, spec))


def _grouped(
    clips: Clips, standing: Standing, places: np.ndarray, pairs: Sequence[tuple[np.ndarray, np.ndarray]]
) -> _Grouped:
    links = Links()
    videos = links.nodes(len(clips.video_ids))
    values = links.nodes(int(clips.groups.max(initial=-1)) + 1)
    known = links.nodes(len(standing.group_ids))
    links.join(clips.videos + videos, np.where(clips.groups >= 0, clips.groups + values, -1))
    groups = np.append(standing.groups, -1)[places]
    links.join(clips.videos + videos, np.where(groups >= 0, groups + known, -1))
    for one, other in pairs:
        links.join(one, other)
    found = links.groups().astype(np.int32)
    of_clips, of_standing = found[clips.videos + videos], found[standing.groups + known]
    num_groups = int(found.max(initial=-1)) + 1
    order = sorted_rows(clips.ids)
    first = smallest(of_clips, order, num_groups)
    names = texts(clips.ids.take(pa.array(first, pa.int64(), mask=first < 0)))
    return _Grouped(of_clips, of_standing, names, _parts_of_groups(of_standing, standing), order)


def _parts_of_groups(groups: np.ndarray, standing: Standing) -> Mapping[int, frozenset[str]]:
    """Group -> the parts that its clips have, without what is held out."""
    count, found = len(standing.names) or 1, dict[int, frozenset[str]]()
    for code in np.unique(groups.astype(np.int64) * count + standing.parts).tolist():
        name = standing.names[code % count]
        if name != HELD_OUT:
            found[code // count] = found.get(code // count, frozenset()) | {name}
    return found


def _leaking(standing: Standing, grouped: _Grouped, spec: PartitionSpec) -> np.ndarray:
    """Bool for each standing row: to train on, in a group that has clips to measure by."""
    both = [group for group, parts in grouped.parts.items() if spec.training in parts and len(parts) > 1]
    if not both:
        return np.zeros(len(standing.ids), bool)
    return (standing.parts == standing.names.index(spec.training)) & np.isin(grouped.of_standing, both)


@dataclass(frozen=True)
class _Fates:
    """Part and reason of each clip, as places in ``names`` and ``_REASONS``."""

    names: Sequence[str]
    parts: np.ndarray
    reasons: np.ndarray


def _place_new(
    parts: np.ndarray,
    reasons: np.ndarray,
    is_new: np.ndarray,
    clips: Clips,
    grouped: _Grouped,
    spec: PartitionSpec,
    names: Sequence[str],
) -> None:
    """Gives new clips the part of their group, draws new groups, and holds out what is too much."""
    new, held_out = np.flatnonzero(is_new).astype(np.int32), names.index(HELD_OUT)
    if spec.cap is not None:
        capped = _capped(parts, held_out, new, clips, grouped.order, spec.cap)
        parts[capped], reasons[capped] = held_out, _CAP
        new = new[~capped[new]]
    weights = clips.seconds if spec.by == "seconds" else np.broadcast_to(1.0, len(parts))
    standing = {name: float(weights[parts == code].sum()) for code, name in enumerate(spec.ratios)}
    of_new = grouped.of_clips[new]
    is_there = np.bincount(of_new, minlength=len(grouped.names)) > 0
    groups = np.flatnonzero(is_there)
    own = np.bincount(of_new, weights=weights[new], minlength=len(grouped.names))[groups]
    fate = [
        settled(grouped.parts[group], spec.training) if group in grouped.parts else ""
        for group in groups.tolist()
    ]
    for group, part in enumerate(fate):
        if part:
            standing[part] += own[group]
    undrawn = [index for index, part in enumerate(fate) if part == ""]
    if undrawn:
        drawn = draw_groups(
            grouped.names.take(pa.array(groups[undrawn])).to_pylist(),
            own[undrawn],
            ratios=spec.ratios,
            standing=standing,
            seed=spec.seed,
        )
        for index, part in zip(undrawn, drawn, strict=True):
            fate[index] = part
    if len(new):
        chosen = np.zeros(len(is_there), np.int8)
        chosen[groups] = [names.index(HELD_OUT if part is None else part) for part in fate]
        parts[new] = chosen[of_new]
        reasons[new[parts[new] == held_out]] = _LEAK


def _capped(
    parts: np.ndarray, held_out: int, new: np.ndarray, clips: Clips, order: np.ndarray, cap: int
) -> np.ndarray:
    """Bool for each clip: new, and beyond the cap of its value."""
    best = new[np.lexsort((ranks_of(order)[new], clips.ranks[new]))]
    is_in = (parts != _NONE) & (parts != held_out) & (clips.caps >= 0)
    counted = np.bincount(clips.caps[is_in], minlength=int(clips.caps.max(initial=-1)) + 1)
    return beyond_cap(clips.caps, best, counted, cap)


def _rows(
    clips: Clips,
    standing: Standing,
    grouped: _Grouped,
    fates: _Fates,
    is_new: np.ndarray,
    leaks: np.ndarray,
    snapshot_id: str,
) -> Iterator[pa.Table]:
    """Yields the rows to append, some at a time: new ones by clip id, then those that leave their part."""
    left, order = np.flatnonzero(leaks), grouped.order
    own = order[is_new[order]]
    for rows in np.split(own, range(_ROWS, len(own), _ROWS)):
        yield _table(
            texts(clips.ids.take(pa.array(rows))),
            grouped.names.take(pa.array(grouped.of_clips[rows])),
            pa.array(fates.names, pa.string()).take(pa.array(fates.parts[rows])),
            pa.array(_REASONS).take(pa.array(fates.reasons[rows])),
            snapshot_id,
        )
    ids, names = standing.ids.take(pa.array(left)), standing.group_ids.take(pa.array(standing.groups[left]))
    held, leak = (pa.array([text] * len(left), pa.string()) for text in (HELD_OUT, "leak"))
    yield _table(texts(ids), names, held, leak, snapshot_id).sort_by("clip_id")


def _table(ids: pa.Array, names: pa.Array, parts: pa.Array, reasons: pa.Array, snapshot_id: str) -> pa.Table:
    snapshots = pa.array([snapshot_id] * len(ids), pa.string())
    return pa.Table.from_arrays([ids, names, parts, reasons, snapshots], schema=PARTS_SCHEMA)


def _summary(
    clips: Clips, parts: np.ndarray, names: Sequence[str], done: Split, spec: PartitionSpec
) -> Split:
    codes = {name: names.index(name) for name in (*spec.ratios, HELD_OUT)}
    kept, seconds = parts[clips.is_kept], clips.seconds[clips.is_kept]
    return replace(
        done,
        clips={name: int((kept == code).sum()) for name, code in codes.items()},
        seconds={name: float(seconds[kept == code].sum()) for name, code in codes.items()},
    )


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

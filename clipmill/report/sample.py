"""Which rows a report shows: a seeded sample with every stratum in it, the same for any order of the rows."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import pyarrow as pa

from clipmill.report.view import ClipCounts

FAIR_SHARE = 0.5
"""Part of a sample that is shared equally among the strata; the rest goes by their sizes."""


def stratified(ids: Sequence[str], strata: Sequence[str], *, size: int, seed: int) -> list[int]:
    """Indices, ascending, of at most ``size`` rows; row i has the id ``ids[i]`` and lies in ``strata[i]``."""
    members = group_rows(strata)
    wanted = quotas({name: len(rows) for name, rows in members.items()}, size=size)
    return sorted(
        row for name, rows in members.items() for row in draw(rows, ids, num=wanted[name], seed=seed)
    )


def sample_clips(clips: pa.Table, *, size: int, seed: int) -> list[int]:
    """Row indices of a sample of the clips table, stratified by status and reason.

    What the sampled duplicates duplicate is taken before other kept clips, up to half of their places: pairs
    can then be shown side by side.
    """
    ids = clips["clip_id"].to_pylist()
    members = group_rows(clip_strata(clips))
    wanted = quotas({name: len(rows) for name, rows in members.items()}, size=size)
    chosen = {
        name: draw(rows, ids, num=wanted[name], seed=seed) for name, rows in members.items() if name != "kept"
    }
    copies = pa.array(chosen.get("duplicate", []), pa.int64())
    keepers = frozenset(clips["duplicate_of"].take(copies).to_pylist())
    chosen["kept"] = _draw_kept(members.get("kept", []), ids, keepers, num=wanted.get("kept", 0), seed=seed)
    return sorted(row for rows in chosen.values() for row in rows)


def count_clips(parts: Iterable[pa.Table]) -> ClipCounts:
    """Returns how many clips of all parts of the clips table have a status and reason."""
    numbers = Counter[tuple[str, str]]()
    for clips in parts:
        grouped = clips.select(["status", "reason"]).group_by(["status", "reason"])
        for row in grouped.aggregate([([], "count_all")]).to_pylist():
            numbers[row["status"] or "", row["reason"] or ""] += row["count_all"]
    return ClipCounts(numbers)


def _draw_kept(
    rows: Sequence[int], ids: Sequence[str], keepers: frozenset[str], *, num: int, seed: int
) -> list[int]:
    """``num`` of the kept ``rows``: keepers up to half, then any."""
    first = draw([row for row in rows if ids[row] in keepers], ids, num=(num + 1) // 2, seed=seed)
    taken = frozenset(first)
    return first + draw([row for row in rows if row not in taken], ids, num=num - len(first), seed=seed)


def clip_strata(clips: pa.Table) -> list[str]:
    """The stratum of each clip: its status, and for a filtered one its reason too."""
    pairs = zip(clips["status"].to_pylist(), clips["reason"].to_pylist(), strict=True)
    return [f"filtered/{reason or ''}" if status == "filtered" else status or "" for status, reason in pairs]


def quotas(sizes: dict[str, int], *, size: int) -> dict[str, int]:
    """How many rows each stratum gives: ``min(size, sum(sizes))`` in all, at least one each where that fits.

    What is left after the first one each is handed out in rounds, by weight, to strata that have rows left.
    """
    names = sorted(sizes, key=lambda name: (-sizes[name], name))[:size]
    given = {name: int(name in names) for name in sizes}
    left = min(size, sum(sizes.values())) - len(names)
    while left > 0:
        more = _one_round({name: sizes[name] - given[name] for name in names}, num=left)
        given = {name: num + more.get(name, 0) for name, num in given.items()}
        left -= sum(more.values())
    return given


def _one_round(rows_left: dict[str, int], *, num: int) -> dict[str, int]:
    """Shares of ``num`` places rounded down; when that is nothing for everyone, one for the largest."""
    sizes = {name: count for name, count in rows_left.items() if count}
    total = sum(sizes.values())
    weights = {
        name: FAIR_SHARE / len(sizes) + (1 - FAIR_SHARE) * count / total for name, count in sizes.items()
    }
    shares = {name: min(count, int(num * weights[name])) for name, count in sizes.items()}
    return shares if any(shares.values()) else {next(iter(sizes)): 1}


def draw(rows: Sequence[int], ids: Sequence[str], *, num: int, seed: int) -> list[int]:
    """``num`` of ``rows``, at random by ``seed`` and id: a row more does not reshuffle the others."""
    return sorted(rows, key=lambda row: (_rank(ids[row], seed), row))[:num]


def in_turn(strata: Sequence[str]) -> list[int]:
    """Indices in an order that takes one of each stratum in turn: any beginning of it holds all of them."""
    turn: dict[str, int] = defaultdict(int)
    keyed: list[tuple[int, str, int]] = []
    for index, name in enumerate(strata):
        keyed.append((turn[name], name, index))
        turn[name] += 1
    return [index for _, _, index in sorted(keyed)]


def group_rows(strata: Sequence[str]) -> dict[str, list[int]]:
    """The rows of each stratum, by name."""
    members: dict[str, list[int]] = defaultdict(list)
    for row, name in enumerate(strata):
        members[name].append(row)
    return dict(sorted(members.items()))


def _rank(row_id: str, seed: int) -> bytes:
    return hashlib.blake2b(f"{seed}:{row_id}".encode(), digest_size=8).digest()

"""Cleared rows: they take away failures, so that the next run tries the items again."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import pyarrow as pa

from clipmill import arrow, layout
from clipmill.errors import SpecError
from clipmill.limits import LimitsSpec
from clipmill.outcomes.patience import is_raised
from clipmill.planning.judgement import CLEARED, FINAL, LOST
from clipmill.planning.nodes import Node
from clipmill.state.failures import Failure, failures
from clipmill.state.part_set import COMPLETE
from clipmill.state.schema import OUTCOME
from clipmill.state.store import ResultStore
from clipmill.storage import store


@dataclass(frozen=True)
class Cleared:
    """How many items of a stage are tried again, by the reason that they failed for."""

    stage: str
    reason: str
    num_items: int


def clear_raised(state: ResultStore, digests: Mapping[str, str], limits: LimitsSpec) -> list[Cleared]:
    """Clears final failures whose limit is larger now; ``digests`` maps the stages of a run to theirs."""

    def is_wanted(one: Failure) -> bool:
        return one.outcome == FINAL and is_raised(one.limit, one.limit_value, limits)

    return _clear(state, digests.items(), is_wanted)


def clear_cut(state: ResultStore, nodes: Iterable[Node]) -> list[Cleared]:
    """Gives up results that a limit of their stage cut, where it is larger now: they are made again."""
    found: list[Cleared] = []
    for node in (node for node in nodes if node.stage.own_limits()):
        rows = state.limited_rows(node.key, node.digest)
        for name, value in node.stage.own_limits().items():
            cut = rows.filter(
                arrow.both(arrow.equal(rows["limit"], name), arrow.less(rows["limit_value"], value))
            )
            pairs = zip(cut["run_id"].to_pylist(), cut["id"].to_pylist(), strict=True)
            _append(state, node.key, node.digest, pairs, LOST)
            found += [Cleared(node.key, name, len(cut))] if len(cut) else []
    return found


def clear(output: str, *, stage: str = "", reason: str = "") -> list[Cleared]:
    """Clears failures of every digest in the state of an output: of one stage or all, for one reason or any.

    SpecError for a stage that the state does not have, and for a reason that none of its failures has.
    """
    state = ResultStore(output)
    places = list(stage_digests(output))
    stages = sorted({key for key, _ in places})
    if stage and stage not in stages:
        raise SpecError(f"stage {stage}: the state of {output} has {', '.join(stages) or 'no stages'}")
    wanted = [place for place in places if stage in ("", place[0])]
    if reason:
        _check_reason(state, wanted, reason)
    return _clear(state, wanted, lambda one: reason in ("", one.reason))


def _check_reason(state: ResultStore, places: Iterable[tuple[str, str]], reason: str) -> None:
    known = {one.reason for place in places for one in failures(state, *place)}
    if reason not in known:
        raise SpecError(f"reason {reason}: the failures there have {', '.join(sorted(known)) or 'none'}")


def stage_digests(output: str) -> Iterator[tuple[str, str]]:
    """Yields (key, digest) of every stage that has rows under an output."""
    root = layout.state_dir(store.normalise(output))
    names = (entry.uri.removeprefix(f"{root}/").split("/") for entry in store.find(root, (".parquet",)))
    found = {(parts[0], parts[1]) for parts in names if len(parts) == 3}
    yield from sorted(place for place in found if place[0] != COMPLETE)


def _clear(
    state: ResultStore, places: Iterable[tuple[str, str]], is_wanted: Callable[[Failure], bool]
) -> list[Cleared]:
    counts: Counter[tuple[str, str]] = Counter()
    for key, digest in places:
        by_run = sorted(failures(state, key, digest), key=lambda one: (one.run_id, one.outcome == FINAL))
        latest = {one.id: one for one in by_run}
        found = [one for one in latest.values() if is_wanted(one)]
        counts.update((key, one.reason) for one in found)
        _append(state, key, digest, ((one.run_id, one.id) for one in found), CLEARED)
    return [Cleared(*names, num_items) for names, num_items in sorted(counts.items())]


def _append(
    state: ResultStore, key: str, digest: str, found: Iterable[tuple[str, str]], outcome: str
) -> None:
    """Appends rows for pairs of a run and an id.

    Such a row has the run of the last row that it takes away: what comes later counts again.
    """
    by_run: dict[str, list[str]] = defaultdict(list)
    for run_id, item in found:
        by_run[run_id].append(item)
    for run_id, ids in sorted(by_run.items()):
        rows = [{"id": item, "outcome": outcome} for item in ids]
        state.append(key, digest, pa.Table.from_pylist(rows, schema=OUTCOME), run_id=run_id)

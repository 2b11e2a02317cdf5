"""The history of failures in the state: who failed, when, why, and by which limit."""

from collections.abc import Set
from dataclasses import dataclass

import pyarrow as pa

from clipmill import arrow
from clipmill.outcomes.patience import counted_runs
from clipmill.planning.judgement import FINAL, RESULT
from clipmill.state.schema import OUTCOME
from clipmill.state.store import ResultStore
from clipmill.state.winners import without_cleared

_COLUMNS = ("id", "outcome", "run_id", "reason", "limit", "limit_value", "effects")


@dataclass(frozen=True)
class Failure:
    """One failure of one item in one run."""

    id: str
    outcome: str
    run_id: str
    reason: str
    limit: str | None
    limit_value: float | None
    effects: str

    @property
    def item(self) -> tuple[str, str]:
        """What failed: an id, with the options that apply to it."""
        return self.id, self.effects


def failures(state: ResultStore, key: str, digest: str, *, among: pa.Array | None = None) -> list[Failure]:
    """Returns the failures of items without a result that no cleared row takes away.

    ``among`` names the ids that are wanted; None stands for all. Only small columns are read.
    """
    rows = state.failed_rows(key, digest, schema=OUTCOME, columns=_COLUMNS, among=among)
    failed = without_cleared(rows.select(_COLUMNS))
    if not len(failed):
        return []
    ids = failed["id"].combine_chunks().unique()
    rows = state.all_rows(key, digest, schema=OUTCOME, columns=["id", "outcome", "effects"], among=ids)
    done = _items(rows.filter(arrow.equal(rows["outcome"], RESULT)))
    found = (Failure(*row) for row in zip(*(failed[name].to_pylist() for name in _COLUMNS), strict=True))
    return [one for one in found if one.item not in done]


def _items(rows: pa.Table) -> set[tuple[str, str]]:
    return set(zip(rows["id"].to_pylist(), rows["effects"].fill_null("").to_pylist(), strict=True))


def good_runs(state: ResultStore, key: str, digest: str) -> set[str]:
    """Returns the runs in which a stage had results."""
    rows = state.all_rows(key, digest, schema=OUTCOME, columns=["outcome", "run_id"])
    return set(rows.filter(arrow.equal(rows["outcome"], RESULT))["run_id"].unique().to_pylist())


def make_final(
    state: ResultStore,
    key: str,
    digest: str,
    failed: pa.Table,
    *,
    max_runs: int,
    stopped_runs: Set[str],
    run_id: str,
) -> pa.Table:
    """Appends final rows for those of ``failed`` that were tried in ``max_runs`` runs; returns these rows.

    ``failed`` are rows of this time, which the state has already.
    """
    ids = _tried_often(state, key, digest, failed, max_runs, stopped_runs)
    made = _final_rows(failed.filter(arrow.is_in(failed["id"], ids)), max_runs)
    state.append(key, digest, made, run_id=run_id)
    return made


def _tried_often(
    state: ResultStore, key: str, digest: str, failed: pa.Table, max_runs: int, stopped_runs: Set[str]
) -> pa.Array:
    """Those items whose failures count in enough runs. The runs are read only where they may matter."""
    tries: dict[str, list[Failure]] = {}
    now = _items(failed)
    for one in failures(state, key, digest, among=failed["id"].combine_chunks()):
        if one.item in now:
            tries.setdefault(one.id, []).append(one)
    often = {item: found for item, found in tries.items() if len({one.run_id for one in found}) >= max_runs}
    good = good_runs(state, key, digest) if often else set[str]()
    counted = {
        item: counted_runs(found, good_runs=good, stopped_runs=stopped_runs) for item, found in often.items()
    }
    return pa.array([item for item, runs in counted.items() if len(runs) >= max_runs], pa.string())


def _final_rows(failed: pa.Table, num_runs: int) -> pa.Table:
    """Rows of failures as final ones that say in how many runs they failed."""
    messages = [f"failed in {num_runs} runs; the last: {text}" for text in failed["message"].to_pylist()]
    changed = {
        "outcome": pa.array([FINAL] * len(failed), pa.string()),
        "message": pa.array(messages, pa.string()),
    }
    for name, values in changed.items():
        failed = failed.set_column(failed.schema.get_field_index(name), name, values)
    return failed

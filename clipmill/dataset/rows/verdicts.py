"""Decisions about every clip of a collection: rejections, failures, stages that it waits for. Pure."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from clipmill import arrow
from clipmill.dataset.collect import Collection
from clipmill.outcomes.run_end import Tally
from clipmill.planning.judgement import FINAL, RETRYABLE, AlignedRows, Rejection, judge_places
from clipmill.planning.missing import ClipRange
from clipmill.planning.nodes import SOURCE, Node
from clipmill.planning.plan import Plan


@dataclass(frozen=True)
class Verdicts:
    """Of every clip ``(N,)`` in the order of ``collection.clips``.

    ``rejected`` maps the place of a clip to its first rejection. ``has_failed`` marks those of which the
    rejection is a failure that may be tried again. ``shown`` says by the key of a stage which clips its rows
    are shown for. ``stopped`` marks those that a barrier of the plan stopped. ``waits_for`` is the place in
    the plan of the first stage that a clip waits for, else -1.
    ``is_open`` marks those with an item that the next run tries, for the first time or again.
    """

    rows: AlignedRows
    windows: AlignedRows
    rejected: Mapping[int, Rejection]
    has_failed: np.ndarray
    shown: Mapping[str, np.ndarray]
    stopped: np.ndarray
    waits_for: np.ndarray
    is_open: np.ndarray

    @property
    def has_passed(self) -> np.ndarray:
        """Bool ``(N,)``: the clips that no stage rejected."""
        passed = np.ones(len(self.waits_for), bool)
        passed[list(self.rejected)] = False
        return passed


def judge_clips(collection: Collection, *, stopped: pa.Array | None = None) -> Verdicts:
    """Returns the verdicts. ``stopped`` are the clips that a barrier of the plan stopped."""
    plan, clips = collection.plan, collection.clips
    ids = clips.ids
    rows = _aligned(plan, clips, "clip", ids)
    windows = _aligned(plan, clips, "window", pa.nulls(len(clips.windows.owners)))
    rejected = judge_places([node for node in plan.nodes if node.stage.grain == "clip"], rows)
    rejected_at = np.full(len(ids), len(plan.nodes))
    rejected_at[list(rejected)] = [plan.place(rejection.key) for rejection in rejected.values()]
    shown = dict(_needed(plan, rejected_at))
    gone = np.zeros(len(ids), bool) if stopped is None else arrow.flags(arrow.is_in(rows.ids, stopped))
    outcomes = _Outcomes(collection, rows, windows)
    waits_for, is_open = _waits_for(plan, shown, gone, outcomes)
    return Verdicts(
        rows=rows,
        windows=windows,
        rejected=rejected,
        has_failed=_failed(rejected, outcomes, len(ids)),
        shown=shown,
        stopped=gone,
        waits_for=waits_for,
        is_open=is_open,
    )


def _aligned(plan: Plan, clips: ClipRange, grain: str, ids: pa.Array) -> AlignedRows:
    nodes = [node for node in plan.nodes if node.stage.grain == grain]
    tables = {node.key: clips.rows[node.key] for node in nodes if node.key in clips.rows}
    if grain == "clip" and SOURCE in clips.rows:
        tables[SOURCE] = clips.rows[SOURCE]
    return AlignedRows.of_places(nodes, tables, ids)


def _needed(plan: Plan, rejected_at: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Yields (key, clips that should have rows of it), as ``planning.missing`` has it."""
    for index, node in enumerate(plan.nodes):
        if not node.has_rows or node.stage.grain == "video":
            continue
        same_stage = [place for place, other in enumerate(plan.nodes) if other.stage is node.stage]
        before = (rejected_at < index) & ~np.isin(rejected_at, same_stage)
        everywhere = np.ones(len(rejected_at), bool)
        yield (
            node.key,
            {"all": everywhere, "passed": index <= rejected_at, "rejected": before}[node.runs_for],
        )


def failed_items(collection: Collection, verdicts: Verdicts) -> list[Tally]:
    """Returns the clips and windows that have no result of a stage, by stage, reason and outcome."""
    owners = collection.clips.windows.owners
    found: list[Tally] = []
    for key, shown in verdicts.shown.items():
        is_of_windows = collection.plan.by_key[key].stage.grain == "window"
        rows = (verdicts.windows if is_of_windows else verdicts.rows).of(key)
        if rows is None:
            continue
        has_failed = arrow.flags(arrow.is_in(rows["outcome"], pa.array([FINAL, RETRYABLE])))
        failed = rows.select(["reason", "outcome"]).filter(
            pa.array(has_failed & (shown[owners] if is_of_windows else shown))
        )
        counts = failed.group_by(["reason", "outcome"]).aggregate([([], "count_all")]).to_pylist()
        found += [Tally(key, str(row["reason"]), row["outcome"], row["count_all"]) for row in counts]
    return found


class _Outcomes:
    """Which clips lack rows of a stage, or have only rows that may be tried again."""

    def __init__(self, collection: Collection, rows: AlignedRows, windows: AlignedRows) -> None:
        self.plan = collection.plan
        self._windows_of, self._rows, self._windows = collection.clips.windows, rows, windows

    def missing(self, node: Node) -> np.ndarray:
        """Returns bool ``(N,)``: clips of which an item has no row."""
        return self._of_clips(node, lambda rows: arrow.flags(rows["outcome"].is_null()))

    def retryable(self, node: Node, *, but_run: str = "") -> np.ndarray:
        """Returns bool ``(N,)``: clips of which an item failed for now, in any run but one."""

        def failed(rows: pa.Table) -> np.ndarray:
            is_other = arrow.flags(arrow.not_equal(rows["run_id"], but_run))
            return arrow.flags(arrow.equal(rows["outcome"], RETRYABLE)) & is_other

        return self._of_clips(node, failed)

    def _of_clips(self, node: Node, flags_of: Callable[[pa.Table], np.ndarray]) -> np.ndarray:
        is_of_windows = node.stage.grain == "window"
        rows = (self._windows if is_of_windows else self._rows).of(node.key)
        assert rows is not None
        flags = flags_of(rows)
        num_clips = len(self._rows.ids)
        return self._windows_of.any_of_clip(flags, num_clips) if is_of_windows else flags


def _failed(rejected: Mapping[int, Rejection], outcomes: _Outcomes, num_clips: int) -> np.ndarray:
    failed = np.zeros(num_clips, bool)
    plan = outcomes.plan
    for key in {rejection.key for rejection in rejected.values()}:
        node = plan.by_key[key]
        if node.has_rows and node.stage.grain == "clip":
            retryable = outcomes.retryable(node)
            places = [
                place for place, rejection in rejected.items() if rejection.key == key and retryable[place]
            ]
            failed[places] = True
    return failed


def _waits_for(
    plan: Plan, needed: Mapping[str, np.ndarray], stopped: np.ndarray, outcomes: _Outcomes
) -> tuple[np.ndarray, np.ndarray]:
    """Returns ``waits_for`` and ``is_open``.

    A stage that reads the column of one that failed for now is not waited for, nor is a late stage in the
    first phase: it runs behind deduplication for the clips that lack it.
    """
    first = np.full(len(stopped), -1)
    blocked: dict[str, np.ndarray] = {}
    for place, node in enumerate(plan.nodes):
        if node.key not in needed:
            continue
        wanted = needed[node.key] & ~stopped if node.phase else needed[node.key]
        missing = outcomes.missing(node)
        blocked[node.key] = wanted & (missing | outcomes.retryable(node))
        if node.phase or not node.is_late:
            first[wanted & _unblocked(node, missing, blocked) & (first < 0)] = place
    return first, np.logical_or.reduce([np.zeros(len(stopped), bool), *blocked.values()])


def _unblocked(node: Node, missing: np.ndarray, blocked: Mapping[str, np.ndarray]) -> np.ndarray:
    """Returns the clips that miss a stage, without those of which a stage that it reads has no result."""
    reads = [blocked[ref.key] for ref in node.inputs if ref.key in blocked and ref.key != node.key]
    return missing & ~np.logical_or.reduce([np.zeros(len(missing), bool), *reads])


def lacks_late_stages(collection: Collection, verdicts: Verdicts, run_id: str) -> np.ndarray:
    """Returns bool ``(N,)``: clips without a row of a late stage, or with a failure that is tried again.

    What failed in the run ``run_id`` itself is tried by the next one.
    """
    outcomes = _Outcomes(collection, verdicts.rows, verdicts.windows)
    found, blocked = np.zeros(len(verdicts.waits_for), bool), dict[str, np.ndarray]()
    for node in (node for node in collection.plan.nodes if node.is_late):
        missing = outcomes.missing(node)
        blocked[node.key] = missing | outcomes.retryable(node)
        failed_before = outcomes.retryable(node, but_run=run_id)
        lacks = _unblocked(node, missing, blocked) | failed_before
        found |= lacks & verdicts.shown[node.key]
    return found

"""Which stages an item still needs, from the rows that are there. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from clipmill import arrow, identity
from clipmill.planning.block import ClipBlock, lacks_of
from clipmill.planning.judgement import RETRYABLE, AlignedRows, Rejection, judge
from clipmill.planning.nodes import Node
from clipmill.planning.plan import Plan
from clipmill.records import ClipSpan


@dataclass(frozen=True)
class Known:
    """The rows of a run's stages: key -> rows, one for each id, with their light columns.

    ``passed`` are the clips that passed the barriers; None stands for all.
    """

    tables: Mapping[str, pa.Table]
    passed: frozenset[str] | None = None
    _done: dict[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]], repr=False)
    _settled: dict[str, pa.Table] = field(default_factory=dict[str, pa.Table], repr=False)
    _there: dict[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]], repr=False)

    def done(self, key: str) -> frozenset[str]:
        """Returns the ids that have a result or a final failure."""
        if key not in self._done:
            self._done[key] = frozenset(_ids(self.tables.get(key), but=RETRYABLE))
        return self._done[key]

    def settled(self) -> Mapping[str, pa.Table]:
        """Returns the tables without the failures that are tried again: those reject nothing yet."""
        for key, table in self.tables.items():
            if key not in self._settled:
                self._settled[key] = table.filter(arrow.not_equal(table["outcome"], RETRYABLE))
        return self._settled

    def has_passed(self, clip_id: str) -> bool:
        """Returns True if no barrier stopped a clip."""
        return self.passed is None or clip_id in self.passed

    def there(self, key: str) -> frozenset[str]:
        """Returns the ids that have any row."""
        if key not in self._there:
            self._there[key] = frozenset(_ids(self.tables.get(key)))
        return self._there[key]


def _ids(rows: pa.Table | None, *, but: str = "") -> Iterator[str]:
    if rows is not None:
        pairs = zip(rows["id"].to_pylist(), rows["outcome"].to_pylist(), strict=True)
        yield from (item for item, outcome in pairs if outcome != but)


def lacking(plan: Plan, known: Known, clips: Sequence[ClipSpan]) -> dict[str, frozenset[str]]:
    """Returns clip id -> keys of the stages that each clip of a video needs and lacks, where it lacks any.

    ``block.lacks_of`` says what a clip needs.
    """
    ids = [clip.clip_id for clip in clips]
    nodes = [node for node in plan.rowed if node.stage.grain != "video"]
    aligned = AlignedRows((), known.tables, ids)
    rows = {node.key: aligned.of(node.key) for node in nodes if node.stage.grain == "clip"}
    block = ClipBlock(
        ids=pa.array(ids, pa.string()),
        videos=np.zeros(len(ids), int),
        rows={key: table for key, table in rows.items() if table is not None},
        done={node.key: np.array([_is_done(plan, known, node, clip) for clip in clips]) for node in nodes},
        passed=np.array([known.has_passed(clip_id) for clip_id in ids]),
    )
    return keys_by_clip(ids, lacks_of(plan, block))


def keys_by_clip(ids: Sequence[str], lacks: Mapping[str, np.ndarray]) -> dict[str, frozenset[str]]:
    """Returns clip id -> keys of the stages that it lacks, of clips that lack any."""
    found: dict[str, set[str]] = {}
    for key, mask in lacks.items():
        for place in np.flatnonzero(mask):
            found.setdefault(ids[int(place)], set()).add(key)
    return {one: frozenset(found[one]) for one in ids if one in found}


def _is_done(plan: Plan, known: Known, node: Node, clip: ClipSpan) -> bool:
    done = known.done(node.key)
    return all(item in done for item in item_ids(plan, node, clip))


def waiting(plan: Plan, known: Known, clips: Sequence[ClipSpan]) -> dict[str, frozenset[str]]:
    """Returns clip id -> keys of the stages whose rows the clip needs and that were not tried yet.

    A stage that reads the column of one that failed for now is not waited for.
    """
    ids = [clip.clip_id for clip in clips]
    clip_nodes = [node for node in plan.nodes if node.stage.grain == "clip"]
    rejected = judge(clip_nodes, known.tables, ids)
    found = {clip.clip_id: frozenset(_waits(plan, known, clip, rejected.get(clip.clip_id))) for clip in clips}
    return {clip_id: keys for clip_id, keys in found.items() if keys}


def shown_to(plan: Plan, node: Node, rejected: Mapping[str, Rejection], ids: Sequence[str]) -> list[str]:
    """Returns the clips that no stage before ``node`` rejected."""
    place = plan.place(node.key)
    return [one for one in ids if one not in rejected or plan.place(rejected[one].key) >= place]


def _waits(plan: Plan, known: Known, clip: ClipSpan, rejection: Rejection | None) -> Iterator[str]:
    blocked: set[str] = set()
    for node in needed(plan, rejection, has_passed=known.has_passed(clip.clip_id)):
        items = list(item_ids(plan, node, clip))
        if any(item not in known.done(node.key) for item in items):
            blocked.add(node.key)
        is_blocked = any(ref.key in blocked for ref in node.inputs)
        if not is_blocked and any(item not in known.there(node.key) for item in items):
            yield node.key


def needed(plan: Plan, rejection: Rejection | None, *, has_passed: bool = True) -> Iterator[Node]:
    """Yields the nodes whose rows a clip should have, if ``rejection`` is its first one.

    A clip that has not passed the barriers needs nothing behind them.
    """
    rejected_at = plan.place(rejection.key) if rejection else len(plan.nodes)
    for index, node in enumerate(plan.nodes):
        before = rejected_at < index and plan.nodes[rejected_at].stage is not node.stage
        wanted = {"all": True, "passed": index <= rejected_at, "rejected": before}[node.runs_for]
        if node.has_rows and wanted and (has_passed or not node.phase) and node.stage.grain != "video":
            yield node


def item_ids(plan: Plan, node: Node, clip: ClipSpan) -> Iterable[str]:
    """Returns the ids of a clip's items of a stage: the clip itself, or its windows."""
    if node.stage.grain != "window":
        return (clip.clip_id,)
    windows = plan.windows_of(clip)
    return [identity.window_id(clip.clip_id, span.start_frame, span.end_frame) for span in windows]

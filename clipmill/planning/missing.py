"""Which stages clips still need, from rows that are aligned with them. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from clipmill import arrow, identity
from clipmill.planning.judgement import RETRYABLE, AlignedRows, Rejection, first_rejecting
from clipmill.planning.nodes import Node
from clipmill.planning.plan import Plan
from clipmill.planning.process_stages import clips_digest
from clipmill.records import ClipSpan
from clipmill.stages.process_stage import SEEN_CLIPS, ProcessStage


@dataclass(frozen=True)
class ClipBlock:
    """Clips of whole videos, and what the state has of them, N places in the same order everywhere.

    ``rows`` maps the key of a stage of clips to its rows, null where a clip has none. ``done`` maps the key
    of a stage of clips or windows to bool ``(N,)``: every item of the clip has a result or a final failure.
    ``passed`` says which clips passed the barriers, None for all; ``videos`` whose clips they are.
    """

    ids: pa.Array
    videos: np.ndarray
    rows: Mapping[str, pa.Table]
    done: Mapping[str, np.ndarray]
    passed: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.ids)


def lacks_of(plan: Plan, block: ClipBlock) -> dict[str, np.ndarray]:
    """Returns the key of each stage of clips and windows -> bool ``(N,)``: the clip needs and lacks it.

    A clip needs a stage unless an earlier stage rejected it, or the stage runs for all. A clip that has not
    passed the barriers needs nothing behind them, and a plan of a later phase asks for its own stages only. A
    row that may be tried again counts as lacking, and so do the rows of the stages behind it.
    """
    rejected_at = _rejected_at(plan, block)
    found: dict[str, np.ndarray] = {}
    for index, node in enumerate(plan.nodes):
        if node.has_rows and node.stage.grain != "video" and node.phase >= plan.phase:
            wanted = _wanted(plan, index, rejected_at)
            if block.passed is not None and node.phase:
                wanted &= block.passed
            found[node.key] = wanted & ~block.done.get(node.key, np.zeros(len(block), bool))
    for key, places in _judged_as_others(plan, block, rejected_at):
        found[key][places] = True
    return found


def _rejected_at(plan: Plan, block: ClipBlock) -> np.ndarray:
    """Returns int ``(N,)``: place of the stage that first rejects a clip, one past the last for none."""
    nodes = [node for node in plan.nodes if node.stage.grain == "clip"]
    places = np.array([plan.place(node.key) for node in nodes] + [len(plan.nodes)])
    rows = {key: _settled(table) for key, table in block.rows.items()}
    return places[first_rejecting(nodes, AlignedRows.of_places(nodes, rows, block.ids), len(block))]


def _settled(rows: pa.Table) -> pa.Table:
    """Returns rows without the outcome of failures that are tried again: those reject nothing yet."""
    outcomes = rows["outcome"].combine_chunks()
    known = arrow.if_else(arrow.equal(outcomes, RETRYABLE), pa.scalar(None, pa.string()), outcomes)
    return rows.set_column(rows.schema.get_field_index("outcome"), "outcome", known)


def _wanted(plan: Plan, index: int, rejected_at: np.ndarray) -> np.ndarray:
    node = plan.nodes[index]
    if node.runs_for == "all":
        return np.ones(len(rejected_at), bool)
    if node.runs_for == "passed":
        return index <= rejected_at
    others = [place for place in range(index) if plan.nodes[place].stage is not node.stage]
    return np.isin(rejected_at, others)


def _judged_as_others(
    plan: Plan, block: ClipBlock, rejected_at: np.ndarray
) -> Iterator[tuple[str, np.ndarray]]:
    """Yields (key, places) of clips whose video a stage judged as a whole, with other clips than now."""
    for index, node in enumerate(plan.nodes):
        if isinstance(node.stage, ProcessStage) and node.stage.wants_whole_video:
            for places in _by_video(block, rejected_at >= index):
                if _is_stale(block, node, places):
                    yield node.key, places


def _by_video(block: ClipBlock, shown: np.ndarray) -> Iterator[np.ndarray]:
    places = np.flatnonzero(shown)
    places = places[np.argsort(block.videos[places], kind="stable")]
    if len(places):
        yield from np.split(places, np.flatnonzero(np.diff(block.videos[places])) + 1)


def _is_stale(block: ClipBlock, node: Node, places: np.ndarray) -> bool:
    rows = block.rows.get(node.key)
    chosen = pa.array(places)
    digest = clips_digest(str(one) for one in block.ids.take(chosen).to_pylist())
    noted = [None] if rows is None else rows[SEEN_CLIPS].take(chosen).to_pylist()
    return any(one != digest for one in noted)


def keys_by_clip(ids: Sequence[str], lacks: Mapping[str, np.ndarray]) -> dict[str, frozenset[str]]:
    """Returns clip id -> keys of the stages that it lacks, of clips that lack any."""
    found: dict[str, set[str]] = {}
    for key, mask in lacks.items():
        for place in np.flatnonzero(mask):
            found.setdefault(ids[int(place)], set()).add(key)
    return {one: frozenset(found[one]) for one in ids if one in found}


def shown_to(plan: Plan, node: Node, rejected: Mapping[str, Rejection], ids: Sequence[str]) -> list[str]:
    """Returns the clips that no stage before ``node`` rejected."""
    place = plan.place(node.key)
    return [one for one in ids if one not in rejected or plan.place(rejected[one].key) >= place]


def item_ids(plan: Plan, node: Node, clip: ClipSpan) -> Iterable[str]:
    """Returns the ids of a clip's items of a stage: the clip itself, or its windows."""
    if node.stage.grain != "window":
        return (clip.clip_id,)
    windows = plan.windows_of(clip)
    return [identity.window_id(clip.clip_id, span.start_frame, span.end_frame) for span in windows]

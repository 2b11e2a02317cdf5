"""From the stages that a user placed to nodes in run order, checked before any work."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from clipmill.errors import SpecError
from clipmill.planning.checks import (
    check_columns,
    check_grains,
    check_json,
    check_keys,
    check_rules,
    check_source_columns,
    check_vectors,
)
from clipmill.planning.digests import node_digest, node_effects, source_columns
from clipmill.planning.nodes import (
    BARRIERS,
    NO_COLUMNS,
    SOURCE,
    ColumnRef,
    Node,
    Placed,
    find_column,
)
from clipmill.planning.order import Edges, run_order
from clipmill.planning.process_stages import encoder_before
from clipmill.planning.stage_answers import ask, ask_each, check_answers
from clipmill.stages.base import Frames, Reads, S, Stage
from clipmill.stages.process_stage import ProcessStage
from clipmill.stages.roles import EmbedderStage

CLIP_FRAME_BYTES = 48 << 20
"""Most bytes of one clip's sampled frames over all stages; budgets shrink in proportion."""


def build_nodes(
    placed: Sequence[Placed], *, windows: str, source: pa.Schema = NO_COLUMNS
) -> tuple[Node, ...]:
    """Returns the stages in run order, bound, with resolved columns and digests.

    SpecError, in one line, for two stages of one key, a column that no stage or two stages write, a column
    with a reserved name, a rule over a column of a type that bounds cannot compare, and a circle of reads.
    ``windows`` is the digest of where windows lie, ``source`` are the columns about sources.
    """
    placed = bound(with_required(placed))
    check_answers(placed)
    stages = {one.name: one.stage for one in placed}
    check_columns(placed)
    check_json(placed)
    reads = {one.name: _read_keys(one, stages, source) for one in placed}
    edges = Edges(
        {one.name: reads[one.name] | encoder_before(placed, place) for place, one in enumerate(placed)}
    )
    ordered = run_order(placed, edges)
    share = _frames_share(one.stage for one in ordered)
    done: dict[str, Node] = {}
    for one in ordered:
        check_vectors(one)
        node = _with_seen(_node(one, stages, share, source), done.values())
        check_rules(node)
        phase, is_late = _phase(one, [done[key] for key in reads[one.name] if key in done])
        columns = source_columns(node, done)
        node = replace(node, phase=phase, is_late=is_late, source_columns=columns)
        check_source_columns(node)
        check_grains(node, stages)
        effects = node_effects(node, done, stages.values())
        done[one.name] = replace(node, digest=node_digest(node, done, windows=windows), effects=effects)
    return _at_once(tuple(done.values()))


def _at_once(nodes: tuple[Node, ...]) -> tuple[Node, ...]:
    """Lets no stage wait for deduplication where an embedding would: the copies are found by those."""
    if not any(node.is_late and isinstance(node.stage, EmbedderStage) for node in nodes):
        return nodes
    return tuple(replace(node, phase=0, is_late=False) if node.is_late else node for node in nodes)


def _phase(one: Placed, reads: Sequence[Node]) -> tuple[int, bool]:
    """The barriers before a stage, its own and those before what it reads; whether it is late by them."""
    own = BARRIERS.index(one.after) + 1 if one.after in BARRIERS else 0
    phase = max(own, max((node.phase for node in reads if not node.is_late), default=0))
    is_late = not phase and (one.waits or any(node.is_late for node in reads))
    return phase + is_late, is_late


def with_required(placed: Sequence[Placed]) -> list[Placed]:
    """Returns the stages and those that they require, each required one once."""
    found = list(placed)
    for one in found:  # the list grows while it is walked
        for stage in ask_each(one, "requires", Stage):
            if not any(isinstance(other.stage, type(stage)) for other in found):
                found.append(Placed(stage))
    return found


@dataclass(frozen=True)
class Siblings:
    """The stages of a run, for ``Stage.bind``."""

    stages: tuple[Stage, ...]

    def find(self, kind: type[S]) -> S | None:
        """Returns the first stage of a class, or None."""
        return next((stage for stage in self.stages if isinstance(stage, kind)), None)


def bound(placed: Sequence[Placed]) -> list[Placed]:
    """Returns the stages after ``bind``. SpecError for a key that no stage can have, or that two have."""
    check_keys(placed)
    run = Siblings(tuple(one.stage for one in placed))
    return [replace(one, key=one.name, stage=ask(one, "bind", Stage, run)) for one in placed]


def _read_keys(one: Placed, stages: Mapping[str, Stage], source: pa.Schema) -> frozenset[str]:
    reads = one.stage.reads()
    columns = {ref.key for ref in _inputs(one, stages, source)} - {SOURCE}
    owners = {artifact.partition(".")[0] for artifact in reads.artifacts}
    for owner in owners:
        if owner not in stages:
            raise SpecError(f"stage {one.name} reads a file of {owner}, which is no stage of this run")
    for artifact in reads.artifacts:
        owner, _, name = artifact.partition(".")
        if name not in [written.name for written in stages[owner].artifacts]:
            raise SpecError(f"stage {one.name} reads a file {artifact}, which {owner} does not write")
    return frozenset(columns | owners)


def _inputs(one: Placed, stages: Mapping[str, Stage], source: pa.Schema) -> tuple[ColumnRef, ...]:
    names = one.stage.reads().columns
    return tuple(find_column(dict(stages), name, reader=one.name, source=source) for name in names)


def _node(one: Placed, stages: Mapping[str, Stage], share: float, source: pa.Schema) -> Node:
    reads = _within(one.stage.reads(), share)
    return Node(one.name, one.stage, reads, _inputs(one, stages, source), runs_for=one.stage.runs_on)


def _with_seen(node: Node, earlier: Iterable[Node]) -> Node:
    """Returns a node; one with ``process(task)`` reads the samples of the stages before it as they do."""
    if not isinstance(node.stage, ProcessStage):
        return node
    return replace(node, reads=node.stage.reads_behind([(one.stage, one.reads) for one in earlier]))


def _frames_share(stages: Iterable[Stage]) -> float:
    budgets = [frames.max_bytes_per_clip for stage in stages for frames in stage.reads().all_frames()]
    return min(1.0, CLIP_FRAME_BYTES / sum(budgets)) if budgets else 1.0


def _within(reads: Reads, share: float) -> Reads:
    if share == 1.0 or not reads.all_frames():
        return reads
    first, *more = (_shrunk(frames, share) for frames in reads.all_frames())
    return replace(reads, frames=first, more_frames=tuple(more))


def _shrunk(frames: Frames, share: float) -> Frames:
    return replace(frames, max_bytes_per_clip=max(1, int(frames.max_bytes_per_clip * share)))

"""From the stages that a user placed to nodes in run order, checked before any work."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from clipmill.base_columns import RESERVED, STATE_COLUMNS
from clipmill.errors import SpecError
from clipmill.planning.digests import node_digest, node_effects, source_columns
from clipmill.planning.nodes import BARRIERS, NO_COLUMNS, SOURCE, ColumnRef, Node, Placed, find_column
from clipmill.planning.order import Edges, run_order
from clipmill.planning.process_stages import encoder_before
from clipmill.stages.base import Column, Frames, Reads, S, Stage
from clipmill.stages.process_stage import ProcessStage
from clipmill.stages.roles import EmbedderStage, ExtractorStage

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
    stages = {one.name: one.stage for one in placed}
    _check_columns(placed)
    reads = {one.name: _read_keys(one, stages, source) for one in placed}
    edges = Edges(
        {one.name: reads[one.name] | encoder_before(placed, place) for place, one in enumerate(placed)}
    )
    ordered = run_order(placed, edges)
    share = _frames_share(one.stage for one in ordered)
    done: dict[str, Node] = {}
    for one in ordered:
        _check_vectors(one)
        node = _with_seen(_node(one, stages, share, source), done.values())
        _check_rules(node)
        phase, columns = _phase(one, reads[one.name], done), source_columns(node, done)
        node = replace(node, phase=phase, source_columns=columns)
        _check_source_columns(node)
        _check_grains(node, stages)
        effects = node_effects(node, done, stages.values())
        done[one.name] = replace(node, digest=node_digest(node, done, windows=windows), effects=effects)
    return tuple(done.values())


def _check_source_columns(node: Node) -> None:
    if node.source_columns and (node.stage.grain == "video" or isinstance(node.stage, EmbedderStage)):
        what = "an embedding" if isinstance(node.stage, EmbedderStage) else "a stage of whole videos"
        raise SpecError(f"stage {node.key} is {what} and depends on {node.source_columns[0]}: it cannot")


def _check_vectors(one: Placed) -> None:
    has_vectors = any(column.table == "embeddings" for column in one.stage.writes)
    if has_vectors and not isinstance(one.stage, EmbedderStage):
        raise SpecError(
            f"stage {one.name} writes an embedding: derive its class from "
            "clipmill.stages.roles.EmbedderStage, which names the folder of its files"
        )


def _check_grains(node: Node, stages: Mapping[str, Stage]) -> None:
    """Raises SpecError for a stage that would never see what it reads, or whose rules would reject nothing.

    What is known of a whole video comes when its clips are gone, and a clip's values when it has ended.
    """
    if isinstance(node.stage, ExtractorStage):
        return
    reads = node.reads
    if node.stage.grain != "video":
        if ref := next((one for one in node.inputs if _grain(stages, one.key) == "video"), None):
            raise SpecError(
                f"stage {node.key} reads {ref.reference}, which is known only when a video has ended: "
                "join it from the videos table"
            )
        return
    of_clips = (("motion", reads.motion), ("measures", reads.measures), ("sound", reads.sound))
    if unseen := [name for name, read in (*of_clips, ("columns", reads.columns)) if read]:
        raise SpecError(
            f"stage {node.key} sees whole videos and reads {unseen[0]}: it can read frames and thumbnails, "
            "a stage of clips reads the rest"
        )
    if node.rules:
        raise SpecError(f"stage {node.key} sees whole videos and has rules: only a stage of clips rejects")


def _grain(stages: Mapping[str, Stage], key: str) -> str:
    return type(stages[key]).grain if key in stages else ""


def _phase(one: Placed, reads: frozenset[str], done: Mapping[str, Node]) -> int:
    """The barriers before a stage: its own, and those before what it reads."""
    own = BARRIERS.index(one.after) + 1 if one.after in BARRIERS else 0
    return max(own, max((done[key].phase for key in reads), default=0))


def with_required(placed: Sequence[Placed]) -> list[Placed]:
    """Returns the stages and those that they require, each required one once."""
    found = list(placed)
    for one in found:  # the list grows while it is walked
        for stage in one.stage.requires():
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
    """Returns the stages after ``bind``. SpecError for two stages of one key."""
    keys = [one.name for one in placed]
    if twice := next((key for key in keys if keys.count(key) > 1), None):
        kind = next(type(one.stage).__name__ for one in placed if one.name == twice)
        raise SpecError(f"two stages have the key {twice}: give one {kind} a key of its own (key: ...)")
    run = Siblings(tuple(one.stage for one in placed))
    return [replace(one, key=one.name, stage=one.stage.bind(run)) for one in placed]


def _reads(one: Placed) -> Reads:
    try:
        return one.stage.reads()
    except ValueError as error:
        raise SpecError(f"stage {one.name}: {error}") from error


def _read_keys(one: Placed, stages: Mapping[str, Stage], source: pa.Schema) -> frozenset[str]:
    reads = _reads(one)
    columns = {ref.key for ref in _inputs(one, stages, source)} - {SOURCE}
    owners = {artifact.partition(".")[0] for artifact in reads.artifacts}
    for owner in owners:
        if owner not in stages:
            raise SpecError(f"stage {one.name} reads a file of {owner}, which is no stage of this run")
    return frozenset(columns | owners)


def _inputs(one: Placed, stages: Mapping[str, Stage], source: pa.Schema) -> tuple[ColumnRef, ...]:
    names = _reads(one).columns
    return tuple(find_column(dict(stages), name, reader=one.name, source=source) for name in names)


def _node(one: Placed, stages: Mapping[str, Stage], share: float, source: pa.Schema) -> Node:
    reads = _within(_reads(one), share)
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


def _check_columns(placed: Sequence[Placed]) -> None:
    owners: dict[tuple[str, str], str] = {}
    for one in placed:
        grain = type(one.stage).grain
        for column in one.stage.writes:
            name = column.name if one.name == one.stage.name else f"{one.name}_{column.name}"
            if name in RESERVED[grain] or column.name in STATE_COLUMNS:
                raise SpecError(
                    f"stage {one.name} writes {name}, which is a column of every table: rename it"
                )
            if column.table == "state":
                continue  # no table has it, and the state has a table for each stage
            other = owners.setdefault((_table(grain, column), name), one.name)
            if other != one.name:
                raise SpecError(f"stages {other} and {one.name} both write {name}: give one a key")


def _table(grain: str, column: Column) -> str:
    return grain if column.table == "own_grain" else column.table


def _check_rules(node: Node) -> None:
    for rule in node.rules:
        found = node.ruled_column(rule)
        if found is None:
            raise SpecError(
                f"stage {node.key} has a rule over {rule.column}, which it neither writes nor reads"
            )
        if not found.column.can_be_bounded:
            raise SpecError(
                f"stage {node.key} has a rule over {found.column.name} of type {found.column.type}: "
                "make it float64, int64, bool or string"
            )
        if refusal := rule.refusal(found.column):
            raise SpecError(f"stage {node.key}: nothing can pass its rule over {rule.column}: {refusal}")

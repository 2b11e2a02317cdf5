"""The digest of a node: how its rows were made. Pure."""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping

from clipmill import identity
from clipmill.planning.code.code_digest import code_digest
from clipmill.planning.nodes import SOURCE, ColumnRef, Node
from clipmill.stages.base import Effect, Frames, Measure, Motion, Reads, Stage
from clipmill.stages.process_stage import ProcessStage
from clipmill.stages.reads import ReadKind
from clipmill.stages.roles import ExtractorStage
from clipmill.stages.spec import Mark

READ_VERSIONS = {
    "decode": 1, "times": 1, "frames": 1, "thumbnails": 1, "motion": 1, "measure": 1, "sound": 1, "source": 1,
}  # fmt: skip
"""Raise one when the pass itself gives other values of that kind for the same file."""

READ_EFFECTS: tuple[Effect, ...] = ()
"""Add one when the pass itself gives other values for files with a trait only."""


def node_digest(node: Node, earlier: Mapping[str, Node], *, windows: str) -> str:
    """Returns the digest of a node's rows; empty for a stage without rows.

    It covers the key, the class, its version and code, the parameters that change what is computed, the
    revisions of its models, and the digests of what it reads. An object with ``process(task)`` may read the
    rows of every earlier stage. ``windows`` says where windows lie.
    """
    if not node.has_rows:
        return ""
    stage = node.stage
    fields = {"class": stage.result_class, **stage.result_fields()}
    upstream = [*_read_digests(node.reads), *_input_digests(node, earlier)]
    if code := code_digest(stage):
        upstream.append(f"code:{code}")
    if isinstance(stage, ProcessStage):
        upstream += [one.digest for one in _seen(earlier)]
    if stage.grain == "window" or isinstance(stage, ProcessStage):
        upstream.append(f"windows:{windows}")
    revisions = "+".join(model.revision for model in stage.models())
    return identity.stage_digest(node.key, stage.version, fields, upstream=upstream, model=revisions)


def _read_digests(reads: Reads) -> Iterator[str]:
    for frames in reads.all_frames():
        yield _read("frames", frames)
    if reads.thumbnails:
        yield _versions("thumbnails")
    if reads.motion:
        yield _read("motion", reads.motion)
    for measure in reads.measures:
        yield _read("measure", measure)
    if reads.sound:
        yield f"{_versions('sound')} {reads.sound.rate_hz} {reads.sound.channels}"
    if reads.source:
        yield _versions("source")


def _read(kind: str, read: Frames | Motion | Measure) -> str:
    values = " ".join(f"{one.name}={getattr(read, one.name)}" for one in dataclasses.fields(read))
    return f"{_versions(kind)} {values}"


def _versions(kind: str) -> str:
    return f"{kind}:{READ_VERSIONS['decode']}.{READ_VERSIONS['times']}.{READ_VERSIONS[kind]}"


def node_effects(node: Node, earlier: Mapping[str, Node], run: Iterable[Stage]) -> tuple[Effect, ...]:
    """Returns the options that change a node's rows for some videos only: its own, those of what it reads.

    ``run`` are all stages of the run: an option of one may change a kind of read of all.
    """
    everywhere = [*READ_EFFECTS, *(effect for stage in run for effect in stage.effects() if effect.reads)]
    kinds = node.reads.kinds() | _pauses(node.stage)
    own = [effect for effect in node.stage.effects() if not effect.reads]
    own += [effect for effect in everywhere if kinds & set(effect.reads)]
    read = [effect for other in _read_nodes(node, earlier) for effect in other.effects]
    return tuple(dict.fromkeys([*own, *read]))


def _pauses(stage: Stage) -> frozenset[ReadKind]:
    reads_them = isinstance(stage, ExtractorStage) and stage.clip_rules().snap_to_silence
    return frozenset({"pauses"}) if reads_them else frozenset()


def source_columns(node: Node, earlier: Mapping[str, Node]) -> tuple[str, ...]:
    """Returns the columns about sources that a node's rows depend on, by itself or by what it reads."""
    own = [ref.reference for ref in node.inputs if ref.key == SOURCE]
    read = [name for other in _read_nodes(node, earlier) for name in other.source_columns]
    return tuple(sorted({*own, *read}))


def _seen(earlier: Mapping[str, Node]) -> Iterator[Node]:
    """Yields all earlier nodes with rows but the extractor: ids of clips carry their spans."""
    return (one for one in earlier.values() if one.digest and not isinstance(one.stage, ExtractorStage))


def _read_nodes(node: Node, earlier: Mapping[str, Node]) -> Iterator[Node]:
    """Yields the nodes whose rows or files a node reads."""
    yield from (earlier[ref.key] for ref in node.inputs if ref.key != SOURCE)
    yield from _owners(node, earlier)
    if isinstance(node.stage, ProcessStage):
        yield from _seen(earlier)


def _owners(node: Node, earlier: Mapping[str, Node]) -> Iterator[Node]:
    return (earlier[artifact.partition(".")[0]] for artifact in node.reads.artifacts)


def _input_digests(node: Node, earlier: Mapping[str, Node]) -> Iterator[str]:
    for ref in node.inputs:
        yield (
            f"{ref.reference}:{ref.column.type}"
            if ref.key == SOURCE
            else column_digest(ref, earlier[ref.key])
        )
    for owner in _owners(node, earlier):
        yield owner.digest


def column_digest(ref: ColumnRef, owner: Node) -> str:
    """Returns the digest of a column: its stage's, and for a derived one the stage's verdicts too."""
    if not ref.column.derived:
        return owner.digest
    return identity.stage_digest(ref.column.name, 0, _verdicts(owner.stage), upstream=[owner.digest])


def _verdicts(stage: Stage) -> dict[str, object]:
    names = set(type(stage).model_fields) - stage.fields_without(Mark.VERDICT)
    return stage.model_dump(mode="json", include=names)

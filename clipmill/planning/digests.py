"""The digest of a node: how its rows were made. Pure."""

import dataclasses
from collections.abc import Iterator, Mapping

from clipmill import identity
from clipmill.planning.code.code_digest import code_digest
from clipmill.planning.nodes import ColumnRef, Node
from clipmill.stages.base import Frames, Measure, Motion, Reads, Stage
from clipmill.stages.process_stage import ProcessStage
from clipmill.stages.roles import ExtractorStage
from clipmill.stages.spec import Mark

READ_VERSIONS = {
    "decode": 1, "times": 1, "frames": 1, "thumbnails": 1, "motion": 1, "measure": 1, "sound": 1, "source": 1,
}  # fmt: skip
"""Raise one when the pass itself gives other values of that kind for the same file."""


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
        upstream += _seen_digests(earlier)
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


def _seen_digests(earlier: Mapping[str, Node]) -> Iterator[str]:
    """Yields the digests of all earlier rows but the extractor's: ids of clips carry their spans."""
    for node in earlier.values():
        if node.digest and not isinstance(node.stage, ExtractorStage):
            yield node.digest


def _input_digests(node: Node, earlier: Mapping[str, Node]) -> Iterator[str]:
    for ref in node.inputs:
        yield column_digest(ref, earlier[ref.key])
    for artifact in node.reads.artifacts:
        yield earlier[artifact.partition(".")[0]].digest


def column_digest(ref: ColumnRef, owner: Node) -> str:
    """Returns the digest of a column: its stage's, and for a derived one the stage's verdicts too."""
    if not ref.is_derived:
        return owner.digest
    return identity.stage_digest(ref.column.name, 0, _verdicts(owner.stage), upstream=[owner.digest])


def _verdicts(stage: Stage) -> dict[str, object]:
    names = set(type(stage).model_fields) - stage.fields_without(Mark.VERDICT)
    return stage.model_dump(mode="json", include=names)

"""The manifest: the one file that says what the snapshot is."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from importlib import metadata

from clipmill.base_columns import SCHEMA_VERSION
from clipmill.dataset.exports.clip_json import as_json
from clipmill.dataset.snapshots.parts import StagedPart
from clipmill.dataset.snapshots.write import Staged, part_path
from clipmill.models.registry import entry_of
from clipmill.models.weights.stage_weights import known_of
from clipmill.outcomes.funnel import Funnel
from clipmill.planning.nodes import Node
from clipmill.planning.plan import Plan
from clipmill.stages.base import ModelRef, Stage
from clipmill.stages.columns import CAPTION, ENHANCED_CAPTION, FILE
from clipmill.stages.roles import EmbedderStage
from clipmill.storage.filesystems import is_http
from clipmill.storage.urls import without_secrets

_PACKAGES = ("av", "faiss-cpu", "numpy", "pillow", "pyarrow", "scipy")
"""Libraries whose version can change pixels, scores, clusters or bytes."""


def manifest_bytes(
    plan: Plan, funnel: Funnel, *, snapshot_id: str, staged: Staged, is_complete: bool = True
) -> bytes:
    """Returns the manifest. Paths are relative to the output.

    ``is_complete`` says that the next run has nothing to try again. The digest of weights is null where this
    machine cannot see them, the licence where the table of models does not know it.
    """
    return as_json(
        {
            "schema_version": SCHEMA_VERSION,
            "snapshot_id": snapshot_id,
            "complete": is_complete and funnel.is_complete,
            "tables": {table: _table(snapshot_id, table, parts) for table, parts in staged.items()},
            "files": list(_files(plan)),
            "limits": plan.limits.model_dump(mode="json"),
            "stages": dict(_stages(plan)),
            "models": list(_models(plan)),
            "stage_digests": dict(sorted(plan.digests().items())),
            "versions": {package: metadata.version(package) for package in _PACKAGES},
            "funnel": asdict(funnel),
        }
    )


def _table(snapshot_id: str, table: str, parts: Sequence[StagedPart]) -> Mapping[str, object]:
    return {
        "rows": sum(part.num_rows for part in parts),
        "parts": [
            {"path": part_path(snapshot_id, table, part), "sha256": part.sha256, "rows": part.num_rows}
            for part in parts
        ],
    }


def _files(plan: Plan) -> Iterator[Mapping[str, object]]:
    """The columns that name files: where they are published, and where the state has them."""
    for node in plan.rowed:
        owner = plan.encoder if node.runs_for == "rejected" and plan.encoder else node
        for column in node.stored:
            if column.role == FILE and node.stage.grain in ("clip", "window"):
                yield {
                    "table": f"{node.stage.grain}s",
                    "column": owner.published_name(column.name),
                    "stage": node.key,
                    "stored": column.name,
                }


def _models(plan: Plan) -> Iterator[Mapping[str, object]]:
    """Each model that a stage uses, by the key of the stage."""
    nodes = (plan.extractor, *(node for node in plan.nodes if node.runs_for != "rejected"))
    yield from (_model(node.key, ref) for node in nodes for ref in node.stage.models())


def _model(key: str, ref: ModelRef) -> Mapping[str, object]:
    entry, known = entry_of(ref.name), known_of(ref)
    return {
        "stage": key,
        "name": ref.name,
        "source": entry.source,
        "licence": entry.licence or None,
        "revision": (known.revision if known else "") or ref.revision,
        "digest": known.digest if known else None,
    }


def _stages(plan: Plan) -> Iterator[tuple[str, Mapping[str, object]]]:
    """Key -> class, version, parameters and prompts of every stage, in run order."""
    yield from ((stage.name, _fields(plan, stage)) for stage in plan.settings)
    nodes = (plan.extractor, *(node for node in plan.nodes if node.runs_for != "rejected"))
    yield from ((node.key, {**_fields(plan, node.stage), **_of_readers(node)}) for node in nodes)


def _of_readers(node: Node) -> Mapping[str, object]:
    """What readers look for without the stage's class: the folder of its vectors, and its texts by role."""
    stage = node.stage
    texts = {
        column.role: node.published_name(column.name)
        for column in stage.writes
        if column.role in (CAPTION, ENHANCED_CAPTION)
    }
    prefix = stage.folder_prefix(node.key) if isinstance(stage, EmbedderStage) else ""
    return {name: value for name, value in {"embeddings": prefix, "texts": texts}.items() if value}


def _fields(plan: Plan, stage: Stage) -> Mapping[str, object]:
    """Class, version and parameters of a stage; ``.`` stands for the output, which may be moved."""
    kind = type(stage)
    values = stage.model_dump(mode="json").items()
    parameters = {name: "." if value == plan.output_uri else _named(value) for name, value in values}
    return {
        "class": f"{kind.__module__}:{kind.__qualname__}",
        "version": stage.version,
        "parameters": parameters,
        **({"asked": list(stage.asked())} if stage.asked() else {}),
    }


def _named(value: object) -> object:
    """A parameter; an address without what signs it."""
    return without_secrets(value) if isinstance(value, str) and is_http(value) else value

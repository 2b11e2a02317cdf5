"""The manifest: the one file that says what the snapshot is."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from importlib import metadata

from clipmill import identity
from clipmill.base_columns import SCHEMA_VERSION
from clipmill.dataset.assemble import Tables
from clipmill.dataset.exports.clip_json import as_json
from clipmill.dataset.funnel import Funnel
from clipmill.models.registry import entry_of
from clipmill.models.weights.stage_weights import known_of
from clipmill.planning.plan import Plan
from clipmill.stages.base import ModelRef, Stage
from clipmill.storage.filesystems import is_http
from clipmill.storage.urls import without_secrets

_PACKAGES = ("av", "faiss-cpu", "numpy", "pillow", "pyarrow", "scipy")
"""Libraries whose version can change pixels, scores, clusters or bytes."""


def manifest_bytes(
    plan: Plan,
    tables: Tables,
    funnel: Funnel,
    *,
    table_files: Mapping[str, bytes],
    names: Mapping[str, str],
    is_complete: bool = True,
) -> bytes:
    """Returns the manifest. ``table_files`` maps a table to its content, ``names`` to its relative path.

    ``is_complete`` says that the next run has nothing to try again. The digest of weights is null where this
    machine cannot see them, the licence where the table of models does not know it.
    """
    counts = tables.by_name()
    return as_json(
        {
            "schema_version": SCHEMA_VERSION,
            "complete": is_complete,
            "tables": {
                table: {
                    "path": names[table],
                    "sha256": identity.bytes_digest(data),
                    "rows": len(counts[table]),
                }
                for table, data in table_files.items()
            },
            "sources": _sources(tables),
            "limits": plan.limits.model_dump(mode="json"),
            "stages": dict(_stages(plan)),
            "models": list(_models(plan)),
            "stage_digests": dict(sorted(plan.digests().items())),
            "versions": {package: metadata.version(package) for package in _PACKAGES},
            "funnel": asdict(funnel),
        }
    )


def _sources(tables: Tables) -> list[object]:
    columns = ["uri", "source_version", "video_id", "content_digest", "audio_digest", "status"]
    return tables.videos.select(columns).to_pylist()


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
    """Key -> class, version and parameters of every stage, in run order."""
    yield from ((stage.name, _fields(stage)) for stage in plan.settings)
    nodes = (plan.extractor, *(node for node in plan.nodes if node.runs_for != "rejected"))
    yield from ((node.key, _fields(node.stage)) for node in nodes)


def _fields(stage: Stage) -> Mapping[str, object]:
    kind = type(stage)
    parameters = {name: _named(value) for name, value in stage.model_dump(mode="json").items()}
    return {
        "class": f"{kind.__module__}:{kind.__qualname__}",
        "version": stage.version,
        "parameters": parameters,
    }


def _named(value: object) -> object:
    """A parameter; an address without what signs it."""
    return without_secrets(value) if isinstance(value, str) and is_http(value) else value

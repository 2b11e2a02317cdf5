"""The manifest: the one file that says what the snapshot is."""

from collections.abc import Mapping
from dataclasses import asdict
from importlib import metadata

from clipmill import identity
from clipmill.models.weights import known_weights
from clipmill.plan import RunPlan
from clipmill.snapshot.assemble import Tables
from clipmill.snapshot.clip_json import as_json
from clipmill.snapshot.funnel import Funnel
from clipmill.stages.base import Spec
from clipmill.storage.tables import SCHEMA_VERSION
from clipmill.used_models import UsedModel

_PACKAGES = ("av", "faiss-cpu", "numpy", "pillow", "pyarrow", "scipy")
"""Libraries whose version can change pixels, scores, clusters or bytes."""


def manifest_bytes(
    plan: RunPlan,
    tables: Tables,
    funnel: Funnel,
    *,
    table_files: Mapping[str, bytes],
    names: Mapping[str, str],
) -> bytes:
    """The manifest. ``table_files`` maps a table to its content, ``names`` to its path below the output.

    The digest of weights is null where this machine cannot see them.
    """
    counts = tables.by_name()
    return as_json(
        {
            "schema_version": SCHEMA_VERSION,
            "tables": {
                table: {
                    "path": names[table],
                    "sha256": identity.bytes_digest(data),
                    "rows": len(counts[table]),
                }
                for table, data in table_files.items()
            },
            "sources": _sources(tables),
            "spec": _spec(plan),
            "models": [_model(used) for used in plan.models],
            "stage_digests": dict(sorted(plan.digests().items())),
            "versions": {package: metadata.version(package) for package in _PACKAGES},
            "funnel": asdict(funnel),
        }
    )


def _sources(tables: Tables) -> list[object]:
    columns = ["uri", "source_version", "video_id", "content_digest", "audio_digest", "status"]
    return tables.videos.select(columns).to_pylist()


def _model(used: UsedModel) -> dict[str, object]:
    known = known_weights(used.entry, model_dir=used.model_dir, revision=used.revision)
    return {
        "stage": used.stage.stage_name,
        "name": used.entry.name,
        "source": used.entry.source,
        "licence": used.entry.licence,
        "revision": (known.revision if known else "") or used.revision,
        "digest": known.digest if known else None,
    }


def _spec(plan: RunPlan) -> dict[str, object]:
    """Every spec of the plan by the name of its stage; what is off is null, custom stages go by name."""
    specs: dict[str, object] = {
        "customs": [placed.stage.name for placed in plan.customs],
        "questions": [_fields(question) for question in plan.questions],
    }
    for name, spec in vars(plan).items():
        if name not in specs:
            specs[name] = _fields(spec) if isinstance(spec, Spec) else None
    return specs


def _fields(spec: Spec) -> dict[str, object]:
    return {"stage": spec.stage_name, "version": spec.STAGE_VERSION, **spec.model_dump(mode="json")}

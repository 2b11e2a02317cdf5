"""The embeddings that lie beside a snapshot."""

from collections.abc import Iterator, Mapping
from typing import Any, cast

from clipmill import layout
from clipmill.dataset.snapshots.record import Snapshot
from clipmill.planning import registry
from clipmill.stages.roles import EmbedderStage
from clipmill.storage import store


def embeddings_of(output: str, snapshot: Snapshot) -> Iterator[tuple[str, list[str]]]:
    """Yields the prefix of the folder and the files of each embedding that a manifest names, in run order."""
    for prefix, _ in embedding_prefixes(snapshot):
        files = store.find(layout.embeddings_dir(output, prefix), (".parquet",))
        yield prefix, [file.uri for file in files]


def embedding_prefixes(snapshot: Snapshot) -> Iterator[tuple[str, EmbedderStage | None]]:
    """Yields the prefix of the folder of each embedding, and its stage where that is a built-in one.

    Only built-in classes are imported: the manifest may come from anywhere.
    """
    stages = cast("Mapping[str, Mapping[str, Any]]", snapshot.manifest["stages"])
    for key, entry in stages.items():
        stage = _built_in(entry)
        prefix = entry.get("embeddings") or (stage.folder_prefix(key) if stage else "")
        if prefix:
            yield str(prefix), stage


def _built_in(entry: Mapping[str, Any]) -> EmbedderStage | None:
    if entry["class"] not in registry.BUILT_IN:
        return None
    cls = registry.stage_class(entry["class"])
    return cls.model_validate(entry["parameters"]) if issubclass(cls, EmbedderStage) else None

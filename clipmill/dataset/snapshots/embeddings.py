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
    stages = cast("Mapping[str, Mapping[str, Any]]", snapshot.manifest["stages"])
    for key, entry in stages.items():
        if entry["class"] not in registry.BUILT_IN:  # the manifest may come from anywhere
            continue
        cls = registry.stage_class(entry["class"])
        if issubclass(cls, EmbedderStage):
            prefix = cls.model_validate(entry["parameters"]).folder_prefix(key)
            files = store.find(layout.embeddings_dir(output, prefix), (".parquet",))
            yield prefix, [file.uri for file in files]

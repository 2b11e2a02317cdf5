"""A snapshot written by hand: a clips table and the stages that a manifest names."""

import json
from collections.abc import Mapping, Sequence

import pyarrow as pa

from clipmill import layout
from clipmill.storage import parquet, store


def publish_by_hand(output: str, clips: Sequence[Mapping[str, object]], stages: Mapping[str, object]) -> None:
    """Puts rows of the clips table and a manifest that names them."""
    path = "snapshots/by-hand/clips/part-00000.parquet"
    store.put_bytes(layout.join(output, path), parquet.encode(pa.Table.from_pylist(list(clips))))
    manifest = {
        "snapshot_id": "by-hand",
        "complete": True,
        "tables": {
            "clips": {"rows": len(clips), "parts": [{"path": path, "sha256": "", "rows": len(clips)}]}
        },
        "stages": stages,
    }
    store.put_bytes(layout.manifest_path(output), json.dumps(manifest).encode())

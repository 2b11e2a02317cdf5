"""Where the files of stages go below an output, so that none replaces a file with other bytes.

The first rows of a stage have the documented names, ``clips/<clip>.mp4``. Rows of another digest, or of
another value of an option, have files of their own, ``clips/<8 digits>/<clip>.mp4``: those before stay what
their rows and earlier snapshots say.
"""

import json
from dataclasses import replace

from clipmill import identity, layout
from clipmill.planning.nodes import Node
from clipmill.planning.plan import Plan
from clipmill.state.store import ResultStore
from clipmill.storage import store

FIRST = "first.json"
"""``state/<key>/first.json`` says which rows of a stage have the documented names."""


def with_folders(plan: Plan, state: ResultStore) -> Plan:
    """Returns the plan with the folder of each stage's files; the first kind has the documented place."""
    return replace(plan, nodes=tuple(_with_folder(node, state) for node in plan.nodes))


def _with_folder(node: Node, state: ResultStore) -> Node:
    if not (node.has_rows and node.stage.artifacts):
        return node
    kind = _kind(node)
    return replace(node, folder="" if _first(node, state, kind) == kind else kind[:8])


def _kind(node: Node) -> str:
    """How the files are made: two kinds may give other bytes of the same name."""
    effects = sorted(one.text for one in node.effects)
    return identity.bytes_digest(json.dumps([node.digest, effects]).encode())


def _first(node: Node, state: ResultStore, kind: str) -> str:
    """Returns which kind has the documented names: this one, where no other has rows."""
    folder = layout.join(layout.state_dir(state.root_uri), node.key)
    uri = layout.join(folder, FIRST)
    if not store.exists(uri):
        own = state.folder(node.key, node.digest)
        others = [one for one in store.find(folder, (".parquet",)) if not one.uri.startswith(f"{own}/")]
        store.create(uri, json.dumps({"kind": "" if others else kind}).encode())
    return str(store.read_record(uri)["kind"])

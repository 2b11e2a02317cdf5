"""The documented JSON of clips against their rows."""

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

from clipmill import layout
from clipmill.dataset.verify.findings import Finding
from clipmill.dataset.verify.published import Published
from clipmill.dataset.verify.tables import rows_of
from clipmill.errors import StoreError
from clipmill.storage import store

_READS_AT_ONCE = 16
_COLUMNS = ["clip_id", "source_uri", "start_s", "end_s", "status"]


def check_documents(published: Published, output: str) -> Iterator[Finding]:
    """Yields the JSON files that are missing, left over, or say other than the rows of their clips.

    An output without any has them turned off.
    """
    folder = layout.metas_dir(output)
    there = {entry.uri.rpartition("/")[2]: entry.uri for entry in store.find(folder, (".json",))}
    if not there:
        return
    prefix = folder.removeprefix(output).lstrip("/")
    rows = {
        f"{row['clip_id']}.json": row
        for part in published.parts_of("clips")
        for row in rows_of(part, output, _COLUMNS)
    }
    for name in sorted(rows.keys() - there.keys()):
        yield Finding("document", layout.join(prefix, name), "missing")
    for name in sorted(there.keys() - rows.keys()):
        yield Finding("document", layout.join(prefix, name), "stray")
    both = sorted(rows.keys() & there.keys())
    with ThreadPoolExecutor(_READS_AT_ONCE) as pool:
        differences = pool.map(lambda name: _difference(there[name], rows[name]), both)
        for name, difference in zip(both, differences, strict=True):
            if difference:
                yield Finding("document", layout.join(prefix, name), "wrong", difference)


def _difference(uri: str, row: Mapping[str, object]) -> str:
    """Returns the first field that says other than the row; empty where all agree."""
    try:
        said = json.loads(store.read_bytes(uri))
    except (StoreError, ValueError) as error:
        return f"it cannot be read: {str(error).splitlines()[0]}"
    wanted = {
        "span_uuid": row["clip_id"],
        "source_video": row["source_uri"],
        "duration_span": [row["start_s"], row["end_s"]],
        "valid": row["status"] != "filtered",
    }
    if not isinstance(said, dict):
        return "it holds no object"
    return next((f"{name} is not that of the row" for name in wanted if said.get(name) != wanted[name]), "")

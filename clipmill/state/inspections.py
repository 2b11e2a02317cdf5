"""What is known of every source by its headers, with ids that hold where two different files look alike.

``video_id`` samples a large file. Where several sources share one, their whole files were digested (the
verify state): equal digests are copies; different ones make each file's id from its own digest, for ever,
so that no file ever inherits another's results.
"""

from collections import defaultdict
from collections.abc import Mapping
from typing import cast

import pyarrow as pa

from clipmill import arrow, identity
from clipmill.state.schema import INSPECT_STATE, VERIFY_STATE
from clipmill.state.store import ResultStore

INSPECT, VERIFY = "inspect", "verify"
VERIFY_VERSION = 1
FIRST_RUN = "0"
"""Run id of rows that belong to no run: smaller than any, so that every cleared row takes them away."""


def verify_digest() -> str:
    """Returns the digest of the whole-file check; no parameter changes it."""
    return identity.stage_digest(VERIFY, VERIFY_VERSION, {})


def read_inspections(state: ResultStore, digest: str, *, among: pa.Array | None = None) -> pa.Table:
    """Returns the inspections of the source versions ``among`` (all by default), ``video_id`` resolved."""
    table = state.read(INSPECT, digest, schema=INSPECT_STATE, among=among)
    resolved = resolved_ids(state.read(VERIFY, verify_digest(), schema=VERIFY_STATE))
    if not resolved:
        return table
    names = pa.array(list(resolved), pa.string())
    places = arrow.index_in(table["id"].combine_chunks(), names)
    ids = arrow.coalesce(pa.array(list(resolved.values()), pa.string()).take(places), table["video_id"])
    return table.set_column(table.schema.get_field_index("video_id"), "video_id", ids)


def resolved_ids(verified: pa.Table) -> Mapping[str, str]:
    """Returns source_version -> video_id, for those whose sampled id names more than one file."""
    rows = cast("list[dict[str, str]]", verified.select(["id", "video_id", "file_digest"]).to_pylist())
    seen: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        seen[row["video_id"]].add(row["file_digest"])
    return {
        row["id"]: identity.disambiguated_id(row["video_id"], row["file_digest"])
        for row in rows
        if len(seen[row["video_id"]]) > 1
    }

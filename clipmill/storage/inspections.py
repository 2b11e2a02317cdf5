"""What is known of every source by its headers, with ids that hold where two different files look alike.

``video_id`` samples a large file. Where several sources share one, their whole files were digested (the
verify state): equal digests are copies; different ones make each file's id from its own digest, for ever,
so that no file ever inherits another's results.
"""

from collections import defaultdict
from collections.abc import Mapping
from typing import cast

import pyarrow as pa

from clipmill import identity
from clipmill.storage.state import State

VERIFY_VERSION = 1


def verify_digest() -> str:
    """Digest of the whole-file check; no parameter changes it."""
    return identity.stage_digest("verify", VERIFY_VERSION, {})


def read_inspections(state: State, digest: str, *, among: pa.Array | None = None) -> pa.Table:
    """The inspect state of the source versions ``among`` (all by default), ``video_id`` resolved."""
    table = state.read("inspect", digest, among=among)
    resolved = resolved_ids(state.read("verify", verify_digest()))
    ids = [
        resolved.get(str(version), video_id)
        for version, video_id in zip(table["id"].to_pylist(), table["video_id"].to_pylist(), strict=True)
    ]
    return table.set_column(table.schema.get_field_index("video_id"), "video_id", pa.array(ids, pa.string()))


def file_digests(state: State) -> dict[str, str]:
    """source_version -> digest of the whole file, of every source that had to be checked."""
    table = state.read("verify", verify_digest())
    pairs = zip(table["id"].to_pylist(), table["file_digest"].to_pylist(), strict=True)
    return dict(cast("list[tuple[str, str]]", list(pairs)))


def resolved_ids(verified: pa.Table) -> Mapping[str, str]:
    """source_version -> video_id, for those whose sampled id names more than one file."""
    rows = cast("list[dict[str, str]]", verified.to_pylist())
    seen: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        seen[row["video_id"]].add(row["file_digest"])
    return {
        row["id"]: identity.disambiguated_id(row["video_id"], row["file_digest"])
        for row in rows
        if len(seen[row["video_id"]]) > 1
    }

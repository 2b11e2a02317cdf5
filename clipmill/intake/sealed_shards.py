"""Shards that never change once they are made, so that a look at one of them can be remembered by content.

A shard is sealed by the run that makes it: sources that are found later go into shards of their own. The list
of an output's shards only grows, until it is as long as a run may have tasks; then its shards are joined. A
source whose look failed for a passing reason is put, in the next run, into a manifest that only that run has.
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil

import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from clipmill import arrow, identity, layout
from clipmill.intake.inspection import keep_rows
from clipmill.intake.manifests import Sources, in_groups, source_line
from clipmill.limits import LimitsSpec
from clipmill.planning.judgement import RETRYABLE
from clipmill.planning.plan import inspect_digest
from clipmill.records import SourceFile
from clipmill.specs import ShardingSpec
from clipmill.state.schema import INSPECT, INSPECT_STATE
from clipmill.state.store import ResultStore
from clipmill.storage import parquet, store

logger = logging.getLogger(__name__)

AGAIN = "again"
"""What the name of a manifest begins with whose sources failed in an earlier run."""


class _List(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    names: tuple[str, ...]


@dataclass(frozen=True)
class _Sealed:
    name: str
    sources: list[SourceFile]


def sealed_manifests(
    listing_uri: str, *, output: str, limits: LimitsSpec, sharding: ShardingSpec, run_id: str
) -> list[str]:
    """Returns the URIs of all sealed shards with a source of the listing, and of one of what failed before.

    Sources that are in no shard yet are sealed into new ones. At least one URI is returned, if of an empty
    manifest.
    """
    listed = {one.source_version: one for one in Sources(listing_uri)}
    folder = layout.join(layout.state_dir(store.normalise(output)), "shards")
    shards = _with_new(_read(folder), listed, sharding)
    for shard in shards:
        _write(layout.join(folder, shard.name), shard.sources)
    names = _List(names=tuple(shard.name for shard in shards)).model_dump_json(indent=1)
    store.put_if_changed(_list_uri(folder), names.encode())
    failed = _failed(list(listed.values()), output, limits)
    uris = [layout.join(folder, shard.name) for shard in shards]
    if not failed:
        return uris
    run_folder = layout.run_folder(store.normalise(output), run_id)
    return [*uris, _write(layout.join(run_folder, f"{AGAIN}-{_name(failed)}"), failed)]


def keep_inspections(rows_uris: Sequence[str], *, output: str, limits: LimitsSpec, run_id: str) -> None:
    """Writes the rows of inspections that this run made, as one part."""
    keep_rows(_concatenated(map(_rows_of, rows_uris)), output=output, limits=limits, run_id=run_id)


def keep_remembered(
    manifest_uris: Sequence[str], rows_uris: Sequence[str], *, output: str, limits: LimitsSpec, run_id: str
) -> None:
    """Writes the rows of the manifests' inspections that say more than the state, as one part.

    A failure that a sealed shard brings counts once: what is remembered has not been tried again.
    """
    known = _outcomes(output, limits)
    parts = (
        rows if _is_again(manifest_uri) else _new_rows(rows, known)
        for manifest_uri, rows in zip(manifest_uris, map(_rows_of, rows_uris), strict=True)
    )
    keep_rows(_concatenated(parts), output=output, limits=limits, run_id=run_id)


def _new_rows(rows: pa.Table, known: pa.Table) -> pa.Table:
    """The rows of ids without one, and those that are no failure for now where the state has only such."""
    settled = known.filter(arrow.not_equal(known["outcome"], RETRYABLE))
    is_settled, is_known = (
        arrow.flags(arrow.is_in(rows["id"], one["id"].combine_chunks())) for one in (settled, known)
    )
    is_failure = arrow.flags(arrow.equal(rows["outcome"], RETRYABLE))
    return rows.filter(pa.array(~is_settled & ~(is_known & is_failure)))


def _outcomes(output: str, limits: LimitsSpec, *, among: pa.Array | None = None) -> pa.Table:
    state, columns = ResultStore(output), ["id", "outcome"]
    return state.read(INSPECT, inspect_digest(limits), schema=INSPECT_STATE, columns=columns, among=among)


def _rows_of(uri: str) -> pa.Table:
    return parquet.read(uri, schema=INSPECT_STATE)


def _concatenated(parts: Iterable[pa.Table]) -> pa.Table:
    return pa.concat_tables([INSPECT_STATE.empty_table(), *parts])


def _is_again(manifest_uri: str) -> bool:
    return manifest_uri.rpartition("/")[2].startswith(AGAIN)


def _with_new(shards: list[_Sealed], listed: dict[str, SourceFile], sharding: ShardingSpec) -> list[_Sealed]:
    """The shards in which a source is still listed, and new ones of those that are in none."""
    kept = [one for one in shards if any(source.source_version in listed for source in one.sources)]
    held = {source.source_version for one in kept for source in one.sources}
    new = [source for version, source in listed.items() if version not in held]
    size = max(sharding.videos_per_shard, ceil(len(new) / sharding.max_shards))
    kept += [_Sealed(_name(group), list(group)) for group in in_groups(new, size)]
    return kept if len(kept) <= sharding.max_shards else _joined(kept, listed, sharding)


def _joined(shards: list[_Sealed], listed: dict[str, SourceFile], sharding: ShardingSpec) -> list[_Sealed]:
    """The listed sources in half as many shards as there may be, in the order in which they were found."""
    sources = [one for shard in shards for one in shard.sources if one.source_version in listed]
    size = max(sharding.videos_per_shard, ceil(2 * len(sources) / sharding.max_shards))
    joined = [_Sealed(_name(group), list(group)) for group in in_groups(sources, size)]
    logger.info("%d shards are joined into %d: their headers are read once more", len(shards), len(joined))
    return joined


def _failed(sources: Sequence[SourceFile], output: str, limits: LimitsSpec) -> list[SourceFile]:
    """The sources whose last look failed for a passing reason."""
    ids = pa.array([one.source_version for one in sources], pa.string())
    rows = _outcomes(output, limits, among=ids)
    failed = set(rows.filter(arrow.equal(rows["outcome"], RETRYABLE))["id"].to_pylist())
    return [one for one in sources if one.source_version in failed]


def _read(folder: str) -> list[_Sealed]:
    if not store.exists(_list_uri(folder)):
        return []
    names = _List.model_validate_json(store.read_bytes(_list_uri(folder))).names
    uris = {name: layout.join(folder, name) for name in names}
    return [_Sealed(name, list(Sources(uri))) for name, uri in uris.items() if store.exists(uri)]


def _list_uri(folder: str) -> str:
    return layout.join(folder, "list.json")


def _name(sources: Sequence[SourceFile]) -> str:
    data = b"".join(source_line(one) for one in sources)
    return f"sources-{identity.bytes_digest(data)[:24]}.jsonl"


def _write(uri: str, sources: Sequence[SourceFile]) -> str:
    if not store.exists(uri):
        store.put_bytes(uri, b"".join(source_line(one) for one in sources))
    return uri

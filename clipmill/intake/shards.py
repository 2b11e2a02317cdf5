"""First step of a run: the listing, and which of it nobody has looked into yet."""

from dataclasses import dataclass

from clipmill.intake.manifests import in_groups, put_sources
from clipmill.planning.judgement import RETRYABLE
from clipmill.planning.plan import Plan, inspect_digest
from clipmill.records import VideoReason
from clipmill.specs import ShardingSpec
from clipmill.state.clearing import clear_raised
from clipmill.state.store import ResultStore
from clipmill.storage import store
from clipmill.storage.listing import list_source
from clipmill.storage.state import State

RETRIED = frozenset({VideoReason.STORE_ERROR, VideoReason.SOURCE_CHANGED})
"""Reasons that do not follow from the bytes."""


@dataclass(frozen=True)
class Shards:
    """``listing_uri`` names every source found; ``manifest_uris`` those to inspect, never an empty list."""

    listing_uri: str
    manifest_uris: list[str]


def plan_shards(plan: Plan, *, output: str, sharding: ShardingSpec) -> Shards:
    """List the source and shard what the state has not seen, by ``source_version``: no file is opened.

    Raises SourceError or OutputError before any work. A source that failed last time for a reason that does
    not follow from its bytes is inspected again.
    """
    store.check_writable(output)
    sources = list_source(plan.source, exclude=output)
    digest = inspect_digest(plan.limits)
    clear_raised(ResultStore(output), {"inspect": digest}, plan.limits)
    seen = _inspected(State(output), digest)
    unseen = [source for source in sources if source.source_version not in seen]
    size = max(sharding.videos_per_shard, -(-len(unseen) // sharding.max_shards))
    nothing = put_sources(output, [])  # every run puts it, so that one that finds nothing new writes no file
    manifests = [put_sources(output, group) for group in in_groups(unseen, size)]
    return Shards(put_sources(output, sources), manifests or [nothing])


def _inspected(state: State, digest: str) -> set[str]:
    table = state.read("inspect", digest)
    rows = zip(table["id"].to_pylist(), table["outcome"].to_pylist(), strict=True)
    return {str(version) for version, outcome in rows if outcome != RETRYABLE}

"""First step of a run: the listing, and which of it was not looked into yet."""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from clipmill.intake.manifests import in_groups, put_skipped, put_sources
from clipmill.planning.judgement import RETRYABLE
from clipmill.planning.plan import Plan, inspect_digest
from clipmill.records import SourceFile
from clipmill.specs import ShardingSpec
from clipmill.state.clearing import clear_raised
from clipmill.state.database import scratch_database
from clipmill.state.ids import key_of
from clipmill.state.schema import INSPECT, INSPECT_STATE
from clipmill.state.store import ResultStore
from clipmill.storage import store
from clipmill.storage.listing import list_videos


@dataclass(frozen=True)
class Shards:
    """``listing_uri`` names every source found; ``manifest_uris`` those to inspect, never an empty list."""

    listing_uri: str
    manifest_uris: list[str]


def plan_shards(plan: Plan, *, output: str, sharding: ShardingSpec) -> Shards:
    """List the source and shard what the state has not seen, by ``source_version``: no file is opened.

    Raises SourceError or OutputError before any work, and SpecError for ``metadata`` of other videos. A
    source that failed last time for a reason that does not follow from its bytes is inspected again.
    """
    store.check_writable(output)
    found = list_videos(plan.source, exclude=output)
    sources = found.sources
    if known := plan.source_columns():
        known.check_against([one.uri for one in sources])
    clear_raised(ResultStore(output), {INSPECT: inspect_digest(plan.limits)}, plan.limits)
    unseen = not_inspected(sources, plan, output)
    size = max(sharding.videos_per_shard, -(-len(unseen) // sharding.max_shards))
    nothing = put_sources(output, [])  # every run puts it, so that one that finds nothing new writes no file
    manifests = [put_sources(output, group) for group in in_groups(unseen, size)]
    listing_uri = put_sources(output, sources)
    put_skipped(listing_uri, found.skipped)
    return Shards(listing_uri, manifests or [nothing])


def not_inspected(sources: Sequence[SourceFile], plan: Plan, output: str) -> list[SourceFile]:
    """Returns the sources without an inspection, and those whose inspection may be tried again."""
    parts = ResultStore(output).parts(INSPECT, inspect_digest(plan.limits))
    if not parts.live:
        return list(sources)
    with scratch_database() as database:
        database.load("inspected", parts, select="id, outcome, run_id", schema=INSPECT_STATE)
        versions = pa.table({"version": pa.array([one.source_version for one in sources], pa.string())})
        done = f"SELECT id FROM inspected WHERE outcome <> '{RETRYABLE}'"
        listed = (
            f"SELECT row_number() OVER () - 1 AS place, {key_of('version', 'VARCHAR')} AS id FROM versions"
        )
        places = database.rows(
            f"SELECT place FROM ({listed}) WHERE id NOT IN ({done}) ORDER BY place", versions=versions
        )
    return [sources[place] for place in places["place"].to_pylist()]

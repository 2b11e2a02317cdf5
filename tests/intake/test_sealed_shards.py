"""Shards that stay: what a run adds to them, when they are joined, and what of their inspections is kept."""

from pathlib import Path

import pyarrow as pa
import pytest

from clipmill.intake.manifests import Sources, put_sources
from clipmill.intake.sealed_shards import keep_inspections, keep_remembered, sealed_manifests
from clipmill.limits import LimitsSpec
from clipmill.planning.plan import inspect_digest
from clipmill.records import SourceFile
from clipmill.runs.run_id import new_run_id
from clipmill.specs import ShardingSpec
from clipmill.state.schema import INSPECT, INSPECT_STATE
from clipmill.state.store import ResultStore
from clipmill.storage import parquet, store

LIMITS = LimitsSpec()


def films(*names: str) -> list[SourceFile]:
    return [SourceFile(f"s3://films/{name}.mp4", 10, f"version-of-{name}") for name in names]


def shards(output: Path, names: str, *, most: int = 500) -> list[str]:
    """The films of each shard, by their first letters, of a run over the films named."""
    listing = put_sources(str(output), films(*names))
    sharding = ShardingSpec(videos_per_shard=2, max_shards=most)
    uris = sealed_manifests(
        listing, output=str(output), limits=LIMITS, sharding=sharding, run_id=new_run_id()
    )
    return ["".join(source.uri[11] for source in Sources(uri)) for uri in uris]


def test_a_shard_never_changes_and_new_films_get_their_own(output: Path) -> None:
    assert shards(output, "abc") == ["ab", "c"]
    assert shards(output, "abcde") == ["ab", "c", "de"]
    assert shards(output, "0abcde") == ["ab", "c", "de", "0"]
    assert shards(output.with_name("other"), "abc") == ["ab", "c"]


def test_a_shard_goes_with_its_last_film(output: Path) -> None:
    shards(output, "abcd")
    assert shards(output, "ad") == ["ab", "cd"]
    assert shards(output, "a") == ["ab"]


def test_many_small_shards_are_joined(output: Path) -> None:
    for count in range(1, 5):
        assert len(shards(output, "abcdef"[:count], most=4)) == count
    assert shards(output, "abcdef", most=4) == ["abc", "def"]


def rows(*outcomes: tuple[str, str]) -> pa.Table:
    records = [
        {
            "id": films(name)[0].source_version,
            "outcome": outcome,
            "reason": "decoder_crashed",
            "message": "gone",
        }
        for name, outcome in outcomes
    ]
    return pa.Table.from_pylist(records, schema=INSPECT_STATE)


@pytest.mark.parametrize("kind", ["sources", "again"])
def test_a_remembered_failure_counts_once_and_one_tried_again_counts(output: Path, kind: str) -> None:
    """Runs until it is final; a sealed shard brings the same failure in every run."""
    uri = str(output / "inspected.parquet")
    store.put_bytes(uri, parquet.encode(rows(("a", "retryable"), ("b", "result"))))
    for number in range(LIMITS.max_failed_runs):
        manifest = f"{output}/{'sources' if number == 0 else kind}-1.jsonl"
        keep_remembered([manifest], [uri], output=str(output), limits=LIMITS, run_id=f"run-{number}")
    found = ResultStore(str(output)).read(INSPECT, inspect_digest(LIMITS), schema=INSPECT_STATE)
    outcomes = dict(zip(found["id"].to_pylist(), found["outcome"].to_pylist(), strict=True))
    parts = ResultStore(str(output)).parts(INSPECT, inspect_digest(LIMITS)).live
    assert (outcomes["version-of-a"], len(parts)) == {"sources": ("retryable", 1), "again": ("final", 4)}[
        kind
    ]


@pytest.mark.parametrize("keeps", ["a cluster, whose cache was overwritten", "this machine"])
def test_a_source_that_can_be_read_now_is_no_failure_any_more(output: Path, keeps: str) -> None:
    uri, more = str(output / "inspected.parquet"), {"output": str(output), "limits": LIMITS}
    for number, outcome in enumerate(("retryable", "result", "result")):
        store.put_bytes(uri, parquet.encode(rows(("a", outcome))))
        if keeps == "this machine" and number < 2:
            keep_inspections([uri], run_id=f"run-{number}", **more)
        else:
            keep_remembered([f"{output}/sources-1.jsonl"], [uri], run_id=f"run-{number}", **more)
    state = ResultStore(str(output))
    found = state.read(INSPECT, inspect_digest(LIMITS), schema=INSPECT_STATE)
    assert found["outcome"].to_pylist() == ["result"]
    assert len(state.parts(INSPECT, inspect_digest(LIMITS)).live) == 2

"""What Flyte's cache goes by, computed from the outputs of pods by flytekit's own function."""

import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from flyteidl.core import literals_pb2

from clipmill.intake.manifests import Sources
from clipmill.planning.plan import inspect_digest
from clipmill.runs.lease import unlock
from clipmill.specs import ShardingSpec
from clipmill.state.schema import INSPECT, INSPECT_STATE
from clipmill.state.store import ResultStore
from tasks.hardware import Engine
from tasks.specs import Curation, Deduplication
from tests.flyte.conftest import Pods
from tests.support.runs.curation import files
from tests.support.runs.dedup_runs import documented, write_copies
from tests.support.runs.dedup_runs import run as dedup_here
from tests.support.stand_ins.flyte_pod import cache_key, elements
from tests.support.stand_ins.flyte_stand_in import Registration, plain_name

pytestmark = pytest.mark.timeout(240)

SPEC = Curation(sharding=ShardingSpec(videos_per_shard=1))
DEDUP = Deduplication(eps=0.1, n_clusters=4, max_groups=2)
CACHED = {
    "tasks.shards.inspect": ["spec"],
    "tasks.dedupe.fit_clusters": ["output", "spec"],
    "tasks.dedupe.assign_clusters": [],
    "tasks.dedupe.find_duplicates": [],
}
"""Task -> inputs that its key leaves out."""


def test_what_is_cached_by_what_is_registered(registration: Registration) -> None:
    found = {
        plain_name(name).replace(".map_", "."): task.metadata
        for name, task in registration.notes.tasks.items()
    }
    cached = {name: metadata for name, metadata in found.items() if metadata.discoverable}
    assert {name: sorted(one.cache_ignore_input_vars) for name, one in cached.items()} == CACHED
    assert all(one.discovery_version for one in cached.values())
    serial = [name for name, metadata in found.items() if metadata.cache_serializable]
    assert serial == ["tasks.dedupe.fit_clusters"]


def text(literal: literals_pb2.Literal) -> str:
    return literal.scalar.primitive.string_value


class Inspections:
    """Runs of the first steps, each of an execution of its own."""

    def __init__(self, pods: Pods, registration: Registration, source: Path) -> None:
        self.pods, self.source, self.num_runs = pods, source, 0
        self.template = next(
            task for name, task in registration.notes.tasks.items()
            if plain_name(name) == "tasks.shards.map_inspect"
        )  # fmt: skip

    def plan(self, output: Path) -> dict[str, literals_pb2.Literal]:
        self.num_runs += 1
        if output.exists():
            unlock(str(output))
        planner = self.pods("shards.plan_shards", execution=f"f{self.num_runs}")
        return planner.run(
            source=(str(self.source), str), output=(str(output), str), spec=(SPEC, Curation),
            engine=(Engine.MAP, Engine),
        ).outputs()  # fmt: skip

    def keys(self, output: Path) -> list[str]:
        """One key for each element of the map of a run."""
        planned = self.plan(output)
        return [
            cache_key(
                self.template, manifest=manifest, inspection=planned["inspection"], spec=(SPEC, Curation)
            )
            for manifest in elements(planned["manifests"])
        ]


def letters(folder: Path, *names: str) -> Path:
    """Files that are looked at in no time."""
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).write_text(f"{name} will follow by post.")
    return folder


def test_keys_of_inspection_go_by_content_alone(
    pods: Pods, registration: Registration, tmp_path: Path
) -> None:
    source, output = letters(tmp_path / "source", "a.mp4", "b.mp4"), tmp_path / "output"
    runs = Inspections(pods, registration, source)
    first = runs.keys(output)
    letters(source, "c.mp4")
    second = runs.keys(output)
    assert (len(set(first)), len(second)) == (2, 3)
    assert len(set(second) - set(first)) == 1
    assert runs.keys(tmp_path / "elsewhere") == second

    planned = runs.plan(output)
    before = files(output)
    looks = [
        pods("shards.map_inspect", BATCH_JOB_ARRAY_INDEX_VAR_NAME="I", I=str(index)).run(
            manifest=planned["manifests"], inspection=planned["inspection"], spec=(SPEC, Curation)
        )
        for index in range(3)
    ]
    assert files(output) == before, "a cached task has no side effect"
    inspected = literals_pb2.Literal(
        collection=literals_pb2.LiteralCollection(literals=[one.output() for one in looks])
    )
    admitter = pods("shards.admit", execution=f"f{runs.num_runs}")
    given = {
        "listing": planned["listing"], "manifests": planned["manifests"], "inspected": inspected,
        "source": (str(source), str), "output": (str(output), str), "spec": (SPEC, Curation),
        "engine": (Engine.MAP, Engine), "run_id": planned["run_id"],
    }  # fmt: skip
    assert elements(admitter.run(**given).output()) == []
    kept = ResultStore(str(output)).read(INSPECT, inspect_digest(SPEC.limits), schema=INSPECT_STATE)
    assert kept["reason"].to_pylist() == ["not_a_video"] * 3
    Path(text(looks[1].output())).unlink()
    error = pods("shards.admit", execution=f"f{runs.num_runs}").run(**given).error()
    assert "relaunch the execution with Overwrite cache" in error.message.splitlines()[0]


def test_a_source_that_failed_for_now_has_a_new_key_in_every_run(
    pods: Pods, registration: Registration, tmp_path: Path
) -> None:
    source, output = letters(tmp_path / "source", "a.mp4", "b.mp4"), tmp_path / "output"
    runs = Inspections(pods, registration, source)
    first = runs.keys(output)
    listing = text(runs.plan(output)["listing"])
    failed = next(iter(Sources(listing))).source_version
    row = {"id": failed, "outcome": "retryable", "reason": "store_error", "message": "gone for now"}
    state = ResultStore(str(output))
    state.append_records(
        INSPECT, inspect_digest(SPEC.limits), [row], schema=INSPECT_STATE, run_id="20260101T000000.000000Z-a"
    )
    (second, third) = (runs.keys(output) for _ in range(2))
    assert second[:2] == third[:2] == first
    assert len(second) == len(third) == 3
    assert second[2] != third[2]


class Comparison:
    """The steps of deduplication in pods, into one output; ``keys`` are those of the cached ones."""

    def __init__(self, pods: Pods, registration: Registration, embeddings: Path, output: Path) -> None:
        self.pods, self.output, self.keys = pods, output, list[str]()
        self.execution = output.name
        self.templates = {plain_name(name): task for name, task in registration.notes.tasks.items()}
        self.spec = {"spec": (DEDUP, Deduplication)}
        self.run = self._step(
            "start_dedup", embeddings=(str(embeddings), str), **self.places(), **self.spec, columns=("", str)
        )

    def places(self) -> dict[str, object]:
        return {"output": (str(self.output), str)}

    def found(self) -> literals_pb2.Literal:
        """What all elements of the last map found."""
        fit = self._cached("fit_clusters", inputs=self.run["inputs"], **self.places(), **self.spec)
        assigned = self._mapped("assign_clusters", shard=self._step("embedding_shards", fit=fit)["o0"])
        groups = self._step(
            "cluster_groups", fit=fit, assigned=assigned, **self.places(), **self.spec, columns=("", str)
        )
        return self._mapped("find_duplicates", group=groups["o0"])

    def select(self, found: literals_pb2.Literal) -> dict[str, literals_pb2.Literal]:
        return self._step(
            "select_keepers", found=found, **self.places(), **self.spec, algorithm=("perceptual", str),
            columns=("", str), run_id=self.run["run_id"], ids=self.run["ids"],
        )  # fmt: skip

    def _step(self, name: str, **inputs: object) -> dict[str, literals_pb2.Literal]:
        return self.pods(f"dedupe.{name}", execution=self.execution).run(**inputs).outputs()

    def _cached(self, name: str, **inputs: object) -> literals_pb2.Literal:
        self.keys.append(cache_key(self.templates[f"tasks.dedupe.{name}"], **inputs))
        before = files(self.output)
        made = self._step(name, **inputs)["o0"]
        assert files(self.output) == before, "a cached task has no side effect"
        return made

    def _mapped(self, name: str, **inputs: literals_pb2.Literal) -> literals_pb2.Literal:
        ((input_name, given),) = inputs.items()
        template = self.templates[f"tasks.dedupe.map_{name}"]
        made: list[literals_pb2.Literal] = []
        for index, element in enumerate(elements(given)):
            self.keys.append(cache_key(template, **{input_name: element}))
            pod = self.pods(f"dedupe.map_{name}", BATCH_JOB_ARRAY_INDEX_VAR_NAME="I", I=str(index))
            made.append(pod.run(**inputs).output())
        return literals_pb2.Literal(collection=literals_pb2.LiteralCollection(literals=made))


def test_deduplication_of_equal_embeddings_elsewhere_is_answered_from_the_cache(
    pods: Pods, registration: Registration, tmp_path: Path
) -> None:
    write_copies(tmp_path / "embeddings")
    shutil.copytree(tmp_path / "embeddings", tmp_path / "copy")
    first = Comparison(pods, registration, tmp_path / "embeddings", tmp_path / "first")
    second = Comparison(pods, registration, tmp_path / "copy", tmp_path / "second")
    found = first.found()
    second.found()
    assert first.keys == second.keys
    assert len(set(first.keys)) == len(first.keys) > 2
    for run in (first, second):  # the second takes what the first one found, as from the cache
        run.select(found)
    dedup_here(tmp_path / "embeddings", tmp_path / "inline", DEDUP)
    assert documented(tmp_path / "first" / "dedup") == documented(tmp_path / "second" / "dedup")
    assert documented(tmp_path / "second" / "dedup") == documented(tmp_path / "inline" / "dedup")
    assert len(pq.read_table(tmp_path / "second" / "dedup" / "semantic_duplicates.parquet")) == 24

    write_copies(tmp_path / "copy", num_films=13)
    third = Comparison(pods, registration, tmp_path / "copy", tmp_path / "third")
    key = cache_key(
        third.templates["tasks.dedupe.fit_clusters"],
        inputs=third.run["inputs"],
        **third.places(),
        **third.spec,
    )
    assert key not in first.keys

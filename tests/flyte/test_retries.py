"""Faults in pods: what the console shows first, whether the backend tries again, and what is left to do."""

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from flyteidl.core import errors_pb2

from clipmill.dataset.run_record import RunRecord, write_run
from clipmill.engine.attempts.notes import RunNotes, WorkerNotes
from clipmill.intake.admission import admit
from clipmill.intake.inspection import inspect_manifest
from clipmill.intake.manifests import get_work
from clipmill.intake.shards import plan_shards
from clipmill.layout import run_path
from clipmill.outcomes.run_end import RunEnd
from clipmill.planning.from_spec import plan_of_spec
from clipmill.runs.lease import take
from clipmill.runs.run_id import new_run_id
from footage.encode import write_film
from tasks.hardware import Engine
from tasks.specs import Curation, Deduplication
from tests.flyte.conftest import Pods
from tests.support.faults.fault import Fault, FaultFolder
from tests.support.faults.mounts import may_mount, small_disk
from tests.support.films.small_films import draw_film
from tests.support.runs.curation import ROOT
from tests.support.runs.dedup_runs import write
from tests.support.stand_ins.flyte_pod import Pod
from tests.support.stand_ins.model_server import model_server

pytestmark = pytest.mark.timeout(240)

RECOVERABLE = errors_pb2.ContainerError.RECOVERABLE
NON_RECOVERABLE = errors_pb2.ContainerError.NON_RECOVERABLE
PLAIN = Curation.model_validate({"preview": None, "dedup": None})
NO_STORE = {
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_MAX_ATTEMPTS": "1", "AWS_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none",
}  # fmt: skip


def given(source: object, output: object, spec: Curation = PLAIN) -> dict[str, object]:
    return {"source": (str(source), str), "output": (str(output), str), "spec": (spec, Curation)}


def planned(pods: Pods, source: object, output: object, spec: Curation = PLAIN, **variables: str) -> Pod:
    engine = (Engine.MAP, Engine)
    return pods("shards.plan_shards", **variables).run(**given(source, output, spec), engine=engine)


def letters(folder: Path) -> Path:
    folder.mkdir()
    (folder / "a.mp4").write_text("The film will follow by post.")
    return folder


def admitted(source: Path, output: Path, spec: Curation) -> str:
    """The one manifest of work of a source, made without pods."""
    plan = plan_of_spec(spec, source=str(source), output=str(output))
    shards = plan_shards(plan, output=str(output), sharding=spec.sharding)
    for manifest in shards.manifest_uris:
        inspect_manifest(manifest, output=str(output), limits=spec.limits)
    (work,) = admit(shards.listing_uri, plan, output=str(output), num_groups=1)
    return work


def streamed(source: Path, output: Path, spec: Curation = PLAIN, **more: object) -> dict[str, object]:
    """Inputs of an element of the engine ``map``."""
    work = admitted(source, output, spec)
    run_id = take(str(output), new_run_id()).run_id
    return {
        "work": ([work], list[str]), **given(source, output, spec), "phase": (0, int), "run_id": (run_id, str)
    } | more  # fmt: skip


def one_element(inputs: dict[str, object]) -> dict[str, object]:
    return inputs | {"work": (inputs["work"][0][0], str)}


def text(pod: Pod) -> str:
    return pod.output().scalar.primitive.string_value


def store_outage(pods: Pods, folder: Path) -> Pod:
    return planned(pods, "s3://films", "s3://curated", **NO_STORE)


def outage_behind_the_lease(pods: Pods, folder: Path) -> Pod:
    given_ = given("s3://films", "s3://curated") | {"engine": (Engine.MAP, Engine)}
    return pods("shards.admit", **NO_STORE).run(
        listing=("s3://curated/listing.jsonl", str), manifests=([], list[str]), inspected=([], list[str]),
        run_id=(new_run_id(), str), **given_,
    )  # fmt: skip


def full_volume(pods: Pods, folder: Path) -> Pod:
    (folder / "output").mkdir()
    if not may_mount(folder / "output"):
        pytest.skip("this process may not mount file systems")
    with small_disk(folder / "output", size_bytes=4096):
        return planned(pods, letters(folder / "source"), folder / "output")


def lost_endpoint(pods: Pods, folder: Path) -> Pod:
    draw_film(folder / "source" / "harbour.mp4", seed=1, shots=(76,))
    captions = {"endpoint_url": "http://127.0.0.1:9/v1", "endpoint_model": "qwen"}
    spec = Curation.model_validate({"preview": None, "dedup": None, "captions": captions})
    inputs = one_element(streamed(folder / "source", folder / "output", PLAIN))
    return pods("stream.element").run(**inputs | {"spec": (spec, Curation)})


def unknown_stage(pods: Pods, folder: Path) -> Pod:
    spec = Curation.model_validate({"stages": [{"use": "nowhere:Filter"}]})
    return planned(pods, letters(folder / "source"), folder / "output", spec)


def no_source(pods: Pods, folder: Path) -> Pod:
    return planned(pods, folder / "nowhere", folder / "output")


def output_of_another_run(pods: Pods, folder: Path) -> Pod:
    take(str(folder / "output"), new_run_id())
    return planned(pods, letters(folder / "source"), folder / "output")


def lost_lease(pods: Pods, folder: Path) -> Pod:
    take(str(folder / "output"), new_run_id())
    return pods("dedupe.finish_dedup").run(
        duplicates=("", str), output=(str(folder / "output"), str), run_id=(new_run_id(), str)
    )


def bad_embeddings(pods: Pods, folder: Path) -> Pod:
    write(folder / "faulty" / "a.parquet", ["a", "b"], [[1.0, 0.0], [float("nan"), 0.0]])
    start = pods("dedupe.start_dedup").run(
        embeddings=(str(folder / "faulty"), str), output=(str(folder / "output"), str),
        spec=(Deduplication(), Deduplication), columns=("", str),
    )  # fmt: skip
    return pods("dedupe.fit_clusters").run(
        inputs=start.output("inputs"),
        output=(str(folder / "output"), str),
        spec=(Deduplication(), Deduplication),
    )


def damaged_manifest(pods: Pods, folder: Path) -> Pod:
    (folder / "sources.jsonl").write_text("no manifest\n")
    return pods("shards.inspect").run(
        manifest=(str(folder / "sources.jsonl"), str), inspection=("1", str), spec=(PLAIN, Curation)
    )


def stopped_run(pods: Pods, folder: Path) -> Pod:
    stopped = RunEnd("stopped", (), "stage dark is broken: it failed on all 9 items")
    write_run(str(folder), RunRecord("r1", "", "", end=stopped))
    return pods("publish.conclude").run(run=(run_path(str(folder), "r1"), str))


FAULTS = [
    (store_outage, RECOVERABLE, "s3://curated", "Flyte tries the task again"),
    (outage_behind_the_lease, RECOVERABLE, "s3://curated/lease.json", "Flyte tries the task again"),
    (full_volume, RECOVERABLE, "No space left on device", "Flyte tries the task again"),
    (lost_endpoint, RECOVERABLE, "http://127.0.0.1:9", "Flyte tries the task again"),
    (unknown_stage, NON_RECOVERABLE, "nowhere", ""),
    (no_source, NON_RECOVERABLE, "nowhere does not exist", ""),
    (output_of_another_run, NON_RECOVERABLE, "has been writing", "clipmill unlock"),
    (lost_lease, NON_RECOVERABLE, "no longer holds", "run it again"),
    (bad_embeddings, NON_RECOVERABLE, "id b", "dedup.on_bad_rows: skip"),
    (damaged_manifest, NON_RECOVERABLE, "ValidationError", "relaunch the execution"),
    (stopped_run, NON_RECOVERABLE, "stage dark is broken", ""),
]


@pytest.mark.parametrize(("fault", "kind", "what", "remedy"), FAULTS, ids=[row[0].__name__ for row in FAULTS])
def test_a_fault_says_first_what_to_do_and_whether_it_passes(
    pods: Pods, tmp_path: Path, fault: Callable[[Pods, Path], Pod], kind: int, what: str, remedy: str
) -> None:
    error = fault(pods, tmp_path).error()
    first, blank, *rest = error.message.splitlines()
    assert (what in first, remedy in first, blank) == (True, True, ""), first
    assert any("Traceback" in line for line in rest)
    assert error.kind == kind


def small_film(path: Path, *, seed: int) -> None:
    """Eight seconds, one picture each."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = np.random.default_rng(seed).integers(0, 255, (36, 64, 3), np.uint8)
    write_film(path, (np.roll(picture, i, axis=1) for i in range(8)), time_base=Fraction(1, 1))


def test_the_second_attempt_of_a_killed_element_does_only_what_is_missing(pods: Pods, tmp_path: Path) -> None:
    """Two of the films are noted as those that a run died of: each goes alone, and is kept at its end."""
    stride = {"clip_len_s": 8.0, "clip_stride_s": 8.0}
    spec = Curation.model_validate(
        {"split": {"algorithm": "fixed_stride", "fixed_stride": stride}, "preview": None, "dedup": None,
         "motion": None, "motion_filter": None, "quality": None, "embedding": None}
    )  # fmt: skip
    source, output = tmp_path / "source", tmp_path / "output"
    for seed in range(3):
        small_film(source / f"{seed}.mp4", seed=seed)
    inputs = one_element(streamed(source, output, spec))
    for item in get_work(inputs["work"][0])[1:]:
        WorkerNotes(RunNotes(str(output), "20260101T000000.000000Z-00000000", "t").uri).take(item.video_id)
    death = Fault("clipmill.engine.state_writer:StateWriter.flush", "kill", first=3)
    faults = FaultFolder(tmp_path / "faults", (death,)).environment(ROOT)
    pods("stream.element", **faults).run_to_death(**inputs)
    again = pods("stream.element", FLYTE_ATTEMPT_NUMBER="1").run(**inputs)
    record = json.loads(Path(text(again)).read_text())
    assert (record["num_videos"], record["num_clips"], record["stopped"]) == (1, 1, "")
    assert len(list((output / "clips").glob("*.mp4"))) == 3
    plan = plan_of_spec(spec, source=str(source), output=str(output))
    listing = plan_shards(plan, output=str(output), sharding=spec.sharding).listing_uri
    assert admit(listing, plan, output=str(output), num_groups=1) == []


def test_an_outage_is_tried_again_and_at_last_its_end_is_data(pods: Pods, tmp_path: Path) -> None:
    """The server of captions goes when it is asked. What is done is published; ``conclude`` fails then."""
    draw_film(tmp_path / "source" / "harbour.mp4", seed=1)
    with model_server() as server:

        def hang_up(body: dict) -> None:
            server.is_gone = True

        server.speaks = hang_up
        captions = {
            "endpoint_url": server.url, "endpoint_model": "tiny", "endpoint_concurrency": 1,
            "endpoint_max_attempts": 1,
        }  # fmt: skip
        spec = Curation.model_validate({"preview": None, "dedup": None, "captions": captions})
        inputs = one_element(streamed(tmp_path / "source", tmp_path / "output", spec))
        first = pods("stream.element", FLYTE_ATTEMPT_NUMBER="0").run(**inputs).error()
        assert (first.kind, "Flyte tries" in first.message.splitlines()[0]) == (RECOVERABLE, True)
        server.is_gone = False
        last = pods("stream.element", FLYTE_ATTEMPT_NUMBER="3").run(**inputs)
    record = json.loads(Path(text(last)).read_text())
    assert (record["is_passing"], record["stopped"] != "") == (True, True)

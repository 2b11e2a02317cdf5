"""Tasks run by their registered container commands, as pods run them, from nothing but what was uploaded."""

import json
from pathlib import Path

import pytest
import yaml
from flyteidl.core import tasks_pb2

from clipmill.intake.admission import admit
from clipmill.intake.inspection import inspect_manifest
from clipmill.intake.shards import plan_shards
from clipmill.planning.from_spec import plan_of_spec
from clipmill.runs.lease import take
from clipmill.runs.run_id import new_run_id
from deployment import VARIABLE, load
from deployment.schema import Deployment
from tasks.hardware import Engine
from tasks.specs import Curation
from tests.flyte.conftest import Pods
from tests.support.runs.curation import ROOT
from tests.support.stages.users_package import (
    LEVELS,
    PACKAGE,
    items_of,
    records,
    spec_fields,
    workplace,
)
from tests.support.stand_ins.flyte_pod import Pod
from tests.support.stand_ins.flyte_stand_in import Registration, plain_name, write_deployment

pytestmark = pytest.mark.timeout(240)

DARK = {"use": f"{PACKAGE}.dark:DarkFilter", "threshold": 0.2}
PLACES = {"source": ("s3://source", str), "output": ("s3://output", str)}
SPECS = {
    "cpu": {},
    "nvdec": {"decoder": "nvdec"},
    "models": {"split": {"algorithm": "transnetv2"}},
    "vllm": {"captions": {}},
}


def registered_task(registration: Registration, name: str) -> tasks_pb2.TaskTemplate:
    return next(task for key, task in registration.notes.tasks.items() if plain_name(key) == f"tasks.{name}")


def planned(pods: Pods, engine: Engine, *, deployment: Deployment | None = None, **fields: object) -> Pod:
    variables = {VARIABLE: deployment.model_dump_json(exclude_defaults=True)} if deployment else {}
    return pods("stream.stream_all", **variables).run(
        works=(["s3://films/0", "s3://films/1"], list[str]), phase=(0, int), run_id=(new_run_id(), str),
        engine=(engine, Engine), spec=(Curation.model_validate(fields), Curation), **PLACES,
    )  # fmt: skip


@pytest.mark.parametrize("environment", SPECS)
def test_ray_tasks_are_planned_in_the_registered_image(
    pods: Pods, registration: Registration, environment: str
) -> None:
    job = planned(pods, Engine.STREAM, **SPECS[environment]).planned()
    assert len(job.nodes) == 2
    (task,) = job.tasks
    name = "stream" if environment == "cpu" else f"stream_with_{environment}"
    registered_image = registered_task(registration, f"ray_stream.{name}").container.image
    assert (task.type, task.container.image) == ("ray", registered_image)


def test_one_map_is_planned_over_all_groups(pods: Pods, registration: Registration, tmp_path: Path) -> None:
    """With the GPU of its row, on a node that may be taken away, in its image, and without Ray."""
    fields = yaml.safe_load((ROOT / "deployment.yaml").read_text())
    fields["profiles"]["l4"]["elements"]["models"] |= {"spot": True}
    (tmp_path / "deployment.yaml").write_text(yaml.safe_dump(fields, sort_keys=False))
    write_deployment(tmp_path)
    deployment = load(tmp_path / "deployment.yaml")
    job = planned(pods, Engine.MAP, deployment=deployment, **SPECS["models"]).planned()
    (node,) = job.nodes
    assert node.array_node.parallelism == 64
    (task,) = job.tasks
    of_element = registered_task(registration, "stream.element_with_models")
    assert task.container.image == of_element.container.image
    assert task.container.resources == of_element.container.resources
    gpu = task.extended_resources
    assert (gpu.gpu_accelerator.device, gpu.shared_memory.size_limit) == ("nvidia-l4", "8Gi")
    assert (task.metadata.interruptible, task.metadata.pod_template_name) == (True, "clipmill")
    assert [secret.env_var for secret in task.security_context.secrets] == ["HF_TOKEN"]
    assert "pyflyte-map-execute" in task.container.args


def test_nothing_is_planned_for_no_work_or_for_machines_that_are_not_there(pods: Pods) -> None:
    spec = (Curation(), Curation)
    common = {"phase": (0, int), "run_id": ("r", str), "engine": (Engine.MAP, Engine), **PLACES}
    nothing = pods("stream.stream_all").run(works=([], list[str]), spec=spec, **common)
    assert list(nothing.output().collection.literals) == []
    excluding = {
        "captions": {},
        "embedding": {"algorithm": "internvideo2", "allow_remote_code": ["internvideo2"]},
    }
    error = planned(pods, Engine.MAP, **excluding).error()
    assert "endpoint_url" in error.message.splitlines()[0]


def test_a_night_is_skipped_while_another_run_goes_on(pods: Pods, tmp_path: Path) -> None:
    output = str(tmp_path / "output")
    inputs = {
        "source": ("s3://films", str), "output": (output, str), "spec": (Curation(), Curation),
        "engine": (Engine.STREAM, Engine),
    }  # fmt: skip
    holder = take(output, new_run_id(), owner="films/development/other")
    skipped = pods("curate_unless_busy", package="workflows.nightly").run(**inputs)
    assert {one.scalar.primitive.string_value for one in skipped.outputs().values()} == {""}
    deck = (skipped.folder / "outputs" / "deck.html").read_text()
    assert f"skipped: run {holder.run_id}" in deck
    holder.release()
    steps = pods("curate_unless_busy", package="workflows.nightly").run(**inputs).planned()
    assert len(steps.nodes) == 10


def test_the_ray_task_runs_a_stage_of_the_users_package(
    pods: Pods, registration: Registration, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the whole registered command: it downloads and unpacks the upload itself."""
    place = workplace(tmp_path / "place", monkeypatch)
    spec, output = Curation.model_validate(spec_fields(DARK)), str(place.output)
    plan = plan_of_spec(spec, source=str(place.source), output=output)
    shards = plan_shards(plan, output=output, sharding=spec.sharding)
    for manifest in shards.manifest_uris:
        inspect_manifest(manifest, output=output, limits=spec.limits)
    (work,) = admit(shards.listing_uri, plan, output=output, num_groups=1)
    pod = Pod(
        registered_task(registration, "ray_stream.stream"), tmp_path, variables={"RAY_ADDRESS": "local"}
    )
    pod.run(
        work=(work, str), source=(str(place.source), str), output=(output, str), spec=(spec, Curation),
        phase=(0, int), run_id=(take(output, new_run_id()).run_id, str),
    )  # fmt: skip
    record = json.loads(Path(pod.output().scalar.primitive.string_value).read_text())
    assert (record["engine"], record["num_videos"]) == ("ray", 1)
    (path,) = records(place.output)
    assert items_of(json.loads(path.read_text())["laps"])["dark"] == len(LEVELS)
    assert admit(shards.listing_uri, plan, output=output, num_groups=1) == []

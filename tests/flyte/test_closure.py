"""What Flyte is told: the compiled tasks, workflows and launch plans, read back from their protobufs."""

import tomllib
from collections import OrderedDict
from pathlib import Path

import pytest
from flyteidl.admin import launch_plan_pb2
from flyteidl.core import tasks_pb2, types_pb2, workflow_pb2
from flytekit import LaunchPlan
from flytekit.configuration import Image, ImageConfig, SerializationSettings
from flytekit.image_spec.default_builder import create_docker_context
from flytekit.image_spec.image_spec import ImageBuildEngine, ImageSpec
from flytekit.models.admin.workflow import WorkflowSpec
from flytekit.models.task import TaskSpec
from flytekit.tools.translator import get_serializable
from google.protobuf.json_format import MessageToDict

from clipmill.errors import SpecError
from clipmill.planning.environment import environment_of
from clipmill.planning.from_spec import plan_of_spec
from clipmill.specs import CurateSpec
from images import IMAGES
from images.environments import REGISTRY
from tasks import hardware
from tasks.hardware import MACHINES, Hardware, Machine
from tests.support.stand_ins.flyte_stand_in import plain_name
from workflows import launch_plans
from workflows.curate import curate
from workflows.dedup import dedup

HARDWARE = {
    "tasks.shards.plan_shards": hardware.PLAN,
    "tasks.shards.map_inspect": hardware.INSPECT,
    "tasks.shards.admit": hardware.PLAN,
    "tasks.shards.admit_unique": hardware.PLAN,
    "tasks.stream.stream_all": hardware.PLAN,
    "tasks.stream.stream": hardware.STREAM,
    "tasks.stream.stream_with_nvdec": hardware.STREAM,
    "tasks.stream.stream_with_models": hardware.STREAM,
    "tasks.stream.stream_with_legacy": hardware.STREAM,
    "tasks.stream.stream_with_vllm": hardware.STREAM,
    "tasks.publish.collect_embeddings": hardware.PUBLISH,
    "tasks.publish.conclude": hardware.PLAN,
    "tasks.publish.publish": hardware.PUBLISH,
    "tasks.dedupe.fit_clusters": hardware.FIT,
    "tasks.dedupe.embedding_shards": hardware.PLAN,
    "tasks.dedupe.map_assign_clusters": hardware.PAIRS,
    "tasks.dedupe.cluster_groups": hardware.PLAN,
    "tasks.dedupe.map_find_duplicates": hardware.PAIRS,
    "tasks.dedupe.select_keepers": hardware.PLAN,
    "tasks.publish.fail_curation": hardware.PLAN,
    "tasks.dedupe.start_dedup": hardware.PLAN,
    "tasks.dedupe.finish_dedup": hardware.PLAN,
    "tasks.dedupe.fail_dedup": hardware.PLAN,
}
ENVIRONMENTS = {f"tasks.stream.stream_with_{name}": name for name in ("nvdec", "models", "legacy", "vllm")}
EVERY_TASK = pytest.mark.parametrize("name", HARDWARE)
EVERY_ENVIRONMENT = pytest.mark.parametrize("environment", IMAGES)


class Closure:
    """All that ``curate`` and ``dedup`` compile to; a map task by its name without its arguments' digest."""

    def __init__(self) -> None:
        self._entities = OrderedDict[object, object]()
        for workflow in (curate, dedup):
            get_serializable(self._entities, self._settings, workflow)
        # Streamed tasks are compiled where the dynamic task runs: here they are looked at by hand.
        from tasks.stream import STREAMS

        for stream in STREAMS.values():
            get_serializable(self._entities, self._settings, stream)
        self.tasks = {
            plain_name(spec.template.id.name): spec.to_flyte_idl().template
            for spec in self._entities.values()
            if isinstance(spec, TaskSpec)
        }
        self.workflows = {
            spec.template.id.name: spec.to_flyte_idl().template
            for spec in self._entities.values()
            if isinstance(spec, WorkflowSpec)
        }

    @property
    def _settings(self) -> SerializationSettings:
        default = ImageConfig(default_image=Image("default", "example.com/none", "1"))
        return SerializationSettings(project="p", domain="d", version="v1", image_config=default)

    def plan(self, plan: LaunchPlan) -> launch_plan_pb2.LaunchPlanSpec:
        return get_serializable(self._entities, self._settings, plan).to_flyte_idl().spec


@pytest.fixture(scope="module")
def closure() -> Closure:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ImageBuildEngine, "build", lambda image: None)
        return Closure()


def amounts(entries: "tasks_pb2.Resources") -> list[dict[str, str]]:
    """Requests, then limits."""
    name = tasks_pb2.Resources.ResourceName.Name
    return [{name(one.name): one.value for one in part} for part in (entries.requests, entries.limits)]


def test_the_closure_holds_every_task(closure: Closure) -> None:
    assert set(closure.tasks) == set(HARDWARE)


@EVERY_TASK
def test_a_task_asks_for_its_hardware_and_no_gpu(closure: Closure, name: str) -> None:
    machine = HARDWARE[name].machine
    asked = {"CPU": machine.cpu, "MEMORY": machine.mem}
    assert amounts(closure.tasks[name].container.resources) == [asked, asked]


@EVERY_TASK
def test_a_task_has_retries_and_a_timeout(closure: Closure, name: str) -> None:
    metadata, row = closure.tasks[name].metadata, HARDWARE[name]
    assert (metadata.retries.retries, metadata.timeout.ToTimedelta()) == (row.retries, row.timeout)
    assert row.retries > 0


@EVERY_TASK
def test_a_task_names_its_image(closure: Closure, name: str) -> None:
    environment = ENVIRONMENTS.get(name, "cpu")
    assert closure.tasks[name].container.image.startswith(f"{REGISTRY}/clipmill-{environment}:")


@EVERY_TASK
def test_no_pool_of_a_library_competes_for_cores(closure: Closure, name: str) -> None:
    environment = {one.key: one.value for one in closure.tasks[name].container.env}
    assert environment["OMP_NUM_THREADS"] == environment["OPENBLAS_NUM_THREADS"] == "1"


@EVERY_TASK
def test_flyte_caches_nothing(closure: Closure, name: str) -> None:
    """With Flyte's cache on, a deleted output is rebuilt and a new film is seen."""
    assert not closure.tasks[name].metadata.discoverable


def test_a_gpu_machine_asks_for_its_gpu() -> None:
    row = Hardware(Machine(cpu="4", mem="8Gi", gpu="1"), retries=1, timeout=hardware.PLAN.timeout)
    assert (row.of_task["requests"].gpu, row.of_task["limits"].gpu) == ("1", "1")


# The shape of the workflows


def names(workflow: "workflow_pb2.WorkflowTemplate") -> dict[str, str]:
    """Node id -> what it runs, without modules."""
    return {node.id: _target(node) for node in workflow.nodes if node.id not in ("start-node", "end-node")}


def _target(node: "workflow_pb2.Node") -> str:
    kind = node.WhichOneof("target")
    if kind == "array_node":
        return f"map {_target(node.array_node.node).removeprefix('map_')}"
    reference = node.task_node.reference_id if kind == "task_node" else node.workflow_node.sub_workflow_ref
    return plain_name(reference.name).rsplit(".", 1)[1]


def edges(workflow: "workflow_pb2.WorkflowTemplate") -> set[tuple[str, str]]:
    of = names(workflow)
    return {
        (of[before], of[node.id])
        for node in workflow.nodes
        for before in node.upstream_node_ids
        if node.id in of and before in of
    }


def test_curate_has_the_designed_topology(closure: Closure) -> None:
    assert edges(closure.workflows["workflows.curate.curate"]) == {
        ("plan_shards", "map inspect"),
        ("plan_shards", "admit"),
        ("map inspect", "admit"),
        ("admit", "stream_all"),
        ("plan_shards", "stream_all"),
        ("plan_shards", "collect_embeddings"),
        ("stream_all", "collect_embeddings"),
        ("plan_shards", "find_all_duplicates"),
        ("collect_embeddings", "find_all_duplicates"),
        ("plan_shards", "admit_unique"),
        ("find_all_duplicates", "admit_unique"),
        ("admit_unique", "stream_all"),
        ("plan_shards", "publish"),
        ("stream_all", "publish"),
        ("find_all_duplicates", "publish"),
        ("publish", "conclude"),
    }


def test_dedup_has_the_designed_topology(closure: Closure) -> None:
    assert edges(closure.workflows["workflows.dedup.find_all_duplicates"]) == {
        ("fit_clusters", "embedding_shards"),
        ("embedding_shards", "map assign_clusters"),
        ("fit_clusters", "cluster_groups"),
        ("map assign_clusters", "cluster_groups"),
        ("cluster_groups", "map find_duplicates"),
        ("map find_duplicates", "select_keepers"),
    }


def test_a_run_that_only_deduplicates_takes_the_output_and_gives_it_back(closure: Closure) -> None:
    assert edges(closure.workflows["workflows.dedup.dedup"]) == {
        ("start_dedup", "find_all_duplicates"),
        ("start_dedup", "finish_dedup"),
        ("find_all_duplicates", "finish_dedup"),
    }


@pytest.mark.parametrize(
    ("workflow", "handler"), [("curate.curate", "fail_curation"), ("dedup.dedup", "fail_dedup")]
)
def test_a_run_that_fails_gives_the_output_back(closure: Closure, workflow: str, handler: str) -> None:
    assert _target(closure.workflows[f"workflows.{workflow}"].failure_node) == handler


@pytest.mark.parametrize(
    "task", ["shards.map_inspect", "dedupe.fit_clusters", "dedupe.map_assign_clusters",
             "dedupe.map_find_duplicates"],
)  # fmt: skip
def test_a_task_that_may_be_cached_knows_no_run(closure: Closure, task: str) -> None:
    assert "run_id" not in closure.tasks[f"tasks.{task}"].interface.inputs.variables


def array_nodes(workflow: "workflow_pb2.WorkflowTemplate") -> dict[str, "workflow_pb2.ArrayNode"]:
    return {
        _target(node): node.array_node for node in workflow.nodes if node.WhichOneof("target") == "array_node"
    }


def test_what_all_elements_share_is_bound_once(closure: Closure) -> None:
    node = array_nodes(closure.workflows["workflows.curate.curate"])["map inspect"]
    assert sorted(node.bound_inputs) == ["output", "spec"]


@pytest.mark.parametrize("workflow", ["workflows.curate.curate", "workflows.dedup.find_all_duplicates"])
def test_no_element_of_a_map_may_be_lost(closure: Closure, workflow: str) -> None:
    assert {node.min_success_ratio for node in array_nodes(closure.workflows[workflow]).values()} == {1.0}


@pytest.mark.parametrize(
    ("task", "mapped"),
    [("map_inspect", "shards.map_inspect"), ("map_assign_clusters", "dedupe.map_assign_clusters"),
     ("map_find_duplicates", "dedupe.map_find_duplicates")],
)  # fmt: skip
def test_an_element_is_a_uri_not_a_record(closure: Closure, task: str, mapped: str) -> None:
    """Every pod of a map downloads the whole list."""
    inputs = closure.tasks[f"tasks.{mapped}"].interface.inputs.variables
    collections = {name: one.type.collection_type for name, one in inputs.items() if _is_list(one.type)}
    assert [one.simple for one in collections.values()] == [types_pb2.STRING]


def _is_list(kind: "types_pb2.LiteralType") -> bool:
    return kind.WhichOneof("type") == "collection_type"


def test_a_spec_travels_with_its_schema(closure: Closure) -> None:
    spec = closure.workflows["workflows.curate.curate"].interface.inputs.variables["spec"].type
    assert spec.simple == types_pb2.STRUCT
    assert "motion_filter" in MessageToDict(spec.metadata)["properties"]


def test_curate_gives_uris_by_name(closure: Closure) -> None:
    outputs = closure.workflows["workflows.curate.curate"].interface.outputs.variables
    kinds = {name: one.type.simple for name, one in outputs.items()}
    assert kinds == dict.fromkeys(("manifest", "report", "run"), types_pb2.STRING)


def test_the_report_is_a_deck(closure: Closure) -> None:
    with_deck = [name for name, task in closure.tasks.items() if task.metadata.generates_deck.value]
    assert with_deck == ["tasks.publish.publish"]


# The Ray cluster


@pytest.fixture(scope="module")
def job(closure: Closure) -> dict[str, object]:
    return MessageToDict(closure.tasks["tasks.stream.stream"].custom)


@pytest.fixture(scope="module")
def cluster(job: dict[str, object]) -> dict[str, object]:
    return job["rayCluster"]


def group(cluster: dict[str, object], name: str) -> dict[str, object]:
    return {one["groupName"]: one for one in cluster["workerGroupSpec"]}[name]


def container(spec: dict[str, object]) -> dict[str, object]:
    (only,) = spec["k8sPod"]["podSpec"]["containers"]
    return only


def test_streaming_is_a_ray_job(closure: Closure) -> None:
    assert closure.tasks["tasks.stream.stream"].type == "ray"


def test_the_head_does_no_work(cluster: dict[str, object]) -> None:
    assert cluster["headGroupSpec"]["rayStartParams"] == {"num-cpus": "0"}


def test_the_containers_have_the_names_flyte_merges_by(cluster: dict[str, object]) -> None:
    groups = [cluster["headGroupSpec"], group(cluster, "cpu"), group(cluster, "gpu")]
    assert [container(one)["name"] for one in groups] == ["ray-head", "ray-worker", "ray-worker"]


def test_head_and_cpu_workers_ask_for_no_gpu(cluster: dict[str, object]) -> None:
    for spec, machine in (
        (cluster["headGroupSpec"], hardware.HEAD),
        (group(cluster, "cpu"), hardware.CPU),
    ):
        asked = {"cpu": machine.cpu, "memory": machine.mem}
        assert container(spec)["resources"] == {"requests": asked, "limits": asked}


def test_gpu_workers_ask_for_a_gpu_and_tolerate_its_taint(cluster: dict[str, object]) -> None:
    workers = group(cluster, "gpu")
    resources = container(workers)["resources"]
    assert resources["limits"]["nvidia.com/gpu"] == resources["requests"]["nvidia.com/gpu"] == "1"
    assert workers["k8sPod"]["podSpec"]["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists"}]


def test_what_is_spooled_does_not_fill_the_containers(cluster: dict[str, object]) -> None:
    for spec in (cluster["headGroupSpec"], group(cluster, "cpu"), group(cluster, "gpu")):
        assert container(spec)["volumeMounts"] == [{"name": "scratch", "mountPath": "/tmp"}]
        assert spec["k8sPod"]["podSpec"]["volumes"] == [{"name": "scratch", "emptyDir": {}}]


@pytest.mark.parametrize("name", ["cpu", "gpu"])
def test_worker_groups_grow_between_their_bounds(cluster: dict[str, object], name: str) -> None:
    bounds = {"cpu": hardware.CPU_WORKERS, "gpu": hardware.GPU_WORKERS["cpu"]}[name]
    spec = group(cluster, name)
    assert (spec.get("minReplicas", 0), spec["maxReplicas"]) == (bounds.min_replicas, bounds.max_replicas)
    assert spec.get("replicas", 0) == bounds.min_replicas
    assert cluster["enableAutoscaling"]


def test_no_gpu_waits_for_work(cluster: dict[str, object]) -> None:
    assert group(cluster, "gpu").get("minReplicas", 0) == 0


@pytest.mark.parametrize("task", ENVIRONMENTS)
def test_models_have_a_gpu_in_their_workers_and_none_on_the_task(closure: Closure, task: str) -> None:
    cluster = MessageToDict(closure.tasks[task].custom)["rayCluster"]
    workers = group(cluster, "gpu")
    machine = MACHINES[ENVIRONMENTS[task]]
    assert container(workers)["resources"]["limits"]["memory"] == machine.mem
    assert container(workers)["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert workers["minReplicas"] == 1


INTERNVIDEO2 = {"algorithm": "internvideo2", "allow_remote_code": ["internvideo2"]}
SPECS = {
    "cpu": {},
    "nvdec": {"decoder": "nvdec"},
    "models": {"split": {"algorithm": "transnetv2"}, "captions": {"backend": "transformers"}},
    "legacy": {"embedding": INTERNVIDEO2},
    "vllm": {"captions": {}, "embedding": {"algorithm": "siglip2"}},
}


@pytest.mark.parametrize("environment", SPECS)
def test_a_spec_runs_where_its_models_do(environment: str) -> None:
    plan = plan_of_spec(CurateSpec.model_validate(SPECS[environment]), source="films", output="out")
    assert environment_of(plan) == environment


def test_environments_that_exclude_each_other_are_told_with_a_remedy() -> None:
    spec = CurateSpec.model_validate({"captions": {}, "embedding": INTERNVIDEO2})
    with pytest.raises(SpecError, match="endpoint_url"):
        environment_of(plan_of_spec(spec, source="films", output="out"))


def test_captions_from_an_endpoint_need_no_environment() -> None:
    captions = {"endpoint_url": "http://captions:8000/v1", "endpoint_model": "qwen"}
    spec = CurateSpec.model_validate({"captions": captions})
    assert environment_of(plan_of_spec(spec, source="films", output="out")) == "cpu"


def test_a_finished_cluster_goes_after_a_while(job: dict[str, object]) -> None:
    assert job["shutdownAfterJobFinishes"]
    assert job["ttlSecondsAfterFinished"] > 0


def test_pods_know_that_ray_needs_no_token(closure: Closure) -> None:
    environment = {one.key: one.value for one in closure.tasks["tasks.stream.stream"].container.env}
    assert environment["RAY_AUTH_MODE"] == "disabled"


# Launch plans


def test_nightly_runs_curate_at_three(closure: Closure) -> None:
    plan = closure.plan(launch_plans.nightly)
    assert plan.workflow_id.name == "workflows.curate.curate"
    assert plan.entity_metadata.schedule.cron_schedule.schedule == "0 3 * * *"


def test_nightly_leaves_no_input_open(closure: Closure) -> None:
    """A scheduler has nobody to ask; FlyteAdmin refuses such a plan."""
    plan = closure.plan(launch_plans.nightly)
    inputs = closure.workflows["workflows.curate.curate"].interface.inputs.variables
    assert set(plan.fixed_inputs.literals) == set(inputs)


def test_a_night_does_not_overtake_the_last_one(closure: Closure) -> None:
    policy = closure.plan(launch_plans.nightly).concurrency_policy
    assert (policy.max, policy.behavior) == (1, launch_plan_pb2.CONCURRENCY_LIMIT_BEHAVIOR_SKIP)


@pytest.mark.parametrize(
    ("plan", "workflow", "required"),
    [
        (launch_plans.curate_plan, "workflows.curate.curate", {"source", "output"}),
        (launch_plans.dedup_plan, "workflows.dedup.dedup", {"embeddings", "output"}),
    ],
    ids=["curate", "dedup"],
)
def test_plans_for_people_ask_only_for_places(
    closure: Closure, plan: LaunchPlan, workflow: str, required: set[str]
) -> None:
    spec = closure.plan(plan)
    asked = {name for name, one in spec.default_inputs.parameters.items() if one.required}
    assert (spec.workflow_id.name, asked) == (workflow, required)
    assert not spec.entity_metadata.schedule.cron_schedule.schedule


# Images


def test_extras_images_and_machines_share_their_names() -> None:
    project = tomllib.loads(Path("pyproject.toml").read_text())
    (apart,) = project["tool"]["uv"]["conflicts"]
    environments = {"cpu", *(one["extra"] for one in apart)}
    assert set(IMAGES) == set(MACHINES) == environments
    assert environments < set(project["project"]["optional-dependencies"])


@EVERY_ENVIRONMENT
def test_an_image_is_the_locked_extra(tmp_path: Path, environment: str) -> None:
    with pytest.warns(UserWarning, match="uv.lock support is experimental"):
        create_docker_context(IMAGES[environment], tmp_path)
    dockerfile = (tmp_path / "Dockerfile").read_text()
    extras = f"--extra {environment} --extra flyte"
    assert f"uv sync {extras} --compile-bytecode --locked --no-dev --no-install-project" in dockerfile
    assert (tmp_path / "uv.lock").read_bytes() == Path("uv.lock").read_bytes()


@EVERY_ENVIRONMENT
def test_an_image_is_built_by_the_uv_that_locked(tmp_path: Path, environment: str) -> None:
    with pytest.warns(UserWarning, match="experimental"):
        create_docker_context(IMAGES[environment], tmp_path)
    (pinned,) = (line for line in Path("Makefile").read_text().splitlines() if line.startswith("UV :="))
    version = pinned.split("==")[1]
    assert f"FROM ghcr.io/astral-sh/uv:{version} as uv" in (tmp_path / "Dockerfile").read_text()


@EVERY_ENVIRONMENT
def test_an_image_has_the_same_id_in_a_pod(environment: str) -> None:
    """A dynamic task looks images up by a digest of their fields: no field may say where we are."""
    image: ImageSpec = IMAGES[environment]
    assert image.registry == image.env["CLIPMILL_REGISTRY"] == REGISTRY
    assert str(Path.cwd()) not in str(vars(image))


def test_only_gpu_images_stand_on_cuda() -> None:
    on_cuda = {name for name, image in IMAGES.items() if image.base_image}
    assert on_cuda == {name for name, machine in MACHINES.items() if machine.gpu}

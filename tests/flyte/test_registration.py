"""What ``pyflyte register`` sends: tasks, workflows, launch plans and code, as a FlyteAdmin noted them."""

import tarfile
from pathlib import Path

import pytest
from flyteidl.admin import launch_plan_pb2
from flyteidl.core import tasks_pb2, types_pb2, workflow_pb2
from google.protobuf.json_format import MessageToDict

from deployment import load
from deployment.schema import TaskRow
from tests.support.runs.curation import ROOT
from tests.support.stand_ins.flyte_stand_in import (
    OUTPUT,
    REGISTRY,
    SOURCE,
    Registration,
    flyte_admin,
    plain_name,
    run_pyflyte,
)

PROFILE = load(ROOT / "deployment.yaml", "l4").profile
ROWS: dict[str, TaskRow] = {
    "plan_shards": PROFILE.tasks.plan, "inspect": PROFILE.tasks.inspect, "admit": PROFILE.tasks.plan,
    "admit_unique": PROFILE.tasks.plan, "stream_all": PROFILE.tasks.plan,
    "collect_embeddings": PROFILE.tasks.publish, "publish": PROFILE.tasks.publish,
    "conclude": PROFILE.tasks.plan, "start_dedup": PROFILE.tasks.plan, "fit_clusters": PROFILE.tasks.fit,
    "embedding_shards": PROFILE.tasks.plan, "assign_clusters": PROFILE.tasks.pairs,
    "cluster_groups": PROFILE.tasks.plan, "find_duplicates": PROFILE.tasks.pairs,
    "select_keepers": PROFILE.tasks.plan, "finish_dedup": PROFILE.tasks.plan,
    "fail_curation": PROFILE.tasks.plan, "fail_dedup": PROFILE.tasks.plan,
    "curate_unless_busy": PROFILE.tasks.plan, "compact": PROFILE.tasks.plan,
    "check_places": PROFILE.tasks.plan, "check_first": PROFILE.tasks.plan, "compare_runs": PROFILE.tasks.plan,
    "plan_shards_of_export": PROFILE.tasks.plan, "export_shard": PROFILE.tasks.pairs,
    "end_export": PROFILE.tasks.plan, "fetch_models": PROFILE.tasks.fetch,
    "search_clips": PROFILE.tasks.search, "element": PROFILE.elements["cpu"],
    **{f"element_with_{name}": PROFILE.elements[name] for name in ("nvdec", "models", "legacy", "vllm")},
}  # fmt: skip
RAY = ["stream", *(f"stream_with_{name}" for name in ("nvdec", "models", "legacy", "vllm"))]
ROWS |= dict.fromkeys(RAY, PROFILE.tasks.stream)


def short(name: str) -> str:
    """Name of a task without module, and of a map without what it maps."""
    return plain_name(name).rsplit(".", 1)[1].removeprefix("map_")


def amounts(entries: tasks_pb2.Resources) -> list[dict[str, str]]:
    """Requests, then limits."""
    name = tasks_pb2.Resources.ResourceName.Name
    return [{name(one.name): one.value for one in part} for part in (entries.requests, entries.limits)]


def environment_of(task: str) -> str:
    if task in ("fetch_models", "search_clips"):
        return "models"
    return task.rpartition("_with_")[2] if "_with_" in task else "cpu"


def test_every_task_asks_for_its_row_of_the_profile(registration: Registration) -> None:
    assert {short(name) for name in registration.notes.tasks} == set(ROWS)
    for name, task in registration.notes.tasks.items():
        row = ROWS[short(name)]
        asked = {"CPU": row.cpu, "MEMORY": row.mem} | ({"GPU": "1"} if row.gpu else {})
        assert amounts(task.container.resources) == [asked, asked], name
        metadata = task.metadata
        assert (metadata.retries.retries, metadata.timeout.seconds) == (row.retries, row.hours * 3600), name
        assert metadata.retries.retries > 0
        is_plain = short(name) not in RAY
        assert metadata.interruptible == (row.spot and is_plain), name
        gpu = task.extended_resources
        expected = ("nvidia-l4", "8Gi") if row.gpu and is_plain else ("", "")
        assert (gpu.gpu_accelerator.device, gpu.shared_memory.size_limit) == expected, name


def test_every_task_has_image_secrets_template_and_its_own_deployment(registration: Registration) -> None:
    for name, task in registration.notes.tasks.items():
        image = task.container.image
        assert image.startswith(f"{REGISTRY}/clipmill-{environment_of(short(name))}:"), name
        (secret,) = task.security_context.secrets
        assert (secret.group, secret.key, secret.env_var) == ("clipmill", "hf-token", "HF_TOKEN")
        assert task.metadata.pod_template_name == "clipmill"
        variables = {one.key: one.value for one in task.container.env}
        assert variables["OMP_NUM_THREADS"] == variables["OPENBLAS_NUM_THREADS"] == "1"
        assert variables["RAY_AUTH_MODE"] == "disabled"
        assert '"name":"l4"' in variables["CLIPMILL_DEPLOYMENT"]


# The shape of the workflows


def template(registration: Registration, name: str) -> workflow_pb2.WorkflowTemplate:
    return registration.notes.workflows[f"workflows.{name}"].template


def names(workflow: workflow_pb2.WorkflowTemplate) -> dict[str, str]:
    """Node id -> what it runs, without modules."""
    return {node.id: target(node) for node in workflow.nodes if node.id not in ("start-node", "end-node")}


def target(node: workflow_pb2.Node) -> str:
    kind = node.WhichOneof("target")
    if kind == "array_node":
        return f"map {target(node.array_node.node)}"
    reference = node.task_node.reference_id if kind == "task_node" else node.workflow_node.sub_workflow_ref
    return short(reference.name)


def edges(workflow: workflow_pb2.WorkflowTemplate) -> set[tuple[str, str]]:
    of = names(workflow)
    return {
        (of[before], of[node.id])
        for node in workflow.nodes
        for before in node.upstream_node_ids
        if node.id in of and before in of
    }


def test_curate_has_the_designed_topology(registration: Registration) -> None:
    assert edges(template(registration, "curate.curate")) == {
        ("plan_shards", "map inspect"), ("plan_shards", "admit"), ("map inspect", "admit"),
        ("admit", "stream_all"), ("plan_shards", "stream_all"), ("plan_shards", "collect_embeddings"),
        ("stream_all", "collect_embeddings"), ("plan_shards", "find_all_duplicates"),
        ("collect_embeddings", "find_all_duplicates"), ("plan_shards", "admit_unique"),
        ("find_all_duplicates", "admit_unique"), ("admit_unique", "stream_all"), ("plan_shards", "publish"),
        ("stream_all", "publish"), ("find_all_duplicates", "publish"), ("publish", "conclude"),
    }  # fmt: skip


def test_dedup_has_the_designed_topology(registration: Registration) -> None:
    assert edges(template(registration, "dedup.find_all_duplicates")) == {
        ("fit_clusters", "embedding_shards"), ("embedding_shards", "map assign_clusters"),
        ("fit_clusters", "cluster_groups"), ("map assign_clusters", "cluster_groups"),
        ("cluster_groups", "map find_duplicates"), ("map find_duplicates", "select_keepers"),
    }  # fmt: skip
    assert edges(template(registration, "dedup.dedup")) == {
        ("start_dedup", "find_all_duplicates"), ("start_dedup", "finish_dedup"),
        ("find_all_duplicates", "finish_dedup"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("workflow", "handler"),
    [("curate.curate", "fail_curation"), ("nightly.curate_nightly", "fail_curation"),
     ("dedup.dedup", "fail_dedup")],
)  # fmt: skip
def test_a_failure_handler_takes_every_input_and_the_error(
    registration: Registration, workflow: str, handler: str
) -> None:
    found = template(registration, workflow)
    assert target(found.failure_node) == handler
    taken = next(task for name, task in registration.notes.tasks.items() if short(name) == handler)
    assert set(taken.interface.inputs.variables) == {*found.interface.inputs.variables, "err"}


def test_maps_pass_short_values_and_lose_no_element(registration: Registration) -> None:
    """Every pod of a map downloads the whole list."""
    for name in ("curate.curate", "dedup.find_all_duplicates"):
        nodes = [one.array_node for one in template(registration, name).nodes if one.HasField("array_node")]
        assert nodes
        assert {node.min_success_ratio for node in nodes} == {1.0}
    for name, task in registration.notes.tasks.items():
        if ".map_" in name:
            lists = [one.type for one in task.interface.inputs.variables.values()]
            kinds = [one.collection_type.simple for one in lists if one.HasField("collection_type")]
            assert kinds in ([types_pb2.STRING], [types_pb2.INTEGER]), name


def test_a_spec_travels_with_a_short_schema(registration: Registration) -> None:
    spec = template(registration, "curate.curate").interface.inputs.variables["spec"].type
    assert spec.simple == types_pb2.STRUCT
    assert MessageToDict(spec.metadata) == {"type": "object", "description": "parameters: docs/spec.md"}


def test_curate_gives_uris_by_name_and_its_report_as_a_deck(registration: Registration) -> None:
    outputs = template(registration, "curate.curate").interface.outputs.variables
    kinds = {name: one.type.simple for name, one in outputs.items()}
    assert kinds == dict.fromkeys(("manifest", "report", "run"), types_pb2.STRING)
    decks = [
        short(name) for name, task in registration.notes.tasks.items() if task.metadata.generates_deck.value
    ]
    assert sorted(decks) == ["curate_unless_busy", "publish"]


# Launch plans


def plan(registration: Registration, name: str) -> launch_plan_pb2.LaunchPlanSpec:
    return registration.notes.launch_plans[name]


def test_only_the_nightly_plan_is_switched_on(registration: Registration) -> None:
    assert registration.notes.active == {"nightly": "v1"}


def test_the_nightly_plan_is_what_the_deployment_says(registration: Registration) -> None:
    nightly = plan(registration, "nightly")
    assert nightly.workflow_id.name == "workflows.nightly.curate_nightly"
    assert nightly.entity_metadata.schedule.cron_schedule.schedule == "0 3 * * *"
    fixed = nightly.fixed_inputs.literals
    places = {name: fixed[name].scalar.primitive.string_value for name in ("source", "output", "engine")}
    assert places == {"source": SOURCE, "output": OUTPUT, "engine": "stream"}
    inputs = template(registration, "nightly.curate_nightly").interface.inputs.variables
    assert set(fixed) == set(inputs), "a scheduler has no user to ask"
    policy = nightly.concurrency_policy
    assert (policy.max, policy.behavior) == (1, launch_plan_pb2.CONCURRENCY_LIMIT_BEHAVIOR_SKIP)


@pytest.mark.parametrize(
    ("name", "workflow", "required"),
    [
        ("curate", "workflows.curate.curate", {"source", "output"}),
        ("dedup", "workflows.dedup.dedup", {"embeddings", "output"}),
        ("compact", "workflows.state.compact_state", {"output"}),
    ],
)
def test_plans_for_people_ask_only_for_places(
    registration: Registration, name: str, workflow: str, required: set[str]
) -> None:
    spec = plan(registration, name)
    asked = {key for key, one in spec.default_inputs.parameters.items() if one.required}
    assert (spec.workflow_id.name, asked) == (workflow, required)
    assert not spec.entity_metadata.schedule.cron_schedule.schedule


def test_plans_write_to_the_team_and_run_as_its_account(registration: Registration) -> None:
    for name in ("curate", "nightly", "dedup", "compact"):
        spec = plan(registration, name)
        (notification,) = spec.entity_metadata.notifications
        assert list(notification.email.recipients_email) == ["team@example.com"]
        assert len(notification.phases) == 3
        assert spec.security_context.run_as.k8s_service_account == "curator"


# The code


def test_the_code_is_uploaded_once_and_nothing_else_is(registration: Registration) -> None:
    """A Ray driver sends its folder to every worker."""
    (archive,) = registration.notes.uploads
    start = ["pyflyte-fast-execute", "--additional-distribution", str(archive)]
    assert all(list(task.container.args[:3]) == start for task in registration.notes.tasks.values())
    with tarfile.open(archive) as files:
        held = set(files.getnames())
    for kind in ("clipmill/**/*.py", "clipmill/**/*.j2", "tasks/*.py", "images/*.py", "deployment/*.py"):
        needed = {str(path.relative_to(ROOT)) for path in ROOT.glob(kind)}
        assert needed
        assert needed <= held
    assert not [name for name in held if name.startswith((".git/", ".venv/", "data/", "tests/"))]
    assert archive.stat().st_size < 5 << 20


def test_an_earlier_version_is_activated_to_roll_back(registration: Registration, tmp_path: Path) -> None:
    """``pyflyte launchplan``, the command of docs/deploy.md, against the stand-in."""
    with flyte_admin(tmp_path) as (address, notes):
        notes.launch_plans |= registration.notes.launch_plans
        notes.workflows |= registration.notes.workflows
        notes.tasks |= registration.notes.tasks
        notes.active["nightly"] = "v2"
        done = run_pyflyte(
            "launchplan", "--project", "films", "--domain", "development", "--activate", "nightly", "v1",
            home=tmp_path, env={"FLYTE_PLATFORM_URL": address, "FLYTE_PLATFORM_INSECURE": "true"},
        )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert notes.active == {"nightly": "v1"}


def test_a_package_needs_no_network_and_no_container_engine(tmp_path: Path) -> None:
    package = tmp_path / "flyte.tgz"
    done = run_pyflyte(
        "-c", "flyte.config", "package", "--image", "example.com/none:1", "--output", str(package), "--force",
        home=tmp_path,
        env={
            "CLIPMILL_PROFILE": "small",
            "https_proxy": "http://127.0.0.1:9",
            "http_proxy": "http://127.0.0.1:9",
        },
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with tarfile.open(package) as files:
        names = " ".join(files.getnames())
    assert all(name in names for name in ("tasks.stream.element", "workflows.curate.curate_", "nightly"))

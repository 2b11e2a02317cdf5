"""The deployment file: what it refuses, and what the pods of each profile ask of Kubernetes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from clipmill.dataset.run_record import RunRecord, write_run
from clipmill.errors import SpecError
from clipmill.machine import ClusterSize
from clipmill.runs.run_id import new_run_id
from deployment import FILE_VARIABLE, VARIABLE, load
from deployment.__main__ import largest, pod_template
from deployment.schema import Machine, Prices, amount
from images.dockerfile import BASE, CODE, FILES, WORKDIR, render
from images.environments import ENVIRONMENTS, name_of
from tasks import ray_stream
from tasks.hardware import Engine
from tasks.publish import estimate
from tasks.specs import Curation
from tests.flyte.conftest import Pods
from tests.support.runs.curation import ROOT
from tests.support.stand_ins.flyte_stand_in import write_deployment
from tests.support.stand_ins.ray_pods import faults, pod_specs

FILE = ROOT / "deployment.yaml"
PROFILES = list(yaml.safe_load(FILE.read_text())["profiles"])
GPUS = {"l4": "nvidia-l4", "a100": "nvidia-a100-80gb", "h100": "nvidia-h100-80gb"}
MODELS = Curation.model_validate({"split": {"algorithm": "transnetv2"}})


def test_the_profiles_are_those_of_the_documentation() -> None:
    assert PROFILES == ["laptop", "small", "cpu", "l4", "a100", "h100"]


def test_the_small_profile_fits_on_one_node_of_four_cores() -> None:
    profile = load(FILE, "small").profile
    rows: list[Machine] = [getattr(profile.tasks, name) for name in type(profile.tasks).model_fields]
    rows += profile.elements.values()
    assert all(amount(row.cpu) <= 3.5 and amount(row.mem) <= 13 * 2**30 and not row.gpu for row in rows)
    cluster = profile.cluster
    assert cluster is not None
    job = [cluster.head, profile.tasks.stream, *[cluster.workers] * cluster.workers.max]
    assert sum(amount(one.cpu) for one in job) <= 3.5
    assert sum(amount(one.mem) for one in job) <= 13 * 2**30


def tasks(**row: object) -> dict:
    return {"profiles": {"small": {"tasks": {"plan": row}}}}


WRONG = {
    "key": ({"registri": "x"}, "there is no parameter registri; did you mean registry?"),
    "amount": (tasks(cpu="two"), "profile small: tasks.plan.cpu: 'two' is no number of cores: write 4, 0.5"),
    "memory": (tasks(mem=32), "profile small: tasks.plan.mem: 32 is no amount of memory: write 512Mi, 32Gi"),
    "number": (tasks(retries="many"), "profile small: tasks.plan.retries must be a whole number, got 'many'"),
    "base": ({"profiles": {"cpu": {"extends": "gpu"}}}, "profile cpu: extends: there is no profile gpu"),
    "circle": ({"profiles": {"cpu": {"extends": "l4"}}}, "profile cpu: it extends itself"),
    "empty": ({"profiles": {"small": None}}, "profile small: it is no group of keys"),
    "none": ({"profiles": None}, "profiles is missing"),
    "chosen": ({"profile": "smal"}, "there is no profile smal; there are a100, cpu"),
    "engine": (
        {"profiles": {"cpu": {"elements": None, "engines": ["map"]}}},
        "profile cpu: elements must be",
    ),
    "nothing": (tasks(cpu="0m"), "profile small: tasks.plan.cpu: '0m' is no number of cores"),
    "for ever": (tasks(hours=float("inf")), "profile small: tasks.plan.hours must be a finite number"),
    "toleration": (
        {"profiles": {"l4": {"gpu": {"tolerations": [{"key": "k", "value": "v"}]}}}},
        "profile a100: gpu.tolerations.0: a value needs operator: Equal",
    ),
    "registry": ({"registry": "ghcr.io/Clip Mill"}, "registry: 'ghcr.io/Clip Mill' is no registry: write"),
    "account": ({"service_account": "My_Account"}, "service_account: 'My_Account' is no name of Kubernetes"),
    "night": ({"launch": {"cron": "at 3"}}, "launch.cron: 'at 3' is no schedule: write 0 3 * * *"),
    "half a night": ({"launch": {"source": "s3://a"}}, "launch: source and output go together"),
    "mail": ({"launch": {"emails": ["#films"]}}, "launch.emails.0: '#films' is no address of mail"),
    "one name twice": (
        {"secrets": [{"key": "a", "env_var": "TOKEN"}, {"key": "b", "env_var": "TOKEN"}]},
        "two secrets are named TOKEN",
    ),
    "secret": ({"secrets": [{"key": "k", "env_var": "lower"}]}, "secrets.0.env_var must"),
}


@pytest.mark.parametrize(("change", "message"), WRONG.values(), ids=WRONG)
def test_a_wrong_file_is_said_in_one_line(tmp_path: Path, change: dict, message: str) -> None:
    fields = yaml.safe_load(FILE.read_text())
    _put(fields, change)
    (tmp_path / "deployment.yaml").write_text(yaml.safe_dump(fields))
    with pytest.raises(SpecError) as error:
        load(tmp_path / "deployment.yaml")
    assert str(error.value).startswith(f"{tmp_path}/deployment.yaml: {message}")
    assert "\n" not in str(error.value)


def test_numbers_are_amounts_too(tmp_path: Path) -> None:
    fields = yaml.safe_load(FILE.read_text())
    _put(fields, tasks(cpu=1.5))
    (tmp_path / "deployment.yaml").write_text(yaml.safe_dump(fields))
    assert load(tmp_path / "deployment.yaml", "small").profile.tasks.plan.cpu == "1.5"


@pytest.mark.parametrize("command", ["deployment", "workflows.curate"])
def test_commands_say_in_one_line_that_a_profile_is_wrong(command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", command, "--help"], cwd=ROOT, capture_output=True, text=True, check=False,
        env={"CLIPMILL_PROFILE": "smal", "PATH": "", "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"clipmill: {FILE}: there is no profile smal; there are a100")
    assert done.stderr.count("\n") == 1


def _put(fields: dict, change: dict) -> None:
    for key, value in change.items():
        if isinstance(value, dict) and isinstance(fields.get(key), dict):
            _put(fields[key], value)
        else:
            fields[key] = value


@pytest.mark.parametrize("name", PROFILES)
def test_a_dynamic_task_plans_the_pods_of_its_profile(pods: Pods, tmp_path: Path, name: str) -> None:
    """The registered command, with nothing in its environment but what the registration put there."""
    (tmp_path / "deployment.yaml").write_text(FILE.read_text())
    write_deployment(tmp_path)
    deployment = load(tmp_path / "deployment.yaml", name)
    variables = {VARIABLE: deployment.model_dump_json(exclude_defaults=True)}
    pod = pods("stream.stream_all", **variables).run(
        works=(["s3://films/0"], list[str]), phase=(0, int), run_id=(new_run_id(), str),
        engine=(Engine.STREAM, Engine), spec=(MODELS, Curation), source=("s3://a", str),
        output=("s3://b", str),
    )  # fmt: skip
    (task,) = pod.planned().tasks
    specs = pod_specs(task, pod_template())
    assert [fault for spec in specs.values() for fault in faults(spec)] == []
    cluster = deployment.profile.cluster
    assert cluster is not None
    wanted = {"head": cluster.head, "cpu": cluster.workers, "submitter": deployment.profile.tasks.stream}
    if name in GPUS:
        wanted["gpu"] = cluster.gpu_workers["models"]
    assert set(specs) == set(wanted)
    for kind, machine in wanted.items():
        (container,) = specs[kind]["containers"]
        asked = {"cpu": machine.cpu, "memory": machine.mem}
        asked |= {"nvidia.com/gpu": "1"} if kind == "gpu" else {}
        assert container["resources"] == {"requests": asked, "limits": asked}, kind
        variables = {one["name"]: one for one in container["env"]}
        assert variables["HF_TOKEN"]["valueFrom"]["secretKeyRef"] == {"name": "clipmill", "key": "hf-token"}
        assert json.loads(variables[VARIABLE]["value"])["name"] == name
        selector, tolerations = specs[kind].get("nodeSelector", {}), specs[kind].get("tolerations", [])
        is_worker = kind in ("cpu", "gpu")
        assert ("spot" in selector) == is_worker
        gpu = {"cloud.google.com/gke-accelerator": GPUS[name]} if kind == "gpu" else {}
        assert {key: value for key, value in selector.items() if key != "spot"} == gpu
        assert ({"key": "nvidia.com/gpu", "operator": "Exists"} in tolerations) == (kind == "gpu")
        mounts = [mount["mountPath"] for mount in container.get("volumeMounts", [])]
        assert mounts == {"submitter": [], "gpu": ["/tmp", "/dev/shm"]}.get(kind, ["/tmp"])
    assert task.container.image.startswith(f"{deployment.registry}/clipmill-models:")


def test_pools_of_a_ray_task_are_bounded_by_what_its_cluster_grows_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ray_stream, "PROFILE", load(FILE, "l4").profile)
    assert ray_stream.most_of("models") == ClusterSize(num_cpus=32 * 7 + 8 * 7, num_gpus=8)
    monkeypatch.setattr(ray_stream, "PROFILE", load(FILE, "small").profile)
    assert ray_stream.most_of("models") == ClusterSize(num_cpus=2, num_gpus=0)


def test_where_only_plain_pods_are_deployed_ray_is_not_even_imported(tmp_path: Path) -> None:
    fields = yaml.safe_load(FILE.read_text())
    fields["profiles"]["small"] |= {"engines": ["map"], "cluster": None}
    path = tmp_path / "deployment.yaml"
    path.write_text(yaml.safe_dump(fields | {"profile": "small"}))
    script = (
        "import sys, workflows.launch_plans as plans; from tasks.hardware import check_environment;"
        "print(plans.DEFAULT_ENGINE.value, sorted({'ray', 'flytekitplugins.ray'} & set(sys.modules)));"
        "check_environment('stream', 'cpu')"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False,
        env={FILE_VARIABLE: str(path), "PATH": "", "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)},
    )  # fmt: skip
    assert done.stdout == "map []\n", done.stderr
    assert "the engine stream is not deployed: profile small has map" in done.stderr


def test_the_page_shows_what_kubernetes_takes_and_what_profiles_ask_for() -> None:
    page, template = (ROOT / "docs" / "deploy.md").read_text(), pod_template()
    assert faults(template, "V1PodTemplate", "object") == []
    assert yaml.safe_dump(template, sort_keys=False) in page
    for name in PROFILES[1:]:
        most = largest(load(FILE, name).profile)
        assert f"| `{name}` | {most.cpu} | {most.mem} | {most.gpu} |" in page


@pytest.mark.parametrize(
    ("prices", "has_gpu", "said"),
    [
        (Prices(core=0.05, gpu=3), True, "about 6.50 USD: 10.0 core hours and 2.0 GPU hours of streaming"),
        (Prices(core=0.05, gpu=3), False, "about 0.50 USD: 10.0 core hours and 0.0 GPU hours of streaming"),
        (Prices(), True, "no estimate: nothing was streamed, or the deployment names no prices"),
    ],
    ids=["GPU", "cores alone", "no prices"],
)
def test_a_run_is_told_what_it_cost(tmp_path: Path, prices: Prices, has_gpu: bool, said: str) -> None:
    numbers = {"cpu_s": 36_000.0, "stream_wall_s": 7_200.0}
    run = write_run(str(tmp_path), RunRecord("r1", "", "", numbers=numbers))
    assert estimate(run, prices, has_gpu=has_gpu) == said


# Images


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_a_dockerfile_installs_the_locked_extra_and_nothing_else(environment: str) -> None:
    lines = render(environment).splitlines()
    text = "\n".join(lines)
    assert f"FROM {BASE}" in lines
    assert BASE.count(".") == 2, "pinned to a patch version"
    assert f"| `{BASE}` |" in (ROOT / "docs/deploy.md").read_text()
    assert "uv sync --project /opt/clipmill/lock --locked --no-dev --no-install-project" in text
    assert f"--extra {environment} --extra flyte" in text
    assert not [word for word in ("pip install", "curl", "conda", "npm") if word in text]
    (installed,) = (line for line in lines if "apt-get install" in line)
    assert {"bash", "wget"} <= set(installed.split())
    assert "rm -rf /var/lib/apt/lists/*" in text
    assert not [word for word in ("secret", "token", "password", "key_id") if word in text.lower()]
    assert lines.index("USER clipmill") < lines.index(f"WORKDIR {WORKDIR}")
    assert "export PATH=/opt/clipmill/venv/bin:$PATH' >> /home/clipmill/.profile" in text
    assert "--owner clipmill --group clipmill" in text
    assert not [line for line in lines if line.startswith("COPY") and f" {WORKDIR}" in line], "no code"


def test_a_baked_image_holds_code_alone_in_its_folder() -> None:
    lines = render("cpu", baked=True).splitlines()
    copied = [line.split()[2] for line in lines if line.startswith("COPY") and f" {WORKDIR}/" in line]
    assert copied == [*CODE, *FILES]
    assert name_of("cpu", baked=True) != name_of("cpu", baked=False)


def test_the_uv_that_builds_is_the_one_that_locked() -> None:
    (pinned,) = (line for line in (ROOT / "Makefile").read_text().splitlines() if line.startswith("UV :="))
    assert f"FROM ghcr.io/astral-sh/uv:{pinned.split('==')[1]} AS uv" in render("cpu")

"""A FlyteAdmin that only takes notes, and ``pyflyte register`` run against it as a user would run it."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread

import grpc
import yaml
from flyteidl.admin import common_pb2, launch_plan_pb2, task_pb2, version_pb2, workflow_pb2
from flyteidl.core import compiler_pb2, tasks_pb2
from flyteidl.service import admin_pb2_grpc, dataproxy_pb2, dataproxy_pb2_grpc

ROOT = Path(__file__).parents[3]
LOCALHOST = "127.0.0.1"
PYFLYTE = str(Path(sys.executable).parent / "pyflyte")
SOURCE, OUTPUT, REGISTRY = "s3://films/all", "s3://curated/all", "registry.example.com/films"
TIMEOUT_S = 180


def plain_name(task: str) -> str:
    """The name of a task; of a map task, without the digest of its arguments."""
    return task.rsplit("_", 1)[0] if task.endswith("-arraynode") else task


@dataclass
class Notes:
    """What was registered, by name; the launch plans switched on, by name, and their version; the uploads.

    As in FlyteAdmin one version of a plan is on: switching on another one switches it off.
    """

    tasks: dict[str, tasks_pb2.TaskTemplate] = field(default_factory=dict)
    workflows: dict[str, workflow_pb2.WorkflowSpec] = field(default_factory=dict)
    launch_plans: dict[str, launch_plan_pb2.LaunchPlanSpec] = field(default_factory=dict)
    active: dict[str, str] = field(default_factory=dict)
    uploads: list[Path] = field(default_factory=list)


class _Admin(admin_pb2_grpc.AdminServiceServicer):
    def __init__(self, notes: Notes) -> None:
        self._notes = notes

    def CreateTask(
        self, request: task_pb2.TaskCreateRequest, context: grpc.ServicerContext
    ) -> task_pb2.TaskCreateResponse:
        self._notes.tasks[request.id.name] = request.spec.template
        return task_pb2.TaskCreateResponse()

    def CreateWorkflow(
        self, request: workflow_pb2.WorkflowCreateRequest, context: grpc.ServicerContext
    ) -> workflow_pb2.WorkflowCreateResponse:
        self._notes.workflows[request.id.name] = request.spec
        return workflow_pb2.WorkflowCreateResponse()

    def CreateLaunchPlan(
        self, request: launch_plan_pb2.LaunchPlanCreateRequest, context: grpc.ServicerContext
    ) -> launch_plan_pb2.LaunchPlanCreateResponse:
        self._notes.launch_plans[request.id.name] = request.spec
        return launch_plan_pb2.LaunchPlanCreateResponse()

    def UpdateLaunchPlan(
        self, request: launch_plan_pb2.LaunchPlanUpdateRequest, context: grpc.ServicerContext
    ) -> launch_plan_pb2.LaunchPlanUpdateResponse:
        if request.state == launch_plan_pb2.ACTIVE:
            self._notes.active[request.id.name] = request.id.version
        return launch_plan_pb2.LaunchPlanUpdateResponse()

    def GetLaunchPlan(
        self, request: common_pb2.ObjectGetRequest, context: grpc.ServicerContext
    ) -> launch_plan_pb2.LaunchPlan:
        return launch_plan_pb2.LaunchPlan(id=request.id, spec=self._notes.launch_plans[request.id.name])

    def GetWorkflow(
        self, request: common_pb2.ObjectGetRequest, context: grpc.ServicerContext
    ) -> workflow_pb2.Workflow:
        primary = compiler_pb2.CompiledWorkflow(template=self._notes.workflows[request.id.name].template)
        tasks = [compiler_pb2.CompiledTask(template=template) for template in self._notes.tasks.values()]
        closure = compiler_pb2.CompiledWorkflowClosure(primary=primary, tasks=tasks)
        return workflow_pb2.Workflow(
            id=request.id, closure=workflow_pb2.WorkflowClosure(compiled_workflow=closure)
        )

    def GetVersion(
        self, request: version_pb2.GetVersionRequest, context: grpc.ServicerContext
    ) -> version_pb2.GetVersionResponse:
        return version_pb2.GetVersionResponse(control_plane_version=version_pb2.Version(Version="v1.16.8"))


class _DataProxy(dataproxy_pb2_grpc.DataProxyServiceServicer):
    """Signs URLs of our own server; what lies behind them is named by its path on this machine."""

    def __init__(self, folder: Path, upload_url: str) -> None:
        self._folder, self._upload_url = folder, upload_url

    def CreateUploadLocation(
        self, request: dataproxy_pb2.CreateUploadLocationRequest, context: grpc.ServicerContext
    ) -> dataproxy_pb2.CreateUploadLocationResponse:
        return dataproxy_pb2.CreateUploadLocationResponse(
            signed_url=f"{self._upload_url}/{request.filename}",
            native_url=str(self._folder / request.filename),
        )


@contextmanager
def flyte_admin(folder: Path) -> Iterator[tuple[str, Notes]]:
    """Address of a running stand-in, and its notes; uploads go to ``folder``."""
    notes = Notes()
    with _upload_server(folder, notes) as upload_url, ThreadPoolExecutor(4) as pool:
        server = grpc.server(pool)
        admin_pb2_grpc.add_AdminServiceServicer_to_server(_Admin(notes), server)
        dataproxy_pb2_grpc.add_DataProxyServiceServicer_to_server(_DataProxy(folder, upload_url), server)
        port = server.add_insecure_port(f"{LOCALHOST}:0")
        server.start()
        try:
            yield f"{LOCALHOST}:{port}", notes
        finally:
            server.stop(grace=None).wait()


@contextmanager
def _upload_server(folder: Path, notes: Notes) -> Iterator[str]:
    class Upload(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            path = folder / Path(self.path).name
            path.write_bytes(self.rfile.read(int(self.headers["Content-Length"])))
            notes.uploads.append(path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer((LOCALHOST, 0), Upload)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://{LOCALHOST}:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass(frozen=True)
class Registration:
    """How ``pyflyte register`` ended, and what the stand-in noted."""

    exit_code: int
    said: str
    notes: Notes
    folder: TemporaryDirectory[str]


def registered(root: Path) -> Registration:
    """The project at ``root``, registered by ``pyflyte register``, which copies all."""
    folder = TemporaryDirectory(prefix="flyte")
    with flyte_admin(Path(folder.name)) as (address, notes):
        done = run_pyflyte(
            "register", "--project", "films", "--domain", "development", "--version", "v1",
            "--destination-dir", ".", "workflows",
            home=Path(folder.name),
            env={
                "FLYTE_PLATFORM_URL": address,
                "FLYTE_PLATFORM_INSECURE": "true",
                "PYTHONPATH": str(root),
            },
            root=root,
        )  # fmt: skip
    return Registration(done.returncode, done.stdout + done.stderr, notes, folder)


def write_deployment(root: Path) -> None:
    """Gives a copy of the project a deployment with everything that a file may name."""
    path = root / "deployment.yaml"
    fields = yaml.safe_load(path.read_text())
    fields |= {
        "profile": "l4", "registry": REGISTRY, "service_account": "curator", "pod_template": "clipmill",
        "secrets": [{"group": "clipmill", "key": "hf-token", "env_var": "HF_TOKEN"}],
        "launch": {"source": SOURCE, "output": OUTPUT, "emails": ["team@example.com"]},
    }  # fmt: skip
    spot = {"node_selector": {"spot": "true"}, "tolerations": [{"key": "spot"}]}
    for profile in fields["profiles"].values():
        profile["spot"] = spot
    path.write_text(yaml.safe_dump(fields, sort_keys=False))


def run_pyflyte(
    *arguments: str, home: Path, env: Mapping[str, str], root: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    """``pyflyte ...`` from the root, with no container engine, and settings of ``flyte.config`` alone."""
    return subprocess.run(
        [PYFLYTE, *arguments],
        cwd=root,
        env=os.environ
        | {
            "HOME": str(home),
            "FLYTECTL_CONFIG": "flyte.config",
            "DOCKER_HOST": f"unix://{home}/no-docker.sock",  # else it may look for images, or build them
            "no_proxy": LOCALHOST,
            **env,
        },
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )

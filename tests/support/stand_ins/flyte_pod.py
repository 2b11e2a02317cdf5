"""A pod without Kubernetes: a registered container command in a folder of its own, protobufs in and out."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from flyteidl.core import dynamic_job_pb2, errors_pb2, literals_pb2, tasks_pb2
from flytekit import FlyteContextManager
from flytekit.core.local_cache import _calculate_cache_key
from flytekit.core.type_engine import TypeEngine
from flytekit.models.literals import Literal, LiteralMap

PROGRAMS = Path(sys.executable).parent
TIMEOUT_S = 200
KEPT_VARIABLES = ("LANG", "PATH", "LD_LIBRARY_PATH")

Inputs = Mapping[str, object]
"""Name -> (value, type), or the literal that another task gave."""


class Kubelet:
    """One process whose forks are the pods; ``code`` is the folder in which the upload was unpacked."""

    def __init__(self, code: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("kubelet.py"))],
            cwd=code,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.code = code
        self._is_ready = False

    def run(self, arguments: list[str], *, env: Mapping[str, str], logs: Path) -> int:
        """Runs a command to its end; returns its exit code."""
        if not self._is_ready:
            assert self._said() == "ready"
            self._is_ready = True
        order = {"arguments": arguments, "env": dict(env), "logs": str(logs)}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return int(self._said())

    def close(self) -> None:
        """Ends the process."""
        self._process.communicate(timeout=30)

    def _said(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


class Pod:
    """Runs one task's container command; ``home`` is its empty file system.

    ``variables`` are what the backend sets. With a ``kubelet`` the upload is unpacked there already; else the
    command itself downloads it, in a process of its own.
    """

    def __init__(
        self,
        task: tasks_pb2.TaskTemplate,
        home: Path,
        *,
        variables: Mapping[str, str] | None = None,
        kubelet: Kubelet | None = None,
    ) -> None:
        self._task, self._kubelet = task, kubelet
        self.folder = home / "pod"
        self._code = home / "code"  # the pod's working directory, where the upload is unpacked
        for folder in (self.folder, self._code):
            folder.mkdir(parents=True)
        self._variables = dict(variables or {})

    def run(self, **inputs: object) -> "Pod":
        """Runs with inputs given as (value, type) or as literals; the exit code has to be 0."""
        (self.folder / "inputs.pb").write_bytes(literal_map(inputs).to_flyte_idl().SerializeToString())
        code = self._run_forked() if self._kubelet else self._run_alone()
        assert code == 0, self.log()
        return self

    def log(self) -> str:
        """Returns what the pod said."""
        path = self.folder / "log.txt"
        return path.read_text() if path.exists() else ""

    def output(self, name: str = "o0") -> literals_pb2.Literal:
        """Returns one output."""
        return self.outputs()[name]

    def outputs(self) -> dict[str, literals_pb2.Literal]:
        """What the task gave back."""
        return dict(literals_pb2.LiteralMap.FromString(self._left("outputs.pb")).literals)

    def planned(self) -> dynamic_job_pb2.DynamicJobSpec:
        """The workflow that a dynamic task compiled."""
        return dynamic_job_pb2.DynamicJobSpec.FromString(self._left("futures.pb"))

    def error(self) -> errors_pb2.ContainerError:
        """What the task says went wrong."""
        return errors_pb2.ErrorDocument.FromString(self._left("error.pb")).error

    def run_to_death(self, **inputs: object) -> None:
        """Runs the command in a process of its own, which has to be killed by a fault in its variables."""
        assert self._kubelet is not None
        (self.folder / "inputs.pb").write_bytes(literal_map(inputs).to_flyte_idl().SerializeToString())
        command = self._command()
        done = subprocess.run(
            command[command.index("--") + 1 :], cwd=self._kubelet.code, env=self._environment(),
            capture_output=True, text=True, timeout=TIMEOUT_S, check=False,
        )  # fmt: skip
        assert done.returncode == -signal.SIGKILL, done.stdout + done.stderr

    def _run_alone(self) -> int:
        with (self.folder / "log.txt").open("wb") as log:
            return subprocess.run(
                self._command(),
                cwd=self._code,
                env=self._environment(),
                stdout=log,
                stderr=log,
                timeout=TIMEOUT_S,
                check=False,
            ).returncode

    def _run_forked(self) -> int:
        assert self._kubelet is not None
        command = self._command()
        inner = command[command.index("--") + 1 :]
        return self._kubelet.run(inner, env=self._environment(), logs=self.folder)

    def _left(self, name: str) -> bytes:
        folder = self.folder / "outputs"
        names = sorted(path.name for path in folder.iterdir()) if folder.exists() else []
        assert name in names, f"the pod left {names}; {self._said_why()}\n{self.log()}"
        return (folder / name).read_bytes()

    def _said_why(self) -> str:
        path = self.folder / "outputs" / "error.pb"
        return errors_pb2.ErrorDocument.FromString(path.read_bytes()).error.message if path.exists() else ""

    def _command(self) -> list[str]:
        places = {
            "{{.input}}": str(self.folder / "inputs.pb"),
            "{{.outputPrefix}}": str(self.folder / "outputs"),
            "{{.rawOutputDataPrefix}}": str(self.folder / "raw"),
            "{{.checkpointOutputPrefix}}": str(self.folder / "checkpoints"),
            "{{.prevCheckpointPrefix}}": '""',
        }
        return [places.get(one, one) for one in self._task.container.args]

    def _environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
        kept["PATH"] = os.pathsep.join([str(PROGRAMS), kept.get("PATH", "")])
        of_task = {one.key: one.value for one in self._task.container.env}
        return kept | {"HOME": str(self.folder)} | of_task | self._variables


def literal_map(inputs: Inputs) -> LiteralMap:
    """Returns inputs as flytekit would send them."""
    context = FlyteContextManager.current_context()
    literals: dict[str, Literal] = {}
    for name, given in inputs.items():
        if isinstance(given, literals_pb2.Literal):
            literals[name] = Literal.from_flyte_idl(given)
        else:
            value, kind = given
            literals[name] = TypeEngine.to_literal(context, value, kind, TypeEngine.to_literal_type(kind))
    return LiteralMap(literals)


def cache_key(task: tasks_pb2.TaskTemplate, **inputs: object) -> str:
    """Returns the key of a task, or of an element of a map, by flytekit's own function."""
    metadata = task.metadata
    return _calculate_cache_key(
        task.id.name, metadata.discovery_version, literal_map(inputs), tuple(metadata.cache_ignore_input_vars)
    )


def elements(literal: literals_pb2.Literal) -> list[literals_pb2.Literal]:
    """Returns the literals of a list: what each element of a map gets."""
    return list(literal.collection.literals)

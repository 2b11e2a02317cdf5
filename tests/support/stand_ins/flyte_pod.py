"""A pod without Kubernetes: a registered container command in a folder of its own, protobufs in and out."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from flyteidl.core import dynamic_job_pb2, errors_pb2, literals_pb2, tasks_pb2
from flytekit import FlyteContextManager
from flytekit.core.type_engine import TypeEngine
from flytekit.models.literals import LiteralMap

PROGRAMS = Path(sys.executable).parent
TIMEOUT_S = 200
KEPT_VARIABLES = ("LANG", "PATH", "LD_LIBRARY_PATH")


class Pod:
    """Runs one task's container command; ``home`` is its empty file system.

    ``variables`` are what its image sets.
    """

    def __init__(
        self, task: tasks_pb2.TaskTemplate, home: Path, *, variables: Mapping[str, str] | None = None
    ) -> None:
        self._task = task
        self._folder = home / "pod"
        self._code = home / "code"  # the pod's working directory, where the upload is unpacked
        for folder in (self._folder, self._code):
            folder.mkdir(parents=True)
        self._variables = dict(variables or {})

    def run(self, **inputs: tuple[object, object]) -> str:
        """Run with inputs given as (value, type); what it printed. The outputs are read with the others."""
        self._write_inputs(inputs)
        done = subprocess.run(
            self._command(),
            cwd=self._code,
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def outputs(self) -> dict[str, literals_pb2.Literal]:
        """What the task gave back."""
        found = literals_pb2.LiteralMap()
        found.ParseFromString(self._left("outputs.pb"))
        return dict(found.literals)

    def planned(self) -> dynamic_job_pb2.DynamicJobSpec:
        """The workflow that a dynamic task compiled."""
        found = dynamic_job_pb2.DynamicJobSpec()
        found.ParseFromString(self._left("futures.pb"))
        return found

    def error(self) -> errors_pb2.ContainerError:
        """What the task says went wrong."""
        found = errors_pb2.ErrorDocument()
        found.ParseFromString(self._left("error.pb"))
        return found.error

    def _left(self, name: str) -> bytes:
        folder = self._folder / "outputs"
        names = sorted(path.name for path in folder.iterdir())
        assert name in names, f"the pod left {names}; {self._said_why()}"
        return (folder / name).read_bytes()

    def _said_why(self) -> str:
        path = self._folder / "outputs" / "error.pb"
        return errors_pb2.ErrorDocument.FromString(path.read_bytes()).error.message if path.exists() else ""

    def _write_inputs(self, inputs: Mapping[str, tuple[object, object]]) -> None:
        context = FlyteContextManager.current_context()
        literals = {
            name: TypeEngine.to_literal(context, value, kind, TypeEngine.to_literal_type(kind))
            for name, (value, kind) in inputs.items()
        }
        (self._folder / "inputs.pb").write_bytes(LiteralMap(literals).to_flyte_idl().SerializeToString())

    def _command(self) -> list[str]:
        places = {
            "{{.input}}": str(self._folder / "inputs.pb"),
            "{{.outputPrefix}}": str(self._folder / "outputs"),
            "{{.rawOutputDataPrefix}}": str(self._folder / "raw"),
            "{{.checkpointOutputPrefix}}": str(self._folder / "checkpoints"),
            "{{.prevCheckpointPrefix}}": '""',
        }
        return [places.get(one, one) for one in self._task.container.args]

    def _environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
        kept["PATH"] = os.pathsep.join([str(PROGRAMS), kept.get("PATH", "")])
        of_task = {one.key: one.value for one in self._task.container.env}
        return kept | {"HOME": str(self._folder)} | of_task | self._variables

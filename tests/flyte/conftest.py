"""One registration, and one process whose forks are its pods, for all tests of this folder."""

import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.runs.curation import ROOT
from tests.support.stages.users_package import write_package
from tests.support.stand_ins.flyte_pod import Kubelet, Pod
from tests.support.stand_ins.flyte_stand_in import Registration, plain_name, registered, write_deployment

TREE = (
    "clipmill",
    "deployment",
    "deployment.yaml",
    "tasks",
    "workflows",
    "images",
    "flyte.config",
    "uv.lock",
    "pyproject.toml",
    ".dockerignore",
)

Pods = Callable[..., Pod]
"""Makes the pod of a task: its name without package, and what the backend sets."""


@pytest.fixture(scope="session")
def registration(tmp_path_factory: pytest.TempPathFactory) -> Registration:
    """The project with a user's package beside ``clipmill/``, registered by ``pyflyte register``."""
    root = tmp_path_factory.mktemp("root")
    for name in TREE:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
        copy(ROOT / name, root / name)
    write_package(root)
    write_deployment(root)
    done = registered(root)
    assert done.exit_code == 0, done.said
    return done


@pytest.fixture(scope="session")
def kubelet(registration: Registration, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubelet]:
    """The upload, unpacked once, and the process that runs pods from it."""
    code = tmp_path_factory.mktemp("code")
    (archive,) = registration.notes.uploads
    with tarfile.open(archive) as files:
        files.extractall(code, filter="data")
    (code / "deployment.yaml").unlink()  # pods read their environment
    started = Kubelet(code)
    yield started
    try:
        started.close()
    except subprocess.TimeoutExpired:
        pytest.fail("the process that runs pods did not end")


@pytest.fixture
def pods(registration: Registration, kubelet: Kubelet, tmp_path: Path) -> Pods:
    made: list[Pod] = []

    def make(task: str, *, execution: str = "f1", package: str = "tasks", **variables: str) -> Pod:
        (template,) = (
            one for name, one in registration.notes.tasks.items() if plain_name(name) == f"{package}.{task}"
        )
        backend = {
            "FLYTE_INTERNAL_EXECUTION_PROJECT": "films",
            "FLYTE_INTERNAL_EXECUTION_DOMAIN": "development",
            "FLYTE_INTERNAL_EXECUTION_ID": execution,
        }
        made.append(Pod(template, tmp_path / f"{len(made)}", variables=backend | variables, kubelet=kubelet))
        return made[-1]

    return make

"""``pyflyte register`` against a FlyteAdmin that takes notes, and ``pyflyte package`` without anything."""

import tarfile
from pathlib import Path

import pytest

from tests.support.stand_ins.flyte_stand_in import (
    OUTPUT,
    REGISTRY,
    ROOT,
    SOURCE,
    Registration,
    registered,
    run_pyflyte,
)

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def registration() -> Registration:
    done = registered()
    assert done.exit_code == 0, done.said
    return done


def test_every_entity_is_registered(registration: Registration) -> None:
    assert len(registration.notes.tasks) == 29
    assert set(registration.notes.workflows) == {
        "workflows.curate.curate", "workflows.dedup.dedup", "workflows.dedup.find_all_duplicates",
        "workflows.models.fetch", "workflows.search.search", "workflows.state.compact_state",
    }  # fmt: skip
    assert {"curate", "dedup", "nightly"} <= set(registration.notes.launch_plans)


def test_only_the_nightly_plan_is_switched_on(registration: Registration) -> None:
    assert registration.notes.active == ["nightly"]


def test_what_the_nightly_plan_curates_is_said_at_registration(registration: Registration) -> None:
    fixed = registration.notes.launch_plans["nightly"].fixed_inputs.literals
    places = {name: fixed[name].scalar.primitive.string_value for name in ("source", "output")}
    assert places == {"source": SOURCE, "output": OUTPUT}


def test_every_task_runs_in_an_image_of_the_chosen_registry(registration: Registration) -> None:
    images = {task.container.image for task in registration.notes.tasks.values()}
    names = ("cpu", "nvdec", "models", "legacy", "vllm")
    assert {image.split(":")[0] for image in images} == {f"{REGISTRY}/clipmill-{name}" for name in names}


def test_the_code_is_uploaded_once(registration: Registration) -> None:
    (archive,) = registration.notes.uploads
    commands = [list(task.container.args[:3]) for task in registration.notes.tasks.values()]
    assert all(
        command == ["pyflyte-fast-execute", "--additional-distribution", str(archive)] for command in commands
    )


@pytest.mark.parametrize("kind", ["clipmill/**/*.py", "clipmill/**/*.j2", "tasks/*.py", "images/*.py"])
def test_the_upload_holds_what_the_tasks_read(registration: Registration, kind: str) -> None:
    (archive,) = registration.notes.uploads
    with tarfile.open(archive) as files:
        held = set(files.getnames())
    needed = {str(path.relative_to(ROOT)) for path in ROOT.glob(kind)}
    assert needed
    assert needed <= held


def test_the_upload_is_code_and_nothing_else(registration: Registration) -> None:
    """A Ray driver sends its folder to every worker."""
    (archive,) = registration.notes.uploads
    with tarfile.open(archive) as files:
        names = files.getnames()
    assert not [name for name in names if name.startswith((".git/", ".venv/", "data/", "tests/"))]
    assert archive.stat().st_size < 5 << 20


def test_a_package_needs_no_network_and_no_container_engine(tmp_path: Path) -> None:
    package = tmp_path / "flyte.tgz"
    done = run_pyflyte(
        "-c", "flyte.config", "package", "--image", "example.com/none:1", "--output", str(package), "--force",
        home=tmp_path,
        env={"https_proxy": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with tarfile.open(package) as files:
        names = " ".join(files.getnames())
    assert all(name in names for name in ("tasks.stream.stream_", "workflows.curate.curate_", "nightly"))

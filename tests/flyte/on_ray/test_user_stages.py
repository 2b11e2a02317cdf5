"""Stages of a user's own through Flyte: ``pyflyte run`` here, and a registered container command."""

import json
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from clipmill.intake.admission import admit
from clipmill.intake.inspection import inspect_manifest
from clipmill.intake.shards import plan_shards
from clipmill.planning.from_spec import plan_of_spec
from clipmill.runs.lease import take
from clipmill.runs.run_id import new_run_id
from clipmill.specs import CurateSpec
from tests.support.runs.curation import ROOT, environment, published_files
from tests.support.stages.users_package import (
    LEVELS,
    PACKAGE,
    Workplace,
    items_of,
    records,
    spec_fields,
    workplace,
    write_package,
)
from tests.support.stand_ins.flyte_pod import Pod
from tests.support.stand_ins.flyte_stand_in import REGISTRY, Registration, plain_name, registered

pytestmark = pytest.mark.timeout(400)

NUM = len(LEVELS)
PYFLYTE = "import sys; from flytekit.clis.sdk_in_container.pyflyte import main; sys.exit(main())"
DARK = {"use": f"{PACKAGE}.dark:DarkFilter", "threshold": 0.2}
TREE = (
    "clipmill",
    "tasks",
    "workflows",
    "images",
    "flyte.config",
    "uv.lock",
    "pyproject.toml",
    ".dockerignore",
)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workplace:
    return workplace(tmp_path / "place", monkeypatch)


def test_a_spec_in_yaml_runs_through_the_local_workflow(place: Workplace) -> None:
    """The published files are those of a run without Flyte, also of a stage behind deduplication."""
    place.run(DARK, {**DARK, "key": "late", "threshold": 0, "after": "dedup"})
    inline = published_files(place.output)
    place.output.rename(place.folder / "inline")
    done = subprocess.run(
        [sys.executable, "-c", PYFLYTE, "run", "workflows/curate.py", "curate", "--source", str(place.source),
         "--output", str(place.output), "--spec", str(place.folder / "spec.yaml")],
        cwd=ROOT,
        env=environment(HOME=str(place.folder), PYTHONPATH=f"{place.package.parent}:{ROOT}"),
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    found = published_files(place.output)
    assert found.keys() == inline.keys()
    assert [name for name in inline if found[name] != inline[name]] == []


@pytest.fixture(scope="module")
def registration(tmp_path_factory: pytest.TempPathFactory) -> Registration:
    """The project with the package beside ``clipmill/``, as docs/flyte.md says."""
    root = tmp_path_factory.mktemp("root")
    for name in TREE:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
        copy(ROOT / name, root / name)
    write_package(root)
    done = registered(root)
    assert done.exit_code == 0, done.said
    return done


def test_the_package_travels_with_the_registration(registration: Registration) -> None:
    (archive,) = registration.notes.uploads
    with tarfile.open(archive) as files:
        assert f"{PACKAGE}/dark.py" in files.getnames()


def test_a_registered_task_streams_a_film_on_ray_with_a_stage_of_the_package(
    registration: Registration, place: Workplace, tmp_path: Path
) -> None:
    spec, output = CurateSpec.model_validate(spec_fields(DARK)), str(place.output)
    plan = plan_of_spec(spec, source=str(place.source), output=output)
    shards = plan_shards(plan, output=output, sharding=spec.sharding)
    for manifest in shards.manifest_uris:
        inspect_manifest(manifest, output=output, limits=spec.limits)
    (work,) = admit(shards.listing_uri, plan, output=output, num_groups=1)
    template = next(
        one for name, one in registration.notes.tasks.items() if plain_name(name) == "tasks.stream.stream"
    )
    pod = Pod(template, tmp_path, variables={"CLIPMILL_REGISTRY": REGISTRY, "RAY_ADDRESS": "local"})
    pod.run(
        work=(work, str), source=(str(place.source), str), output=(output, str), spec=(spec, CurateSpec),
        phase=(0, int), run_id=(take(output, new_run_id()).run_id, str),
    )  # fmt: skip
    (path,) = records(place.output)
    assert pod.outputs()["o0"].scalar.primitive.string_value == str(path)
    record = json.loads(path.read_text())
    assert (record["engine"], record["num_videos"], record["num_clips"]) == ("ray", 1, NUM)
    assert items_of(record["laps"])["dark"] == NUM
    assert list(place.output.glob("clips/*.mp4"))
    assert admit(shards.listing_uri, plan, output=output, num_groups=1) == []

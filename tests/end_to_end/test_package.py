"""The wheel in an environment of its own: the core curates, and what is missing is named with a remedy."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support.films.numbered_films import draw

pytestmark = pytest.mark.end_to_end

ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).with_name("uv")
NOT_IN_THE_CORE = (
    "adlfs",
    "botocore",
    "flytekit",
    "gcsfs",
    "kubernetes",
    "ray",
    "s3fs",
    "torch",
    "transformers",
)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run([UV, "build", "--quiet", "--out-dir", folder, ROOT], check=True)
    return folder


@pytest.fixture(scope="module")
def core(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Programs of an environment that holds the wheel and what it asks for, by the versions of the lock."""
    folder = tmp_path_factory.mktemp("core")
    versions = folder / "versions.txt"
    export = ["export", "--quiet", "--locked", "--no-hashes", "--no-emit-project", "--output-file", versions]
    subprocess.run([UV, *export], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    subprocess.run([UV, "venv", "--quiet", "--python", sys.executable, folder / "env"], check=True)
    python = folder / "env" / "bin" / "python"
    (wheel,) = built.glob("*.whl")
    subprocess.run(
        [UV, "pip", "install", "--quiet", "--python", python, "--constraints", versions, wheel], check=True
    )
    return python.parent


def said_by(core: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What the command of the environment says, away from the source tree."""
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [str(core / "clipmill"), *arguments]
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)


def film_in(folder: Path) -> None:
    (folder / "films").mkdir()
    draw(folder / "films" / "film.mp4", 90)


def test_a_wheel_holds_the_library_its_types_and_its_pages(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {"clipmill/py.typed", "clipmill/report/templates/report.html.j2"} <= set(names)
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"clipmill"}
    specs = {f"clipmill/examples/{path.name}" for path in (ROOT / "examples").glob("*.yaml")}
    assert specs <= set(names)
    assert not [name for name in names if "__pycache__" in name]


def test_the_core_curates_and_brings_nothing_more(core: Path, tmp_path: Path) -> None:
    film_in(tmp_path)
    ended = said_by(core, tmp_path, "curate", "films", "curated")
    assert ended.returncode == 0, ended.stderr
    assert (tmp_path / "curated" / "manifest.json").exists()
    listed = f"import importlib.util as u; print([m for m in {NOT_IN_THE_CORE!r} if u.find_spec(m)])"
    found = subprocess.run(
        [core / "python", "-c", listed], capture_output=True, text=True, check=True, cwd="/"
    )
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        (["curate", "films", "out", "--engine", "ray"], "pip install 'clipmill[ray]'"),
        (["curate", "s3://bucket/films", "out"], "pip install 'clipmill[s3]'"),
        (["curate", "films", "gs://bucket/out"], "pip install 'clipmill[gcs]'"),
        (["curate", "az://box/films", "out"], "pip install 'clipmill[azure]'"),
    ],
    ids=["ray", "s3", "gcs", "azure"],
)
def test_a_missing_extra_is_one_line(core: Path, tmp_path: Path, arguments: list[str], remedy: str) -> None:
    film_in(tmp_path)
    ended = said_by(core, tmp_path, *arguments)
    assert ended.returncode == 2, ended.stderr
    assert remedy in ended.stderr
    assert ended.stderr.count("\n") == 1

"""A run that dies between any two writes of publishing: the manifest that stands has its tables, whole."""

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import pyarrow as pa
import pytest

from clipmill.storage import conditional, store
from tests.support.runs.curation import published_files
from tests.support.state_rows import Project, semantic

pytestmark = pytest.mark.integration

SHAPES = {"single files": {}, "folders of parts": {"clips_per_range": 3, "max_rows_per_file": 1}}
NUM_WRITES = {"single files": 24, "folders of parts": 38}
"""Writes and deletions of the second run: before each of them it is killed once."""
WRITES = [*((store, name) for name in ("put_bytes", "put_file", "delete")), (conditional, "put_versioned")]
MOMENTS = [(shape, number) for shape, most in NUM_WRITES.items() for number in range(most)]


@dataclass(frozen=True)
class Told:
    """An output with one snapshot, and a second run that publishes more.

    ``moments`` holds what the output was before each write of that run and deletion, which is what a process
    that is killed there leaves; ``published`` is what the run leaves undisturbed.
    """

    project: Project
    options: dict[str, int]
    duplicates: pa.Table
    moments: Path
    published: dict[str, bytes]

    @property
    def output(self) -> Path:
        return Path(self.project.output)

    def run(self, run_id: str) -> None:
        self.project.publish(run_id, duplicates=self.duplicates, **self.options)

    def restore(self, number: int) -> None:
        shutil.rmtree(self.output)
        shutil.move(self.moments / str(number), self.output)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Told]:
    return {shape: tell(tmp_path_factory.mktemp("story"), options) for shape, options in SHAPES.items()}


def tell(folder: Path, options: dict[str, int]) -> Told:
    project = Project(folder)
    for name in ("a.mp4", "b.mp4"):
        project.curate(name)
    first, second = list(project.spans)[:2]
    project.publish("r1", **options)
    project.curate("c.mp4")
    del project.sources[1]  # b.mp4 is gone: its exports go
    story = Told(project, options, semantic((second, first)), folder / "moments", {})
    lock = Lock()
    with pytest.MonkeyPatch.context() as patch:
        for place, name in WRITES:
            patch.setattr(place, name, kept_before(getattr(place, name), story, lock))
        story.run("r2")
    story.published.update(published_files(story.output))
    return story


def kept_before(real, story: Told, lock: Lock):  # noqa: ANN001, ANN201 any function of the store
    def write(*arguments: str, **conditions: str | None) -> str | None:
        with lock:  # files are written in several threads
            number = len(list(story.moments.glob("*")))
            shutil.copytree(story.output, story.moments / str(number))
            return real(*arguments, **conditions)

    return write


def digests_of_manifests(output: Path) -> set[str]:
    """SHA-256 of every part of every manifest, after a look at the files."""
    manifests = [output / "manifest.json", *output.glob("snapshots/*/manifest.json")]
    tables = [table for one in manifests for table in json.loads(one.read_text())["tables"].values()]
    parts = [part for table in tables for part in table["parts"]]
    for part in parts:
        assert hashlib.sha256((output / part["path"]).read_bytes()).hexdigest() == part["sha256"]
    return {part["sha256"] for part in parts}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_write_is_tried(told: dict[str, Told], shape: str) -> None:
    assert len(list(told[shape].moments.iterdir())) == NUM_WRITES[shape]


@pytest.mark.parametrize(("shape", "number"), MOMENTS)
def test_a_killed_run_leaves_whole_snapshots_and_the_next_run_ends_undisturbed(
    told: dict[str, Told], shape: str, number: int
) -> None:
    story = told[shape]
    story.restore(number)
    digests = digests_of_manifests(story.output)
    for file in story.output.glob("tables/**/*.parquet"):
        assert hashlib.sha256(file.read_bytes()).hexdigest() in digests
    story.run("r3")
    assert published_files(story.output) == story.published

"""A run that dies between any two writes of publishing: the manifest that stands has its tables, whole."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pyarrow as pa
import pytest

from clipmill.storage import conditional, store
from tests.support.runs.curation import published_files
from tests.support.state_rows import Project, semantic

pytestmark = pytest.mark.integration

SHAPES = {"single files": {}, "folders of parts": {"clips_per_range": 3, "max_rows_per_file": 1}}
NUM_WRITES = {"single files": 24, "folders of parts": 38}
"""Writes and deletions of the second run: each is one that a killed run does not come to."""
MOMENTS = [(shape, number) for shape, most in NUM_WRITES.items() for number in range(most)]


class Killed(BaseException):
    """The process is gone."""


@dataclass
class Story:
    """An output with one snapshot, and what a second run publishes."""

    project: Project
    options: dict[str, int]
    duplicates: pa.Table
    before: Path

    @property
    def output(self) -> Path:
        return Path(self.project.output)

    def run(self, run_id: str) -> None:
        self.project.publish(run_id, duplicates=self.duplicates, **self.options)

    def restore(self) -> None:
        shutil.rmtree(self.output)
        shutil.copytree(self.before, self.output)


@dataclass
class Told:
    """A story, what it leaves undisturbed, and how many writes that takes."""

    story: Story
    published: dict[str, bytes]
    num_writes: int


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
    shutil.copytree(project.output, folder / "before")
    story = Story(project, options, semantic((second, first)), folder / "before")
    with pytest.MonkeyPatch.context() as patch:
        numbers = count_writes(patch)
        story.run("r2")
    return Told(story, published_files(story.output), next(numbers))


def count_writes(patch: pytest.MonkeyPatch, *, killed_at: int = -1) -> Iterator[int]:
    """Counts what is written and deleted; from number ``killed_at`` on nothing is."""
    numbers = count()
    for name in ("put_bytes", "put_file", "delete"):
        patch.setattr(store, name, counted(getattr(store, name), numbers, killed_at))
    put_versioned = counted(conditional.put_versioned, numbers, killed_at)
    patch.setattr(conditional, "put_versioned", put_versioned)
    return numbers


def counted(real, numbers: Iterator[int], killed_at: int):  # noqa: ANN001, ANN201 any function of the store
    def write(*arguments: str, **conditions: str | None) -> None:
        number = next(numbers)
        if 0 <= killed_at <= number:
            raise Killed
        real(*arguments, **conditions)

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
    assert told[shape].num_writes == NUM_WRITES[shape]


@pytest.mark.parametrize(("shape", "number"), MOMENTS)
def test_a_killed_run_leaves_whole_snapshots_and_the_next_run_ends_undisturbed(
    told: dict[str, Told], shape: str, number: int
) -> None:
    story = told[shape].story
    story.restore()
    with pytest.MonkeyPatch.context() as patch:
        count_writes(patch, killed_at=number)
        with pytest.raises(Killed):
            story.run("r2")
    digests = digests_of_manifests(story.output)
    for file in story.output.glob("tables/**/*.parquet"):
        assert hashlib.sha256(file.read_bytes()).hexdigest() in digests
    story.run("r3")
    assert published_files(story.output) == told[shape].published

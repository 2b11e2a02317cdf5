"""The state on an S3 store: parts, database, index and compaction through fsspec."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from clipmill.intake import complete_videos
from clipmill.intake.admission import missing_work
from clipmill.state.compaction import compact
from clipmill.state.completeness import get_remainder
from clipmill.state.database import scratch_database
from clipmill.storage import store
from tests.state.test_store import MOTION, Rows
from tests.support.stand_ins.object_store import s3_server
from tests.support.state_rows import Project

pytestmark = pytest.mark.integration

BUCKET = "state"
ODD = f"s3://{BUCKET}/odd[1]*?versionId=2"
"""A name that clients take for a pattern or a version. DuckDB lists all below it for each part it reads."""


@pytest.fixture(scope="module", autouse=True)
def server() -> Iterator[None]:
    with s3_server(BUCKET):
        yield


@dataclass
class RemoteProject(Project):
    """A project whose output lies on the store."""

    @property
    def output(self) -> str:
        return f"s3://{BUCKET}/{self.folder.name}"


def remote_rows(name: str) -> Rows:
    rows = Rows(Path("/"))
    rows.store = type(rows.store)(f"{ODD}/{name}")
    return rows


def test_a_name_is_given_once(tmp_path: Path) -> None:
    for root in (str(tmp_path), f"{ODD}/names"):
        assert store.create(f"{root}/index-1.json", b"first")
        assert not store.create(f"{root}/index-1.json", b"second")
        assert store.read_bytes(f"{root}/index-1.json") == b"first"


def test_rows_are_written_compacted_and_read() -> None:
    rows = remote_rows("compacted")
    for index, name in enumerate("abca"):
        rows.put({"id": name, "motion_global_mean": index / 2}, run_id=str(index))
    before = rows.read()
    (done,) = compact(rows.store.root_uri)
    assert (done.num_before, done.num_after) == (4, 1)
    assert rows.read() == before


def test_a_damaged_part_is_set_aside() -> None:
    rows = remote_rows("damaged")
    rows.put({"id": "a"})
    (part,) = rows.store.parts(rows.key, "d").live
    rows.put({"id": "b"})
    store.put_bytes(part, store.read_bytes(part)[:-9])
    with scratch_database() as database:
        left = database.load("motion", rows.store.parts(rows.key, "d"), select="id, outcome", schema=MOTION)
        assert database.number("SELECT count(*) FROM motion") == 1
    assert len(left.live) == 1
    assert rows.store.parts(rows.key, "d").index.damaged == (part.rpartition("/")[2],)


def test_admission_finds_what_is_missing_and_notes_what_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(complete_videos, "MIN_PARTS", 1)
    project = RemoteProject(tmp_path)
    project.curate("a.mp4")
    (clip, _) = project.curate("b.mp4", but="quality")
    for _ in range(2):
        (item,) = missing_work(project.sources, project.plan, project.output)
        assert item.lacks[clip] == frozenset({"quality"})
    remainder = get_remainder(project.plan, project.output)
    assert remainder is not None
    assert len(remainder.stages["motion"].parts) == 4
    compact(project.output)
    assert list(missing_work(project.sources, project.plan, project.output)) == [item]
    assert store.find(f"{project.output}/state/complete")

"""A sampled video_id is no proof: sources that share one are read in full before they are called copies."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from clipmill import identity
from clipmill.intake import copies
from clipmill.intake.known_videos import load_inspections, load_sources, make_videos
from clipmill.planning.plan import inspect_digest
from clipmill.records import SourceFile
from clipmill.state.database import scratch_database
from clipmill.state.schema import INSPECT_STATE
from clipmill.state.store import ResultStore
from tests.support.hand_made import plan
from tests.support.whole_tables import collect

LARGE = 5 << 20
PLAN = plan()
INSPECT = inspect_digest(PLAN.limits)


def write(path: Path, *, changed_at: int | None = None) -> SourceFile:
    data = np.random.default_rng(1).integers(0, 256, LARGE, dtype=np.uint8)
    if changed_at is not None:
        data[changed_at] ^= 1
    path.write_bytes(data.tobytes())
    return SourceFile(str(path), LARGE, f"version of {path.name}")


def sampled_id(path: str) -> str:
    data = Path(path).read_bytes()
    return identity.video_id(len(data), [data[a:b] for a, b in identity.identity_ranges(len(data))])


@dataclass
class Copies:
    """Sources with inspections, under an output."""

    output: str

    def verify(self, sources: list[SourceFile]) -> int:
        """Inspects sources and reads in full those that look alike; returns how many were read."""
        rows = [
            {"id": one.source_version, "outcome": "result", "uri": one.uri, "video_id": sampled_id(one.uri)}
            for one in sources
        ]
        ResultStore(self.output).append_records("inspect", INSPECT, rows, schema=INSPECT_STATE, run_id="0")
        with scratch_database() as database:
            load_sources(database, sources)
            load_inspections(database, PLAN, self.output)
            return copies.verify_copies(database, self.output)

    def video_ids(self, sources: list[SourceFile]) -> list[str]:
        """The ids of the videos of a snapshot."""
        rows = collect(self.output, plan=PLAN, sources=sources).inspections.values()
        return [str(row["video_id"]) for row in rows]

    def admitted(self, sources: list[SourceFile]) -> list[str]:
        """The ids of the videos that are work."""
        with scratch_database() as database:
            load_sources(database, sources)
            load_inspections(database, PLAN, self.output)
            make_videos(database)
            return database.rows("SELECT video_id FROM videos ORDER BY video_id")["video_id"].to_pylist()


@pytest.fixture
def found(tmp_path: Path) -> Copies:
    return Copies(str(tmp_path / "out"))


def test_equal_files_keep_one_id(found: Copies, tmp_path: Path) -> None:
    sources = [write(tmp_path / "a.mp4"), write(tmp_path / "b.mp4")]
    found.verify(sources)
    assert len(set(found.video_ids(sources))) == 1
    assert found.admitted(sources) == [sampled_id(sources[0].uri)]


def test_files_that_differ_between_the_samples_have_ids_of_their_own(found: Copies, tmp_path: Path) -> None:
    sources = [write(tmp_path / "a.mp4"), write(tmp_path / "b.mp4", changed_at=(1 << 20) + 1)]
    assert sampled_id(sources[0].uri) == sampled_id(sources[1].uri)
    found.verify(sources)
    assert len(set(found.video_ids(sources))) == 2
    assert found.admitted(sources) == sorted(found.video_ids(sources))


def test_a_file_is_read_in_full_once_in_its_life(found: Copies, tmp_path: Path) -> None:
    sources = [write(tmp_path / "a.mp4"), write(tmp_path / "b.mp4")]
    assert [found.verify(sources) for _ in range(2)] == [2, 0]


def test_small_files_enter_their_id_whole_and_are_not_read_again(found: Copies, tmp_path: Path) -> None:
    small = [tmp_path / "a.mp4", tmp_path / "b.mp4"]
    for path in small:
        path.write_bytes(b"same")
    assert found.verify([SourceFile(str(path), 4, path.name) for path in small]) == 0


def test_ids_told_apart_depend_on_the_file_alone(found: Copies, tmp_path: Path) -> None:
    places = {"a": None, "b": (1 << 20) + 1, "c": (1 << 20) + 2}
    sources = [write(tmp_path / f"{name}.mp4", changed_at=place) for name, place in places.items()]
    found.verify(sources[:2])
    both = found.admitted(sources[:2])
    found.verify(sources)
    assert (set(both) < set(found.admitted(sources)), len(set(found.video_ids(sources)))) == (True, 3)

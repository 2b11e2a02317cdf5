"""A sampled video_id is no proof: sources that share one are read in full before they are called copies."""

from pathlib import Path

import numpy as np
import pyarrow as pa

from clipmill import identity
from clipmill.intake import copies
from clipmill.planning.plan import inspect_digest
from clipmill.records import SourceFile
from clipmill.specs import LimitsSpec
from clipmill.storage.inspections import read_inspections, resolved_ids
from clipmill.storage.state import State

LARGE = 5 << 20
INSPECT = inspect_digest(LimitsSpec())


def write(path: Path, *, changed_at: int | None = None) -> SourceFile:
    data = np.random.default_rng(1).integers(0, 256, LARGE, dtype=np.uint8)
    if changed_at is not None:
        data[changed_at] ^= 1
    path.write_bytes(data.tobytes())
    return SourceFile(str(path), LARGE, f"version of {path.name}")


def sampled_id(path: str) -> str:
    data = Path(path).read_bytes()
    return identity.video_id(len(data), [data[a:b] for a, b in identity.identity_ranges(len(data))])


def inspected(state: State, sources: list[SourceFile]) -> pa.Table:
    rows = [{"id": one.source_version, "uri": one.uri, "video_id": sampled_id(one.uri)} for one in sources]
    state.append("inspect", rows, digest=INSPECT, attempt="test")
    copies.verify_copies(sources, {str(row["id"]): str(row["video_id"]) for row in rows}, state)
    return read_inspections(state, INSPECT)


def test_equal_files_keep_one_id(tmp_path: Path) -> None:
    sources = [write(tmp_path / "a.mp4"), write(tmp_path / "b.mp4")]
    assert len(set(inspected(State(str(tmp_path / "out")), sources)["video_id"].to_pylist())) == 1


def test_files_that_differ_between_the_samples_are_told_apart(tmp_path: Path) -> None:
    sources = [write(tmp_path / "a.mp4"), write(tmp_path / "b.mp4", changed_at=(1 << 20) + 1)]
    assert sampled_id(sources[0].uri) == sampled_id(sources[1].uri)
    assert len(set(inspected(State(str(tmp_path / "out")), sources)["video_id"].to_pylist())) == 2


def test_a_file_is_read_in_full_once_in_its_life(tmp_path: Path) -> None:
    state = State(str(tmp_path / "out"))
    sources = [write(tmp_path / "a.mp4"), write(tmp_path / "b.mp4")]
    ids = {one.source_version: sampled_id(one.uri) for one in sources}
    assert [copies.verify_copies(sources, ids, state) for _ in range(2)] == [2, 0]


def test_small_files_enter_their_id_whole_and_are_not_read_again(tmp_path: Path) -> None:
    small = [SourceFile(str(tmp_path / name), 1000, name) for name in ("a", "b")]
    assert copies.verify_copies(small, {"a": "same", "b": "same"}, State(str(tmp_path / "out"))) == 0


def test_ids_told_apart_depend_on_the_file_alone() -> None:
    rows = [{"id": name, "video_id": "v", "file_digest": name.upper()} for name in "abc"]
    both, all_three = (resolved_ids(pa.Table.from_pylist(rows[:count])) for count in (2, 3))
    assert both["a"] == all_three["a"]
    assert len(set(all_three.values())) == 3

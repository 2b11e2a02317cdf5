"""Writes for one writer only: on a disk, over the S3 protocol, and on stores that have none."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from clipmill.errors import OutputError, WriteConflict
from clipmill.storage import conditional, local, store
from tests.support.stand_ins.conditional_stores import azure_server, google_server
from tests.support.stand_ins.object_store import s3_server

pytestmark = pytest.mark.integration

BUCKET = "films"


@pytest.fixture(scope="module")
def s3_endpoint() -> Iterator[str]:
    with s3_server(BUCKET) as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def gs_endpoint() -> Iterator[None]:
    with google_server():
        yield


@pytest.fixture(scope="module")
def az_endpoint() -> Iterator[None]:
    with azure_server():
        yield


@pytest.fixture(params=["disk", "s3", "s3?versionId=1", "gs", "az"])
def uri(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "disk":
        return str(tmp_path / "deep" / "lease.json")
    scheme, mark, version = request.param.partition("?")
    request.getfixturevalue(f"{scheme}_endpoint")
    return f"{scheme}://{BUCKET}/{tmp_path.name}/deep{mark}{version}/lease.json"


def version_of(uri: str) -> str:
    found = conditional.read_versioned(uri)
    assert found is not None
    return found[1]


def content_of(uri: str) -> bytes:
    found = conditional.read_versioned(uri)
    assert found is not None
    return found[0]


def test_only_the_first_writer_makes_a_file(uri: str) -> None:
    assert conditional.create(uri, b"first")
    assert not conditional.create(uri, b"second")
    assert content_of(uri) == b"first"


def test_one_of_many_writers_at_once_makes_a_file(uri: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda name: conditional.create(uri, name), [b"%d" % i for i in range(8)]))
    assert won.count(True) == 1
    assert content_of(uri) == b"%d" % won.index(True)


def test_a_file_is_replaced_as_it_was_read(uri: str) -> None:
    conditional.create(uri, b"first")
    conditional.replace(uri, b"second", if_version=version_of(uri))
    found = conditional.read_versioned(uri)
    assert found is not None
    assert found[0] == b"second"


def test_one_of_many_replacements_of_a_version_wins(uri: str) -> None:
    conditional.create(uri, b"first")
    version = version_of(uri)

    def replaced(data: bytes) -> bool:
        try:
            conditional.replace(uri, data, if_version=version)
        except WriteConflict:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(replaced, [b"%d" % i for i in range(8)]))
    assert won.count(True) == 1
    assert content_of(uri) == b"%d" % won.index(True)


def test_a_file_that_changed_is_not_replaced(uri: str) -> None:
    conditional.create(uri, b"first")
    version = version_of(uri)
    conditional.replace(uri, b"theirs", if_version=version)
    with pytest.raises(WriteConflict, match=r"lease\.json: another writer was first"):
        conditional.replace(uri, b"mine", if_version=version)
    assert content_of(uri) == b"theirs"


def test_a_file_that_is_not_there_is_not_replaced(uri: str) -> None:
    conditional.create(f"{uri}.other", b"first")
    with pytest.raises(WriteConflict):
        conditional.replace(uri, b"mine", if_version=version_of(f"{uri}.other"))
    assert conditional.read_versioned(uri) is None


def test_a_replacement_that_is_repeated_meets_itself(uri: str) -> None:
    conditional.create(uri, b"first")
    version = version_of(uri)
    conditional.replace(uri, b"second", if_version=version)
    conditional.replace(uri, b"second", if_version=version)


def test_no_version_means_that_there_is_no_file_yet(uri: str) -> None:
    conditional.put_versioned(uri, b"first", if_version=None)
    with pytest.raises(WriteConflict):
        conditional.put_versioned(uri, b"second", if_version=None)
    conditional.put_versioned(uri, b"second", if_version=version_of(uri))
    assert content_of(uri) == b"second"


def test_a_local_file_becomes_a_new_one(uri: str, tmp_path: Path) -> None:
    path = tmp_path / "own file"
    path.write_bytes(b"first")
    conditional.put_new(uri, path)
    with pytest.raises(WriteConflict):
        conditional.put_new(uri, path)
    assert content_of(uri) == b"first"


@pytest.mark.parametrize("create", [conditional.create, store.create], ids=["lease", "index of parts"])
def test_a_disk_without_hard_links(
    create: Callable[[str, bytes], bool], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No such file system can be mounted here: the call fails as it does there."""

    def no_links(source: str, target: str) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    uri = str(tmp_path / "lease.json")
    assert create(uri, b"first")
    assert not create(uri, b"second")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"lease.json": b"first"}


def test_processes_take_turns(tmp_path: Path) -> None:
    """Each of four processes adds 25 to a counter, one conditional write at a time."""
    uri = str(tmp_path / "count")
    conditional.create(uri, b"0")
    code = f"""
import os
from clipmill.errors import WriteConflict
from clipmill.storage import conditional
added = 0
while added < 25:
    data, version = conditional.read_versioned({uri!r})
    try:
        count = int(data.split()[0]) + 1
        conditional.replace({uri!r}, b"%d by %d" % (count, os.getpid()), if_version=version)
    except WriteConflict:
        continue
    added += 1
"""
    processes = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(4)]
    assert [process.wait(60) for process in processes] == [0] * 4
    assert int(store.read_bytes(uri).split()[0]) == 100


@pytest.mark.parametrize("uri", ["memory://out/lease.json", "http://films.example/out/lease.json"])
def test_a_store_without_conditions_is_refused_by_name(uri: str) -> None:
    assert not conditional.is_supported(uri)
    with pytest.raises(OutputError, match="cannot keep two writers apart"):
        conditional.create(uri, b"x")


def test_nothing_temporary_stays(tmp_path: Path) -> None:
    conditional.create(str(tmp_path / "a"), b"x")
    conditional.create(str(tmp_path / "a"), b"y")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert local.temporary_name().startswith(".")


def test_a_replacement_is_on_the_disk_before_others_are_kept_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that is stopped while it writes leaves the folder free for others."""
    uri = str(tmp_path / "lease.json")
    conditional.create(uri, b"first")
    flush = os.fsync

    def write_of_another(descriptor: int) -> None:
        monkeypatch.setattr(os, "fsync", flush)
        conditional.replace(uri, b"theirs", if_version=version_of(uri))

    monkeypatch.setattr(os, "fsync", write_of_another)
    with pytest.raises(WriteConflict):
        conditional.replace(uri, b"mine", if_version=version_of(uri))
    assert content_of(uri) == b"theirs"

"""The store: whole files, honest listings, named faults; on a disk and over the S3 protocol."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.exceptions import EndpointConnectionError

from clipmill.errors import OutputError, StoreError, TransientStoreError
from clipmill.storage import local, store
from clipmill.storage.faults import named_faults
from tests.support.stand_ins.object_store import s3_server

pytestmark = pytest.mark.integration


BUCKET = "films"


@pytest.fixture(scope="module")
def s3_endpoint() -> Iterator[str]:
    with s3_server(BUCKET) as endpoint:
        yield endpoint


@pytest.fixture(params=["disk", "s3"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "disk":
        return str(tmp_path)
    request.getfixturevalue("s3_endpoint")
    return f"s3://{BUCKET}/{tmp_path.name}"


ODD_NAMES = ["a b.mp4", "ü.mp4", "#1?.mp4", "<script>.mp4", "100%25.mp4", "x::y.mp4", "[ab]*.mp4"]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_what_was_put_is_read_and_found(root: str, name: str) -> None:
    uri = f"{root}/deep/{name}"
    store.put_bytes(uri, b"0123456789")
    assert store.read_bytes(uri) == b"0123456789"
    assert store.read_range(uri, 2, 5) == b"234"
    assert [entry.uri for entry in store.find(root)] == [uri]


def test_newline_in_a_name_of_the_disk(tmp_path: Path) -> None:
    store.put_bytes(str(tmp_path / "a\nb.mp4"), b"x")
    assert [entry.uri for entry in store.find(str(tmp_path))] == [f"{tmp_path}/a\nb.mp4"]


def test_a_name_that_is_no_utf8_is_listed_with_its_bytes_spelled_out(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.mp4")).write_bytes(b"x")
    (entry,) = store.find(str(tmp_path))
    assert entry.uri == f"{tmp_path}/\\xff.mp4"


def test_put_file_copies(root: str, tmp_path: Path) -> None:
    source = tmp_path / ".source"
    source.write_bytes(b"clip")
    store.put_file(f"{root}/clips/a.mp4", str(source))
    assert store.read_bytes(f"{root}/clips/a.mp4") == source.read_bytes() == b"clip"


def test_get_file_copies(root: str, tmp_path: Path) -> None:
    store.put_bytes(f"{root}/a.mp4", b"film")
    store.get_file(f"{root}/a.mp4", str(tmp_path / ".here"))
    assert (tmp_path / ".here").read_bytes() == b"film"


def test_open_reader_seeks(root: str) -> None:
    store.put_bytes(f"{root}/a.mp4", b"0123456789")
    with store.open_reader(f"{root}/a.mp4") as reader:
        reader.seek(7)
        assert reader.read() == b"789"


def test_listing_is_recursive_sorted_and_filtered_in_any_case(root: str) -> None:
    for name in ("b.MP4", "a/z.mp4", "a/notes.txt", ".hidden/c.mp4", "a/.part.mp4"):
        store.put_bytes(f"{root}/{name}", b"xy")
    found = store.find(root, (".mp4",))
    assert [entry.uri for entry in found] == [f"{root}/a/z.mp4", f"{root}/b.MP4"]
    assert {entry.size_bytes for entry in found} == {2}


def test_a_file_is_its_own_listing(root: str) -> None:
    store.put_bytes(f"{root}/a.mp4", b"x")
    store.put_bytes(f"{root}/a.mp4.txt", b"x")
    assert [entry.uri for entry in store.find(f"{root}/a.mp4")] == [f"{root}/a.mp4"]


def test_a_folder_that_does_not_exist_is_empty(root: str) -> None:
    assert store.find(f"{root}/nothing") == []
    assert not store.exists(f"{root}/nothing")


def test_a_new_content_is_a_new_version(root: str) -> None:
    versions: set[str] = set()
    for content in (b"one", b"two"):
        store.put_bytes(f"{root}/a.mp4", content)
        versions |= {entry.version for entry in store.find(root)}
        time.sleep(0.01)
    assert len(versions - {""}) == 2


def test_put_if_changed_leaves_an_identical_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "table"
    assert store.put_if_changed(str(path), b"rows")
    before = path.stat()
    assert not store.put_if_changed(str(path), b"rows")
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == (before.st_mtime_ns, before.st_ino)


def test_put_if_changed_replaces_another_content(root: str) -> None:
    store.put_bytes(f"{root}/t", b"old")
    assert store.put_if_changed(f"{root}/t", b"new")
    assert store.read_bytes(f"{root}/t") == b"new"


def test_delete_twice(root: str) -> None:
    store.put_bytes(f"{root}/a", b"x")
    store.delete(f"{root}/a")
    store.delete(f"{root}/a")
    assert not store.exists(f"{root}/a")


def test_a_write_that_fails_leaves_neither_a_half_file_nor_a_temporary_one(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"whole")

    def half(file: object) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        local.replace(str(path), half)
    assert {entry.name: entry.read_bytes() for entry in tmp_path.iterdir()} == {"clip.mp4": b"whole"}


def test_leftovers_of_the_dead_go_and_a_write_under_way_stays(tmp_path: Path) -> None:
    dead, alive = tmp_path / local.temporary_name(), tmp_path / local.temporary_name()
    dead.touch()
    alive.touch()
    os.utime(dead, (0, 0))
    store.remove_leftovers(str(tmp_path))
    assert list(tmp_path.iterdir()) == [alive]


def test_links_that_lead_in_a_circle_end(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    (tmp_path / "a" / "self").symlink_to(tmp_path / "a" / "self")
    (tmp_path / "a" / "film.mp4").write_bytes(b"x")
    assert [entry.uri for entry in store.find(str(tmp_path))] == [f"{tmp_path}/a/film.mp4"]


def test_file_uris_and_relative_paths_turn_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.mp4").write_bytes(b"x")
    assert [entry.uri for entry in store.find(".")] == [f"{tmp_path}/a.mp4"]
    assert store.read_bytes(f"file://{tmp_path}/a.mp4") == b"x"


def test_a_missing_file_is_named(root: str) -> None:
    with pytest.raises(StoreError, match=r"nothing\.mp4") as caught:
        store.read_bytes(f"{root}/nothing.mp4")
    assert not isinstance(caught.value, TransientStoreError)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (OSError(16, "SlowDown"), TransientStoreError),
        (TimeoutError("slow"), TransientStoreError),
        (ConnectionResetError(104, "reset"), TransientStoreError),
        (EndpointConnectionError(endpoint_url="http://x"), TransientStoreError),
        (PermissionError(13, "denied"), StoreError),
        (OSError(28, "No space left on device"), StoreError),
    ],
    ids=["throttled", "timeout", "reset", "no endpoint", "denied", "full"],
)
def test_faults_are_sorted_into_worth_another_try_or_not(fault: Exception, kind: type[StoreError]) -> None:
    with pytest.raises(StoreError, match="s3://films/a") as caught, named_faults("s3://films/a"):
        raise fault
    assert type(caught.value) is kind


def test_a_passing_fault_says_how_long_its_request_was_tried() -> None:
    @named_faults("s3://films/a")
    def request() -> None:
        time.sleep(0.05)
        raise TimeoutError("slow")

    started_s = time.monotonic()
    with pytest.raises(TransientStoreError) as caught:
        request()
    assert 0.05 <= caught.value.tried_s <= time.monotonic() - started_s


def test_a_writable_output_is_left_as_it_was(root: str) -> None:
    store.check_writable(f"{root}/out")
    assert store.find(f"{root}/out") == []


def test_an_output_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(b"")
    with pytest.raises(OutputError, match=f"cannot write to {tmp_path}/out"):
        store.check_writable(str(tmp_path / "out"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_write_permission_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="Permission denied"):
        store.check_writable(str(tmp_path / "out"))


def test_a_bucket_that_does_not_exist_is_refused(s3_endpoint: str) -> None:
    with pytest.raises(OutputError, match="s3://no-such-bucket/out"):
        store.check_writable("s3://no-such-bucket/out")

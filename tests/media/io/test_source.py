import errno
import os
from pathlib import Path

import fsspec
import pytest

from clipmill.errors import StoreError, TransientStoreError
from clipmill.media.io.source import BLOCK_BYTES, CACHED_BLOCKS, CountingReader, open_source


class Store:
    """Remembers what it was asked for."""

    is_verified = True

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.size_bytes = len(data)
        self.asked: list[tuple[int, int]] = []

    def fetch(self, start: int, end: int) -> bytes:
        self.asked.append((start, end))
        return self._data[start:end]

    def check(self) -> None:
        pass

    def close(self) -> None:
        pass


class BrokenStore(Store):
    def __init__(self, error: Exception) -> None:
        super().__init__(bytes(10))
        self._error = error

    def fetch(self, start: int, end: int) -> bytes:
        raise self._error


def test_reads_what_the_file_holds(tmp_path: Path) -> None:
    data = os.urandom(3 * BLOCK_BYTES + 5)
    (tmp_path / "a.bin").write_bytes(data)
    with open_source(str(tmp_path / "a.bin")) as reader:
        reader.seek(-BLOCK_BYTES - 7, os.SEEK_END)
        tail = reader.read()
        reader.seek(10)
        assert reader.read(2 * BLOCK_BYTES) == data[10 : 10 + 2 * BLOCK_BYTES]
        assert tail == data[-BLOCK_BYTES - 7 :]
        assert reader.tell() == 10 + 2 * BLOCK_BYTES


def test_read_at_the_end_is_empty() -> None:
    reader = CountingReader("a", Store(b"abc"))
    reader.seek(99)
    assert reader.read(5) == b""


@pytest.mark.parametrize("uri", ["memory://films/a.bin", "file://{}"], ids=["memory", "file"])
def test_uris_are_read_through_fsspec(tmp_path: Path, uri: str) -> None:
    uri = uri.format(tmp_path / "a.bin")
    with fsspec.open(uri, "wb") as file:
        file.write(b"0123456789")
    with open_source(uri) as reader:
        assert (reader.read_range(2, 5), reader.size_bytes) == (b"234", 10)


def test_index_at_the_end_then_all_samples_is_read_once() -> None:
    size_bytes = (CACHED_BLOCKS + 8) * BLOCK_BYTES + 12345
    reader = CountingReader("a", Store(bytes(size_bytes)))
    reader.read(64)
    reader.seek(-20_000, os.SEEK_END)
    reader.read()
    reader.seek(64)
    while reader.read(1 << 16):
        pass
    assert size_bytes <= reader.bytes_read <= 1.05 * size_bytes


def test_far_apart_sound_and_picture_are_read_once() -> None:
    reader = CountingReader("a", Store(bytes(40 * BLOCK_BYTES)))
    for step in range(0, 20 * BLOCK_BYTES, 1 << 16):
        for start in (step, step + 20 * BLOCK_BYTES):
            reader.seek(start)
            reader.read(1 << 16)
    assert reader.bytes_read == 40 * BLOCK_BYTES


def test_sequential_requests_grow() -> None:
    store = Store(bytes(20 * BLOCK_BYTES))
    reader = CountingReader("a", store)
    while reader.read(1 << 18):
        pass
    assert [(end - start) // BLOCK_BYTES for start, end in store.asked] == [1, 2, 4, 4, 4, 4, 1]


def test_ranges_fetch_no_more_than_themselves() -> None:
    reader = CountingReader("a", Store(bytes(9 * BLOCK_BYTES)))
    assert reader.read_range(5 * BLOCK_BYTES - 3, 5 * BLOCK_BYTES + 4) == bytes(7)
    assert reader.bytes_read == 7


def test_missing_file_is_a_store_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"gone\.mp4: No such file or directory"):
        open_source(str(tmp_path / "gone.mp4"))


def test_what_is_no_file_is_named_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    for path in (str(tmp_path / "pipe.mp4"), "/dev/zero"):
        with pytest.raises(StoreError, match=f"{path}: it is a named pipe or a device, no file"):
            open_source(path)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (OSError(errno.EBUSY, "slow down"), TransientStoreError),
        (TimeoutError("late"), TransientStoreError),
        (ConnectionResetError(), TransientStoreError),
        (PermissionError(errno.EACCES, "Permission denied"), StoreError),
        (OSError("odd"), StoreError),
    ],
    ids=["busy", "timeout", "reset", "denied", "other"],
)
def test_store_faults_are_sorted(error: Exception, kind: type[StoreError]) -> None:
    reader = CountingReader("s3://films/a.mp4", BrokenStore(error))
    with pytest.raises(StoreError, match=r"^s3://films/a\.mp4: ") as caught:
        reader.read(4)
    assert type(caught.value) is kind
    assert reader.failure is caught.value


def test_short_answer_is_an_error() -> None:
    store = Store(b"abc")
    store.size_bytes = 10
    with pytest.raises(StoreError, match="asked for bytes 0 to 10, got 3"):
        CountingReader("a", store).read()

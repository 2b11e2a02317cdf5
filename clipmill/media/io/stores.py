"""Where the bytes of a source come from. Each store gives bytes of the file that was listed, or fails.

A store compares what it opens with the ``version`` and the size of the listing, where there are any; and what
it reads with what it opened. It raises ChangedFile where they differ.
"""

import errno
import os
import stat
import tempfile
import time
from collections.abc import Awaitable, Mapping
from typing import TYPE_CHECKING, BinaryIO, Protocol, cast

from clipmill.records import SourceFile
from clipmill.sandbox.heartbeat import advance
from clipmill.storage.faults import ChangedFile, is_transient, status_of
from clipmill.storage.filesystems import filesystem_of, is_http, is_local, local_path, scheme_of, versions_of

if TYPE_CHECKING:  # local files are read without fsspec
    from fsspec import AbstractFileSystem

WAITS_S = (0.2, 0.8)
"""Between tries to read an answer whose connection was cut."""
LOOK_EVERY = 16
"""Reads between two looks at a file whose store has no reads of one version."""

GONE = "it is gone"
REPLACED = "it was replaced or written to since it was listed"
WRITTEN = "it was written to while it was read"


class RangeStore(Protocol):
    """Where bytes come from."""

    size_bytes: int
    is_verified: bool
    """False where no change can be seen, but for one of the size."""

    def fetch(self, start: int, end: int) -> bytes:
        """Bytes ``[start, end)``; within the size. ChangedFile where they are not of the file opened."""
        ...

    def check(self) -> None:
        """ChangedFile unless the file opened is still the one under its name."""
        ...

    def close(self) -> None:
        """Let go of the store."""
        ...


class _LocalFile:
    """A file on a disk, by its descriptor: a file put in its place changes no byte that is read."""

    is_verified = True

    def __init__(self, path: str, source: SourceFile) -> None:
        self._path = path
        try:
            # To open a named pipe would wait for a writer.
            self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError:
            raise_if_listed(source)
            raise
        self._opened = os.fstat(self._descriptor)
        if not (stat.S_ISREG(self._opened.st_mode) or stat.S_ISDIR(self._opened.st_mode)):
            os.close(self._descriptor)
            raise OSError(errno.EINVAL, "it is a named pipe or a device, no file")
        self.size_bytes = self._opened.st_size
        listed = source.size_bytes, source.version
        if source.version and listed != (self.size_bytes, str(self._opened.st_mtime_ns)):
            os.close(self._descriptor)
            raise ChangedFile(REPLACED)

    def fetch(self, start: int, end: int) -> bytes:
        data = os.pread(self._descriptor, end - start, start)
        if not _is_same(os.fstat(self._descriptor), self._opened):
            raise ChangedFile(WRITTEN)
        return data

    def check(self) -> None:
        try:
            is_same = _is_same(os.stat(self._path), self._opened)
        except FileNotFoundError:
            raise ChangedFile(GONE) from None
        if not is_same:
            raise ChangedFile(REPLACED)

    def close(self) -> None:
        os.close(self._descriptor)


class _Body(Protocol):
    def read(self) -> Awaitable[bytes]: ...

    def close(self) -> None: ...


class _S3Files(Protocol):
    """What s3fs offers beside what every file system does."""

    loop: object

    def split_path(self, path: str) -> tuple[str, str, str | None]: ...

    def call_s3(self, method: str, **arguments: str) -> Mapping[str, _Body]: ...


class _S3File:
    """An object whose every read asks for the bytes of one ETag."""

    is_verified = True

    def __init__(self, files: "AbstractFileSystem", path: str, source: SourceFile) -> None:
        facts = _facts(files, path, source)
        self._files = cast(_S3Files, files)
        self._bucket, self._key, _ = self._files.split_path(path)
        self._etag = str(facts["ETag"])
        self.size_bytes = int(str(facts["size"]))

    def fetch(self, start: int, end: int) -> bytes:
        from fsspec import asyn

        for wait_s in (*WAITS_S, None):
            body = self._body(start, end)
            try:
                return cast(bytes, asyn.sync(self._files.loop, body.read))
            except Exception as error:  # any library may be below: only what passes is tried again
                if wait_s is None or not is_transient(error):
                    raise
                time.sleep(wait_s)
            finally:
                body.close()
        raise AssertionError("the last try returns or raises")

    def _body(self, start: int, end: int) -> _Body:
        """The body of an answer; s3fs tries again to get one."""
        wanted = {"Bucket": self._bucket, "Key": self._key, "Range": f"bytes={start}-{end - 1}"}
        try:
            return self._files.call_s3("get_object", **wanted, IfMatch=self._etag)["Body"]
        except FileNotFoundError:
            raise ChangedFile(GONE) from None
        except OSError as error:
            if status_of(error) in (412, 416):
                raise ChangedFile(REPLACED) from error
            raise

    def check(self) -> None:
        """Each read was of the right version."""

    def close(self) -> None:
        """Connections belong to the file system, which is shared."""


class _RemoteFile:
    """A file of any store of fsspec, looked at again now and then and at the end; on GCS one generation."""

    is_verified = True

    def __init__(self, files: "AbstractFileSystem", path: str, source: SourceFile) -> None:
        facts = _facts(files, path, source)
        self._files, self._path, self._source = files, path, source
        self._versions = versions_of(facts)[:1]
        is_pinned = scheme_of(path) in ("gs", "gcs") and "generation" in facts
        self._pinned = {"generation": str(facts["generation"])} if is_pinned else {}
        self._num_reads = 0
        self.size_bytes = int(str(facts["size"]))

    def fetch(self, start: int, end: int) -> bytes:
        self._num_reads += 1
        try:
            data = bytes(cast(bytes, self._files.cat_file(self._path, start, end, **self._pinned)))
        except FileNotFoundError:
            raise ChangedFile(GONE) from None
        if len(data) != end - start or self._num_reads % LOOK_EVERY == 0:
            self.check()
        return data

    def check(self) -> None:
        try:
            facts = cast("Mapping[str, object]", self._files.info(self._path))
        except FileNotFoundError:
            raise ChangedFile(GONE) from None
        if (versions_of(facts)[:1], int(str(facts["size"]))) != (self._versions, self.size_bytes):
            raise ChangedFile(REPLACED)

    def close(self) -> None:
        """Connections belong to the file system, which is shared."""


class _WebFile:
    """A file on a web server, read by ranges; where it knows none, read once into an unnamed file."""

    def __init__(self, source: SourceFile, *, max_bytes: int) -> None:
        from clipmill.storage import http  # its client is not imported where no web server is read

        self._http, self._url = http, source.address or source.uri
        try:
            self._file = http.look(self._url)
        except FileNotFoundError:
            raise_if_listed(source)
            raise
        sizes = self._file.size_bytes, source.size_bytes
        if source.version and (self._file.version != source.version or (all(sizes) and sizes[0] != sizes[1])):
            raise ChangedFile(REPLACED)
        self.is_verified = bool(self._file.version)
        self._copy: BinaryIO | None = None
        self.size_bytes = self._file.size_bytes or 0
        if not self._file.has_ranges:
            self._copy, self.size_bytes = self._copied(max_bytes)

    def fetch(self, start: int, end: int) -> bytes:
        if self._copy is not None:
            return os.pread(self._copy.fileno(), end - start, start)
        return self._http.read_range(self._url, start, end, known=self._file)

    def check(self) -> None:
        """Each read was compared."""

    def close(self) -> None:
        if self._copy is not None:
            self._copy.close()

    def _copied(self, max_bytes: int) -> tuple[BinaryIO, int]:
        file = cast(BinaryIO, tempfile.TemporaryFile(prefix="clipmill-web-"))  # noqa: SIM115 - closed with the store; gone with this process
        try:
            size_bytes = self._http.read_all(
                self._url, file, known=self._file, max_bytes=max_bytes, progress=advance
            )
        except BaseException:  # whatever it was, it is raised again: no file stays open
            file.close()
            raise
        return file, size_bytes


class InMemory:
    """Bytes that are here already."""

    is_verified = True

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.size_bytes = len(data)

    def fetch(self, start: int, end: int) -> bytes:
        """Bytes ``[start, end)``."""
        return self._data[start:end]

    def check(self) -> None:
        """They stay."""

    def close(self) -> None:
        """Nothing was opened."""


def store_of(source: SourceFile, *, max_bytes: int) -> RangeStore:
    """Opens what holds the bytes of a source; ``max_bytes`` bounds what has to be copied to be read."""
    if is_local(source.uri):
        return _LocalFile(local_path(source.address or source.uri), source)
    if is_http(source.uri):
        return _WebFile(source, max_bytes=max_bytes)
    files = filesystem_of(source.uri)
    kind = _S3File if scheme_of(source.uri) in ("s3", "s3a") else _RemoteFile
    return kind(files, source.uri, source)


def raise_if_listed(source: SourceFile) -> None:
    """ChangedFile for a source that was there when it was listed."""
    if source.version:
        raise ChangedFile(GONE) from None


def _is_same(now: os.stat_result, before: os.stat_result) -> bool:
    return all(
        getattr(now, name) == getattr(before, name)
        for name in ("st_size", "st_mtime_ns", "st_ctime_ns", "st_ino", "st_dev")
    )


def _facts(files: "AbstractFileSystem", path: str, source: SourceFile) -> Mapping[str, object]:
    """What a store says of a file; ChangedFile where that is not what was listed."""
    try:
        facts = cast("Mapping[str, object]", files.info(path))
    except FileNotFoundError:
        raise_if_listed(source)
        raise
    if facts["type"] != "file" or facts["size"] is None:
        raise_if_listed(source)
        raise FileNotFoundError(2, "there is no file of this name")
    is_listed = source.version in versions_of(facts) and source.size_bytes == int(str(facts["size"]))
    if source.version and not is_listed:
        raise ChangedFile(REPLACED)
    return facts

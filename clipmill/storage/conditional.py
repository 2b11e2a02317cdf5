"""Writes that succeed for one writer only: of a new file, or over a file that is as it was read.

Local files: a hard link makes, a lock on the folder guards a replacement. Object stores: the conditions of
their own protocols. Other stores have no such writes.
"""

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Protocol

from clipmill import identity
from clipmill.errors import OutputError, WriteConflict
from clipmill.storage import local, store
from clipmill.storage.faults import named_faults
from clipmill.storage.object_writes import AzureWrites, GoogleWrites, S3Writes

Content = bytes | Path
"""Bytes, or a local file that holds them: it is not read into memory where the store is local."""
_COPY_BYTES = 1 << 20


class ConditionalWrites(Protocol):
    """What one kind of store offers. A version is an opaque string that changes with every write."""

    def create(self, uri: str, data: bytes) -> bool:
        """Makes a file; False where there is one."""
        ...

    def replace(self, uri: str, data: bytes, *, if_version: str) -> bool:
        """Replaces a file; False where it is gone or its version is another one."""
        ...

    def read(self, uri: str) -> tuple[bytes, str]:
        """Returns content and version, which belong together."""
        ...


class LocalWrites:
    """Files of this machine or of a mounted share; the version is the digest of the content."""

    def create(self, uri: str, data: Content) -> bool:
        """Makes a file that appears whole, unless the name is taken."""

        def write(file: BinaryIO) -> None:
            if isinstance(data, bytes):
                file.write(data)
            else:
                with open(data, "rb") as source:
                    shutil.copyfileobj(source, file, _COPY_BYTES)

        return local.create(store.normalise(uri), write)

    def replace(self, uri: str, data: bytes, *, if_version: str) -> bool:
        """Compares and renames while no other process does.

        The new file is complete before the lock is taken. A process that is stopped in between holds up
        others, and a write to the disk can take long enough for that to happen.
        """
        path = store.normalise(uri)
        with (
            local.whole_file(os.path.dirname(path), lambda file: file.write(data)) as trial,
            local.turns(path, max_wait_s=local.MAX_WAIT_S),
        ):
            try:
                if identity.bytes_digest(Path(path).read_bytes()) != if_version:
                    return False
            except FileNotFoundError:
                return False
            os.replace(trial, path)
        return True

    def read(self, uri: str) -> tuple[bytes, str]:
        """Reads a file, which never changes under its reader: it is replaced as a whole."""
        data = Path(store.normalise(uri)).read_bytes()
        return data, identity.bytes_digest(data)


_BY_SCHEME: dict[str, Callable[[], ConditionalWrites]] = {
    "file": LocalWrites,
    **dict.fromkeys(("s3", "s3a"), S3Writes),
    **dict.fromkeys(("gs", "gcs"), GoogleWrites),
    **dict.fromkeys(("az", "abfs", "abfss"), AzureWrites),
}


def is_supported(uri: str) -> bool:
    """Returns True if the store of ``uri`` has conditional writes."""
    return _scheme(uri) in _BY_SCHEME


def create(uri: str, data: Content) -> bool:
    """Makes a file that appears whole; returns False, and writes nothing, where there is one already.

    OutputError for a store without conditional writes.
    """
    with named_faults(uri):
        if isinstance(data, bytes):
            return _writes(uri).create(uri, data)
        if store.is_local(uri):
            return LocalWrites().create(uri, data)
        return _writes(uri).create(uri, data.read_bytes())


def replace(uri: str, data: bytes, *, if_version: str) -> None:
    """Replaces a file that still has the version that ``read_versioned`` returned.

    WriteConflict where it is gone or another writer was first. OutputError for a store without conditional
    writes.
    """
    with named_faults(uri):
        if _writes(uri).replace(uri, data, if_version=if_version):
            return
        # A request that was repeated after its answer got lost meets what it wrote itself.
        with suppress(FileNotFoundError):
            if _writes(uri).read(uri)[0] == data:
                return
    raise WriteConflict(uri, "another writer was first")


def read_versioned(uri: str) -> tuple[bytes, str] | None:
    """Returns the content of a file and its version for ``replace``; None where there is no file.

    OutputError for a store without conditional writes.
    """
    with named_faults(uri):
        try:
            return _writes(uri).read(uri)
        except FileNotFoundError:
            return None


def put_versioned(uri: str, data: bytes, *, if_version: str | None) -> None:
    """Makes a file where ``if_version`` is None, else replaces that version of it; WriteConflict as above."""
    if if_version is None:
        put_new(uri, data)
    else:
        replace(uri, data, if_version=if_version)


def put_new(uri: str, data: Content) -> None:
    """Makes a file. WriteConflict where there is one already."""
    if not create(uri, data):
        raise WriteConflict(uri, "another writer was first")


def _scheme(uri: str) -> str:
    return "file" if store.is_local(uri) else uri.split("://", 1)[0]


def _writes(uri: str) -> ConditionalWrites:
    kind = _BY_SCHEME.get(_scheme(uri))
    if kind is None:
        known = ", ".join(f"{scheme}://" for scheme in _BY_SCHEME)
        raise OutputError(
            f"{uri}: a store of kind {_scheme(uri)}:// cannot keep two writers apart; write to one of {known}"
        )
    return kind()

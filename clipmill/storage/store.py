"""Files on a local disk or an object store, by path or URI. Writes are whole or not there at all.

A local path is used as it stands (``file://`` is taken off; ``#``, ``?`` and ``%`` mean nothing). Any other
URI goes through fsspec, which reads credentials and endpoints from the usual places (``AWS_*``,
``FSSPEC_*``).
Faults are raised as StoreError, or as TransientStoreError where another try may help.
"""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import fsspec
from fsspec.implementations.local import LocalFileSystem
from fsspec.spec import AbstractFileSystem

from clipmill import layout
from clipmill.errors import OutputError, StoreError, TransientStoreError
from clipmill.storage import local
from clipmill.storage.faults import named_faults

_COPY_BYTES = 1 << 20


@dataclass(frozen=True, order=True)
class FileEntry:
    """One file of a listing; ``version`` is an etag or version id, else the mtime in ns."""

    uri: str
    size_bytes: int
    version: str


def is_local(uri: str) -> bool:
    """Whether ``uri`` is a path of this machine."""
    return "://" not in uri or uri.startswith("file://")


def normalise(uri: str) -> str:
    """A local path made absolute, without ``file://``; any other URI without trailing slashes."""
    return os.path.abspath(uri.removeprefix("file://")) if is_local(uri) else uri.rstrip("/")


def read_bytes(uri: str) -> bytes:
    """The whole file."""
    with named_faults(uri):
        return Path(normalise(uri)).read_bytes() if is_local(uri) else cast(bytes, _remote(uri).cat_file(uri))


def read_range(uri: str, start: int, end: int) -> bytes:
    """Bytes ``[start, end)`` of a file, in one request; fewer where the file ends before."""
    with named_faults(uri):
        if not is_local(uri):
            return cast(bytes, _remote(uri).cat_file(uri, start=start, end=end))
        with open(normalise(uri), "rb") as file:
            file.seek(start)
            return file.read(end - start)


def open_reader(uri: str) -> BinaryIO:
    """A seekable reader for the caller to close; a remote file is fetched in blocks as they are asked for."""
    with named_faults(uri):
        filesystem = LocalFileSystem() if is_local(uri) else _remote(uri)
        return cast(BinaryIO, filesystem.open(normalise(uri), "rb"))


def get_file(uri: str, local_path: str) -> None:
    """Copy a file of the store to ``local_path``, whose folder exists."""
    with named_faults(uri):
        if is_local(uri):
            shutil.copyfile(normalise(uri), local_path)
        else:
            _remote(uri).get_file(uri, local_path)


def put_bytes(uri: str, data: bytes) -> None:
    """Write a file: whole under its name, or not at all."""
    with named_faults(uri):
        if is_local(uri):
            local.replace(normalise(uri), lambda file: file.write(data))
        else:
            _remote(uri).pipe_file(uri, data)


def put_file(uri: str, local_path: str) -> None:
    """Write a copy of ``local_path``, as whole as ``put_bytes`` does."""
    with named_faults(uri):
        if not is_local(uri):
            _remote(uri).put_file(local_path, uri)
            return
        with open(local_path, "rb") as source:
            local.replace(normalise(uri), lambda file: shutil.copyfileobj(source, file, _COPY_BYTES))


def put_if_changed(uri: str, data: bytes) -> bool:
    """Write a file unless it already holds exactly ``data``; says whether it was written."""
    if exists(uri) and read_bytes(uri) == data:
        return False
    put_bytes(uri, data)
    return True


def swap(uri: str, old: bytes | None, new: bytes) -> None:
    """Write ``new`` where the file still holds ``old`` (None: is not there); equal ones write nothing.

    TransientStoreError when another writer was first. Local writers wait for each other; on an object store
    two that come within the same request may both win, and the later one stays.
    """
    if old == new:
        return
    with local.turns(normalise(uri)) if is_local(uri) else nullcontext():
        if (read_bytes(uri) if exists(uri) else None) != old:
            raise TransientStoreError(uri, "another run wrote it meanwhile")
        put_bytes(uri, new)


def exists(uri: str) -> bool:
    """Whether there is a file or a folder of that name."""
    with named_faults(uri):
        return os.path.exists(normalise(uri)) if is_local(uri) else bool(_remote(uri).exists(uri))


def delete(uri: str) -> None:
    """Delete a file; one that is not there is fine."""
    with named_faults(uri):
        if is_local(uri):
            Path(normalise(uri)).unlink(missing_ok=True)
        elif exists(uri):
            _remote(uri).rm_file(uri)


def find(uri: str, suffixes: tuple[str, ...] = ()) -> list[FileEntry]:
    """All files under ``uri``, recursively and sorted, whose name ends in one of ``suffixes`` in any case.

    A file is its own listing; a folder that does not exist is empty. Names below ``uri`` that start with a
    dot are left out, and so is what lies in such a folder. Links are followed, never in circles.
    """
    with named_faults(uri):
        entries = list(_find_local(normalise(uri)) if is_local(uri) else _find_remote(normalise(uri)))
    wanted = tuple(suffix.lower() for suffix in suffixes)
    return sorted(entry for entry in entries if not wanted or entry.uri.lower().endswith(wanted))


def check_writable(uri: str) -> None:
    """Raise OutputError unless a file can be made under ``uri``; the folder is made, the trial is removed."""
    trial = layout.join(normalise(uri), local.temporary_name())
    try:
        put_bytes(trial, b"clipmill")
        delete(trial)
    except StoreError as error:
        raise OutputError(f"cannot write to {uri}: {error.cause}") from error


def remove_leftovers(uri: str) -> None:
    """Delete the temporary files that killed writers left under a local folder more than an hour ago."""
    if is_local(uri):
        with named_faults(uri):
            local.remove_leftovers(normalise(uri))


def _find_local(root: str) -> Iterator[FileEntry]:
    for path, facts in local.walk(root):
        # A name that is no UTF-8 fits into no table: it is listed with its odd bytes spelled out.
        name = os.fsencode(path).decode("utf-8", "backslashreplace")
        yield FileEntry(name, facts.st_size, str(facts.st_mtime_ns))


def _find_remote(root: str) -> Iterator[FileEntry]:
    scheme, path = root.split("://", 1)
    try:
        listing = cast(dict[str, Mapping[str, object]], _remote(root).find(root, detail=True))
    except FileNotFoundError:
        return
    for name, facts in listing.items():
        below = name.lstrip("/").removeprefix(path).split("/")
        if facts["type"] == "file" and not any(part.startswith(".") for part in below):
            yield FileEntry(f"{scheme}://{name.lstrip('/')}", int(str(facts["size"])), _remote_version(facts))


def _remote_version(facts: Mapping[str, object]) -> str:
    for key in ("VersionId", "ETag", "etag", "generation", "LastModified", "mtime", "created"):
        if facts.get(key):
            return str(facts[key]).strip('"')
    return ""


def _remote(uri: str) -> AbstractFileSystem:
    """The file system of ``uri``'s scheme; a ``::`` in a name chains nothing, listings are never cached."""
    return cast(AbstractFileSystem, fsspec.filesystem(uri.split("://", 1)[0], use_listings_cache=False))

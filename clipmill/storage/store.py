"""Files on a local disk or an object store, by path or URI. Writes are whole or not there at all.

Paths and URIs are as in ``clipmill.storage.filesystems``; fsspec reads credentials and endpoints from the
usual places (``AWS_*``, ``FSSPEC_*``).
Faults are raised as StoreError, or as TransientStoreError where another try may help.
"""

import json
import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any, BinaryIO, cast

from fsspec.implementations.local import LocalFileSystem

from clipmill import layout
from clipmill.errors import OutputError, StoreError
from clipmill.storage import faults, local
from clipmill.storage.filesystems import filesystem_of as _remote
from clipmill.storage.filesystems import is_http, is_local, normalise, odd_path, versions_of

_COPY_BYTES = 1 << 20

named_faults = partial(faults.named_faults, also=(ValueError, NotImplementedError))
"""fsspec answers so to names and operations that a store does not know."""


@dataclass(frozen=True, order=True)
class FileEntry:
    """One file of a listing; ``version`` is an etag or version id, else the mtime in ns.

    ``address`` opens it where ``uri`` leaves out what is secret, or spells out what is no UTF-8.
    """

    uri: str
    size_bytes: int
    version: str
    address: str = ""


def read_bytes(uri: str) -> bytes:
    """The whole file."""
    with named_faults(normalise(uri)):
        if is_local(uri):
            return Path(normalise(uri)).read_bytes()
        return _read_web(uri) if is_http(uri) else cast(bytes, _remote(uri).cat_file(uri))


def read_range(uri: str, start: int, end: int) -> bytes:
    """Bytes ``[start, end)`` of a file, in one request; fewer where the file ends before."""
    with named_faults(uri):
        if not is_local(uri):
            return cast(bytes, _remote(uri).cat_file(uri, start=start, end=end))
        with open(normalise(uri), "rb") as file:
            file.seek(start)
            return file.read(end - start)


def read_record(uri: str) -> dict[str, Any]:
    """Returns the object that a file of JSON holds. StoreError names a damaged file."""
    try:
        content = cast(object, json.loads(read_bytes(uri)))
    except ValueError as error:
        raise StoreError(uri, f"damaged, it is no JSON: {error}") from error
    if not isinstance(content, dict):
        raise StoreError(uri, "damaged, it holds no object")
    return cast("dict[str, Any]", content)


def open_reader(uri: str) -> BinaryIO:
    """A seekable reader for the caller to close; a remote file is fetched in blocks as they are asked for."""
    with named_faults(uri):
        if is_local(uri):
            return cast(BinaryIO, LocalFileSystem().open(normalise(uri), "rb"))
        return cast(BinaryIO, _remote(uri).open(uri, "rb"))


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


def create(uri: str, data: bytes) -> bool:
    """Write a file, whole, if there is none of that name; says whether it was written."""
    with named_faults(uri):
        if is_local(uri):
            return local.create(normalise(uri), lambda file: file.write(data))
        try:
            _remote(uri).pipe_file(uri, data, mode="create")
        except FileExistsError:
            return False
        return True


def put_if_changed(uri: str, data: bytes) -> bool:
    """Write a file unless it already holds exactly ``data``; says whether it was written."""
    if exists(uri) and read_bytes(uri) == data:
        return False
    put_bytes(uri, data)
    return True


def put_file_if_changed(uri: str, local_path: str) -> bool:
    """Write a copy of ``local_path`` unless the file already holds the same; says whether it was written."""
    if exists(uri) and _holds(uri, local_path):
        return False
    put_file(uri, local_path)
    return True


def _holds(uri: str, local_path: str) -> bool:
    with open_reader(uri) as file, open(local_path, "rb") as other:
        while block := other.read(_COPY_BYTES):
            if file.read(len(block)) != block:
                return False
        return not file.read(1)


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
    files = (entry for entry in find_named(uri) if entry.version or not is_local(uri))
    wanted = tuple(suffix.lower() for suffix in suffixes)
    return [entry for entry in files if not wanted or entry.uri.lower().endswith(wanted)]


def find_named(uri: str) -> list[FileEntry]:
    """As ``find``, and links that lead nowhere: their size is 0, and they have no version."""
    with named_faults(uri):
        entries = list(_find_local(normalise(uri)) if is_local(uri) else _find_remote(normalise(uri)))
    return sorted(entries, key=attrgetter("uri", "size_bytes", "version"))


def names_in(folder: str) -> list[str]:
    """Names of the files and folders right in a folder, sorted, without those that start with a dot."""
    with named_faults(folder), suppress(FileNotFoundError):
        if is_local(folder):
            names = os.listdir(normalise(folder))
        else:
            listed = cast(list[str], _remote(folder).ls(normalise(folder), detail=False))
            names = [name.rpartition("/")[2] for name in listed]
        return sorted(name for name in names if name and not name.startswith("."))
    return []


def as_text(path: str) -> str:
    """Returns a name for tables, which take no odd bytes: those of a local path are spelled out."""
    if path.isascii() or not is_local(path):
        return path
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def check_writable(uri: str) -> None:
    """Raise OutputError unless a file can be made under ``uri``; the folder is made, the trial is removed."""
    if not uri.strip():
        raise OutputError("the output is empty: name a folder or a URI")
    if is_http(uri):
        raise OutputError(f"cannot write to {normalise(uri)}: a web server can only be read")
    try:
        trial = layout.join(normalise(uri), local.temporary_name())
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
        name = as_text(path)
        address = "" if name == path else odd_path(path)
        if stat.S_ISLNK(facts.st_mode):
            yield FileEntry(name, 0, "", address)
        else:
            yield FileEntry(name, facts.st_size, str(facts.st_mtime_ns), address)


def _find_remote(root: str) -> Iterator[FileEntry]:
    scheme, path = root.split("://", 1)
    try:
        listing = cast(dict[str, Mapping[str, object]], _remote(root).find(root, detail=True))
    except FileNotFoundError:
        return
    for name, facts in listing.items():
        below = name.lstrip("/").removeprefix(path).split("/")
        if facts["type"] == "file" and not any(map(_is_hidden, below)):
            version = next(iter(versions_of(facts)), "")
            yield FileEntry(f"{scheme}://{name.lstrip('/')}", int(str(facts["size"])), version)


def _read_web(url: str) -> bytes:
    from clipmill.storage import http  # its client is not imported where no web server is read

    return http.read_bytes(url)


def _is_hidden(part: str) -> bool:
    """Whether a part of a name begins with a dot; ``..`` is a name like any other in an object store."""
    return part.startswith(".") and part not in (".", "..")

"""Which videos a source holds: a folder, one file, or the entries of a JSON list below a folder."""

import json
import logging
import os
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import cast

from clipmill import identity
from clipmill.errors import SourceError, StoreError, TransientStoreError
from clipmill.layout import below
from clipmill.records import SourceFile
from clipmill.stages.roles import SourceOptions
from clipmill.storage import store, web_listing
from clipmill.storage.filesystems import is_http, is_local, normalise
from clipmill.storage.store import FileEntry
from clipmill.storage.urls import climbs

logger = logging.getLogger(__name__)

VIDEO_SUFFIXES = (
    ".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".ts", ".m2ts", ".mts", ".mpg", ".mpeg",
    ".flv", ".wmv", ".3gp", ".ogv",
)  # fmt: skip
_LOOKUPS_AT_ONCE = 16
_NO_NAME = re.compile("[\\0\ud800-\udfff]")
"""No file system and no table takes these."""


@dataclass(frozen=True, order=True)
class Listed:
    """A file found, and what opens it where its name leaves out what is secret."""

    entry: FileEntry
    address: str = ""


def list_source(wanted: SourceOptions, *, exclude: str | None = None) -> list[SourceFile]:
    """The videos of a source sorted by URI, each once, but for those under ``exclude`` (an output).

    An entry of a JSON list that is not there is listed with size 0, to be rejected by name like any other
    file that cannot be read. Raises SourceError for a source that does not exist, holds no video, or is a
    folder of the output.
    """
    if not wanted.path.strip():
        raise SourceError("the source is empty: name a folder, a file or a URI")
    try:
        root = normalise(wanted.path)
        _check_apart(root, exclude)
        found = _found(wanted, root)
    except TransientStoreError:
        raise
    except StoreError as error:
        raise SourceError(f"cannot list {error}") from error
    kept = _outside(found, exclude)
    if wanted.list_json_path is not None and len(kept) < len(found):
        inside = min(set(found) - set(kept))
        raise SourceError(f"the list names a file of the output: {inside.entry.uri}")
    if not kept:
        raise SourceError(f"{root} holds no video ({' '.join(VIDEO_SUFFIXES)})")
    sources = [_source(one) for one in sorted(kept)[: wanted.limit]]
    _warn_of_unverified(sources)
    return sources


def _check_apart(root: str, output: str | None) -> None:
    """SourceError for a source that is the output or lies in it: what a run writes would be read again."""
    if output is None:
        return
    source, folder = _real(root), _real(normalise(output))
    if source == folder:
        raise SourceError(f"the output is the source itself: {root}")
    if source.startswith(f"{folder.rstrip('/')}/"):
        raise SourceError(f"the source {root} lies in the output {normalise(output)}: name another output")


def _outside(found: Sequence[Listed], output: str | None) -> list[Listed]:
    """The files that do not lie in the output, by whatever links they were reached."""
    if output is None:
        return list(found)
    inside = f"{_real(normalise(output)).rstrip('/')}/"
    places = [one.entry.uri.rpartition("/") for one in found]
    real = {folder: _real(folder) for folder, _, _ in places}
    pairs = zip(found, places, strict=True)
    return [one for one, (folder, _, name) in pairs if not f"{real[folder]}/{name}".startswith(inside)]


def _real(uri: str) -> str:
    return os.path.realpath(uri) if is_local(uri) else uri


def _found(wanted: SourceOptions, root: str) -> list[Listed]:
    if wanted.list_json_path is not None:
        return _look_up(_listed(wanted.list_json_path, root=root))
    if is_http(root):
        return [Listed(web_listing.entry_of_one(wanted.path), wanted.path)]
    return [Listed(entry) for entry in _entries(root)]


def _entries(root: str) -> list[FileEntry]:
    entries = store.find(root, VIDEO_SUFFIXES)
    if entries:
        return entries
    everything = store.find(root)
    if [entry.uri for entry in everything] == [root]:
        raise SourceError(
            f"{root} is a file of another kind: a video's name ends in {' '.join(VIDEO_SUFFIXES)}"
        )
    if not everything and not store.exists(root):
        raise SourceError(f"{root} does not exist")
    return []


def _listed(list_uri: str, *, root: str) -> dict[str, str]:
    """Normalised URI -> address of the entries of a JSON list; a relative one is taken from ``root``."""
    try:
        listed = cast(object, json.loads(store.read_bytes(list_uri)))
    except StoreError as error:
        raise SourceError(f"cannot read the list of videos {error}") from error
    except ValueError as error:
        raise SourceError(f"the list of videos {normalise(list_uri)} is no JSON: {error}") from error
    name = normalise(list_uri)
    if not isinstance(listed, list):
        raise SourceError(f"{name} needs a JSON list of paths, got {type(listed).__name__}")
    places = enumerate(cast(list[object], listed))
    pairs = [_placed(entry, place=f"{name}, entry {index}", root=root) for index, entry in places]
    return dict(reversed(pairs))  # of two addresses of one file the first is kept


def _placed(entry: object, *, place: str, root: str) -> tuple[str, str]:
    if not isinstance(entry, str):
        raise SourceError(f"{place} is no string: {json.dumps(entry)}")
    if _NO_NAME.search(entry):
        raise SourceError(f"{place} is no name that a file can have: {json.dumps(entry)}")
    is_absolute = entry.startswith("/") or "://" in entry
    address = entry if is_absolute else below(root) + entry
    uri = normalise(address)
    leaves = is_http(uri) and climbs(uri)
    if leaves or not uri.startswith(below(root)):
        raise SourceError(f"{place} does not lie under {root}: {uri if is_http(uri) else entry}")
    return uri, address


def _look_up(addresses: dict[str, str]) -> list[Listed]:
    with ThreadPoolExecutor(_LOOKUPS_AT_ONCE) as pool:
        return list(pool.map(_look_at, addresses, addresses.values()))


def _look_at(uri: str, address: str) -> Listed:
    if is_http(uri):
        return Listed(web_listing.entry_of(address), address)
    found = (entry for entry in store.find(uri) if entry.uri == uri)
    return Listed(next(found, FileEntry(uri, 0, "")))


def _source(found: Listed) -> SourceFile:
    entry = found.entry
    version = identity.source_version(entry.uri, entry.size_bytes, entry.version)
    address = "" if found.address == entry.uri else found.address
    return SourceFile(entry.uri, entry.size_bytes, version, version=entry.version, address=address)


def _warn_of_unverified(sources: Sequence[SourceFile]) -> None:
    unknown = [source.uri for source in sources if is_http(source.uri) and not source.version]
    if unknown:
        logger.warning(
            "%d sources are unverified, their servers tell no ETag and no date, such as %s",
            len(unknown),
            unknown[0],
        )

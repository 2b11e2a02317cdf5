"""Which videos a source holds: a folder, one file, or the entries of a JSON list below a folder."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import cast

from clipmill import identity
from clipmill.errors import SourceError, StoreError
from clipmill.records import SourceFile
from clipmill.stages.roles import SourceOptions
from clipmill.storage import store
from clipmill.storage.store import FileEntry

VIDEO_SUFFIXES = (
    ".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".ts", ".m2ts", ".mts", ".mpg", ".mpeg",
    ".flv", ".wmv", ".3gp", ".ogv",
)  # fmt: skip
_LOOKUPS_AT_ONCE = 16


def list_source(wanted: SourceOptions, *, exclude: str | None = None) -> list[SourceFile]:
    """The videos of a source sorted by URI, each once, but for those under ``exclude`` (an output).

    An entry of a JSON list that is not there is listed with size 0, to be rejected by name like any other
    file that cannot be read. Raises SourceError for a source that does not exist or holds no video.
    """
    root = store.normalise(wanted.path)
    if exclude is not None and store.normalise(exclude) == root:
        raise SourceError(f"the output is the source itself: {root}")
    entries = [entry for entry in _entries(wanted, root) if not _is_below(entry.uri, exclude, root=root)]
    if not entries:
        raise SourceError(f"{root} holds no video ({' '.join(VIDEO_SUFFIXES)})")
    return [_source(entry) for entry in sorted(entries)[: wanted.limit]]


def _entries(wanted: SourceOptions, root: str) -> list[FileEntry]:
    if wanted.list_json_path is not None:
        return _look_up(_listed(wanted.list_json_path, root=root))
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


def _listed(list_uri: str, *, root: str) -> list[str]:
    """Entries of the JSON list as normalised URIs, each once; a relative one is taken from ``root``."""
    try:
        listed = cast(object, json.loads(store.read_bytes(list_uri)))
    except StoreError as error:
        raise SourceError(f"cannot read the list of videos {error}") from error
    except ValueError as error:
        raise SourceError(f"the list of videos {list_uri} is no JSON: {error}") from error
    if not isinstance(listed, list):
        raise SourceError(f"{list_uri} needs a JSON list of paths, got {type(listed).__name__}")
    places = enumerate(cast(list[object], listed))
    uris = [_placed(entry, place=f"{list_uri}, entry {index}", root=root) for index, entry in places]
    return [uri for uri in dict.fromkeys(uris) if uri.lower().endswith(VIDEO_SUFFIXES)]


def _placed(entry: object, *, place: str, root: str) -> str:
    if not isinstance(entry, str):
        raise SourceError(f"{place} is no string: {json.dumps(entry)}")
    is_absolute = entry.startswith("/") or "://" in entry
    uri = store.normalise(entry if is_absolute else f"{root}/{entry}")
    if not uri.startswith(root.rstrip("/") + "/"):
        raise SourceError(f"{place} does not lie under {root}: {entry}")
    return uri


def _look_up(uris: list[str]) -> list[FileEntry]:
    with ThreadPoolExecutor(_LOOKUPS_AT_ONCE) as pool:
        found = list(pool.map(store.find, uris))
    pairs = zip(uris, found, strict=True)
    return [next((entry for entry in hits if entry.uri == uri), FileEntry(uri, 0, "")) for uri, hits in pairs]


def _is_below(uri: str, folder: str | None, *, root: str) -> bool:
    """Whether ``uri`` lies in ``folder``, which counts only where it lies below ``root`` itself."""
    if folder is None or not store.normalise(folder).startswith(f"{root.rstrip('/')}/"):
        return False
    return uri.startswith(f"{store.normalise(folder)}/")


def _source(entry: FileEntry) -> SourceFile:
    version = identity.source_version(entry.uri, entry.size_bytes, entry.version)
    return SourceFile(entry.uri, entry.size_bytes, version)

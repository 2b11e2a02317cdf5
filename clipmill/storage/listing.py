"""Which videos a source holds: a folder, one file, or the entries of a JSON list below a folder."""

import json
import logging
import os
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import cast

from clipmill import identity
from clipmill.errors import SourceError, StoreError, TransientStoreError
from clipmill.layout import below
from clipmill.records import SourceFile
from clipmill.stages.roles import SourceOptions
from clipmill.storage import store, web_listing
from clipmill.storage.filesystems import is_http, is_local, normalise
from clipmill.storage.skipped_files import Skipped, count_endings, folder_of, own_folders, skipped_lines
from clipmill.storage.store import FileEntry
from clipmill.storage.urls import climbs
from clipmill.storage.video_kinds import GIF_BYTES, HEAD_BYTES, is_undecided, is_video_head, is_video_name

logger = logging.getLogger(__name__)

_LOOKUPS_AT_ONCE = 16
_NO_NAME = re.compile("[\\0\ud800-\udc7f\udd00-\udfff]")
"""No file system takes these; \\udc80 to \\udcff stand for bytes of a name that is no UTF-8."""


@dataclass(frozen=True)
class Listing:
    """The videos of a source, and what else lies there."""

    sources: list[SourceFile]
    skipped: Skipped = field(default_factory=Skipped)


def list_source(wanted: SourceOptions, *, exclude: str | None = None) -> list[SourceFile]:
    """Returns the videos of a source; see ``list_videos``."""
    return list_videos(wanted, exclude=exclude).sources


def list_videos(wanted: SourceOptions, *, exclude: str | None = None) -> Listing:
    """Lists a source: its videos sorted by URI, each once, but for those under ``exclude`` (an output).

    In a folder the name of a file says what it is; where its ending is no known one, its first bytes do.
    Folders below it that clipmill wrote are left out: their clips are no footage. What a list names is taken
    as a video whatever its name. An entry that is not there, and a link that leads nowhere, is listed with
    size 0, to be rejected by name like any other file that cannot be read. Raises SourceError for a source
    that does not exist, holds no video, or is a folder of the output or another output.
    """
    if not wanted.path.strip():
        raise SourceError("the source is empty: name a folder, a file or a URI")
    try:
        root = normalise(wanted.path)
        _check_apart(root, exclude)
        found, skipped = _found(wanted, root, exclude)
    except TransientStoreError:
        raise
    except StoreError as error:
        raise SourceError(f"cannot list {error}") from error
    if wanted.endings:
        found = [one for one in found if one.uri.lower().endswith(wanted.endings)]
    if not found:
        named = f" that ends with {' or '.join(wanted.endings)}" if wanted.endings else ""
        raise SourceError(f"{root} holds no video{named}{_among(skipped)}")
    sources = [_source(one) for one in sorted(found)[: wanted.limit]]
    _warn_of_unverified(sources)
    return Listing(sources, skipped)


def _among(skipped: Skipped) -> str:
    """``, only other files: 1 file (1 .txt)``; empty for a source without files."""
    said = "; ".join(line.removeprefix("skipped, ") for line in skipped_lines(skipped))
    return f", only other files: {said.removeprefix('no videos: ')}" if said else ""


def _check_apart(root: str, output: str | None) -> None:
    """SourceError for a source that is the output or lies in it: what a run writes would be read again."""
    if output is None:
        return
    source, folder = _real(root), _real(normalise(output))
    if source == folder:
        raise SourceError(f"the output is the source itself: {root}")
    if source.startswith(f"{folder.rstrip('/')}/"):
        raise SourceError(f"the source {root} lies in the output {normalise(output)}: name another output")


def _outside(found: Sequence[FileEntry], output: str | None) -> list[FileEntry]:
    """The files that do not lie in the output, by whatever links they were reached."""
    if output is None:
        return list(found)
    inside = f"{_real(normalise(output)).rstrip('/')}/"
    places = [one.uri.rpartition("/") for one in found]
    real = {folder: _real(folder) for folder, _, _ in places}
    pairs = zip(found, places, strict=True)
    return [one for one, (folder, _, name) in pairs if not f"{real[folder]}/{name}".startswith(inside)]


def _real(uri: str) -> str:
    return os.path.realpath(uri) if is_local(uri) else uri


def _found(wanted: SourceOptions, root: str, output: str | None) -> tuple[list[FileEntry], Skipped]:
    """The videos of a source, and the other files in it."""
    if wanted.list_json_path is not None:
        return _found_by_list(wanted.list_json_path, root, output), Skipped()
    if is_http(root):
        return [web_listing.entry_of_one(wanted.path)], Skipped()
    everything = store.find_named(root)
    if not everything and not store.exists(root):
        raise SourceError(f"{root} does not exist")
    apart = _outside(everything, output)
    own = own_folders(apart)
    if root in own:
        raise SourceError(f"{root} is an output of clipmill: name the folder of the footage, or {root}/clips")
    inside = [entry for entry in apart if folder_of(entry.uri, own)] if own else []
    videos, others = _videos_among(sorted(set(apart) - set(inside)))
    if [entry.uri for entry in others] == [root]:
        raise SourceError(f"{root} is a file of another kind: no video, by its name or by its first bytes")
    folders = sorted(folder.removeprefix(below(root)) for folder in own)
    return videos, Skipped(count_endings(others), folders, len(inside))


def _found_by_list(list_uri: str, root: str, output: str | None) -> list[FileEntry]:
    found = _look_up(_listed(list_uri, root=root))
    kept = _outside(found, output)
    if len(kept) < len(found):
        raise SourceError(f"the list names a file of the output: {min(set(found) - set(kept)).uri}")
    return kept


def _videos_among(entries: Sequence[FileEntry]) -> tuple[list[FileEntry], list[FileEntry]]:
    """Files that are videos, and those that are none; several at once are looked into."""
    by_name = [is_video_name(entry.uri) for entry in entries]
    unknown = [entry for entry, known in zip(entries, by_name, strict=True) if known is None]
    with ThreadPoolExecutor(_LOOKUPS_AT_ONCE) as pool:
        by_head = dict(zip(unknown, pool.map(_begins_like_a_video, unknown), strict=True))
    is_video = [by_head.get(entry, known) for entry, known in zip(entries, by_name, strict=True)]
    pairs = list(zip(entries, is_video, strict=True))
    return [entry for entry, known in pairs if known], [entry for entry, known in pairs if not known]


def _begins_like_a_video(entry: FileEntry) -> bool:
    """True too for a file that cannot be read: its row will say why."""
    if entry.size_bytes == 0:
        return False
    try:
        address = entry.address or entry.uri
        head = store.read_range(address, 0, HEAD_BYTES)
        return is_video_head(store.read_range(address, 0, GIF_BYTES) if is_undecided(head) else head)
    except StoreError as error:
        logger.warning("cannot look into %s", error)
        return not isinstance(error, TransientStoreError)


def _listed(list_uri: str, *, root: str) -> dict[str, str]:
    """Normalised URI -> address of the entries of a JSON list; a relative one is taken from ``root``."""
    try:
        listed = cast(object, json.loads(store.read_bytes(list_uri)))
    except StoreError as error:
        raise SourceError(f"cannot read the list of videos {error}") from error
    except (ValueError, RecursionError) as error:
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


def _look_up(addresses: dict[str, str]) -> list[FileEntry]:
    with ThreadPoolExecutor(_LOOKUPS_AT_ONCE) as pool:
        return list(pool.map(_look_at, addresses, addresses.values()))


def _look_at(uri: str, address: str) -> FileEntry:
    if is_http(uri):
        return web_listing.entry_of(address)
    named = store.as_text(uri)
    found = (entry for entry in store.find(uri) if entry.uri == named)
    return next(found, FileEntry(named, 0, ""))


def _source(found: FileEntry) -> SourceFile:
    version = identity.source_version(found.uri, found.size_bytes, found.version)
    return SourceFile(found.uri, found.size_bytes, version, version=found.version, address=found.address)


def _warn_of_unverified(sources: Sequence[SourceFile]) -> None:
    unknown = [source.uri for source in sources if is_http(source.uri) and not source.version]
    if unknown:
        logger.warning(
            "%d sources are unverified, their servers tell no ETag and no date, such as %s",
            len(unknown),
            unknown[0],
        )

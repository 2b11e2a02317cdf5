"""Entries of a listing that lie on web servers."""

import logging

from clipmill.errors import SourceError, StoreError
from clipmill.storage.faults import named_faults
from clipmill.storage.filesystems import normalise
from clipmill.storage.store import FileEntry
from clipmill.storage.urls import climbs

logger = logging.getLogger(__name__)


def entry_of_one(url: str) -> FileEntry:
    """The file at an address that is all of a source. SourceError where the server does not give it."""
    uri = normalise(url)
    if climbs(url):
        raise SourceError(f"{uri} does not name a file: its path holds . or ..")
    if not uri.partition("://")[2]:
        raise SourceError(f"{url} names no file: give an address, or a JSON list of addresses")
    try:
        return _entry(url)
    except StoreError as error:
        raise SourceError(f"cannot read {error}") from error


def entry_of(url: str) -> FileEntry:
    """The file at an address of a list; one of which nothing can be learned has size 0 and no version."""
    try:
        return _entry(url)
    except StoreError as error:
        logger.warning("cannot look at %s", error)
        return _named(url, 0, "")


def _entry(url: str) -> FileEntry:
    from clipmill.storage import http  # its client is not imported where no web server is read

    with named_faults(normalise(url), also=(ValueError,)):
        found = http.look(url)
    if not found.has_ranges:
        logger.warning("%s: its server gives no parts, each pass copies it to scratch first", normalise(url))
    return _named(url, found.size_bytes or 0, found.version)


def _named(url: str, size_bytes: int, version: str) -> FileEntry:
    """The entry of an address; it keeps the whole address where its name leaves out what is secret."""
    uri = normalise(url)
    return FileEntry(uri, size_bytes, version, address="" if uri == url else url)

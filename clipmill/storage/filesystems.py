"""Which file system a URI means, and what its place is called: one rule for sources and outputs.

A local path is used as it stands (``file://`` is taken off; ``#``, ``?``, ``%`` and ``::`` mean nothing). A
URI is ``scheme://...``; its scheme alone chooses the file system, so that no name chains another one.
"""

import os
import re
from collections.abc import Mapping
from functools import cache, partial
from inspect import signature
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote_from_bytes, unquote_to_bytes

from clipmill.errors import StoreError
from clipmill.storage.urls import is_written_out, without_secrets

if TYPE_CHECKING:  # a codec process that reads local files imports no fsspec
    from fsspec.spec import AbstractFileSystem

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_LIBRARIES = {
    "s3": ("s3fs", "s3"),
    "s3a": ("s3fs", "s3"),
    "gs": ("gcsfs", "gcs"),
    "gcs": ("gcsfs", "gcs"),
    "az": ("adlfs", "azure"),
    "abfs": ("adlfs", "azure"),
}
"""Scheme -> its library, and the extra of clipmill that installs it."""

_UNKNOWN = "{}:// cannot be used: name a path, s3://, gs://, az:// or https://"
_ODD = "bytes"
"""Scheme of a local path whose bytes are no UTF-8, written with percent signs."""

_VERSION_MARK = "?versionId="
"""s3fs takes what follows in a key for a version of the object that the rest names."""

VERSION_KEYS = ("VersionId", "ETag", "generation", "etag", "LastModified", "mtime", "created")
"""What file systems call the version of a file, best first; GCS's etag changes with what is noted of it."""


def scheme_of(uri: str) -> str:
    """Returns the scheme of a URI in lower case; ``file`` for a path."""
    found = _SCHEME.match(uri)
    return found[1].lower() if found else "file"


def is_local(uri: str) -> bool:
    """Whether ``uri`` is a path of this machine."""
    return scheme_of(uri) in ("file", _ODD)


def is_http(uri: str) -> bool:
    """Whether ``uri`` is read from a web server."""
    return scheme_of(uri) in ("http", "https")


def local_path(uri: str) -> str:
    """Returns the path of a local URI. StoreError for a name that no file can have."""
    if "\0" in uri:
        raise StoreError(uri.replace("\0", "\\0"), "a path holds no NUL character")
    if uri.startswith(f"{_ODD}://"):
        return os.fsdecode(unquote_to_bytes(uri.removeprefix(f"{_ODD}://")))
    return uri.removeprefix("file://")


def odd_path(path: str) -> str:
    """Returns an address, in ASCII, of a local path that is no UTF-8."""
    return f"{_ODD}://{quote_from_bytes(os.fsencode(path))}"


def normalise(uri: str) -> str:
    """Returns the name of a place: a local path made absolute, another URI without slashes at its end.

    A web address loses what only signs a request, so that its name can be published.
    """
    if is_local(uri):
        return os.path.abspath(local_path(uri))
    named = without_secrets(uri) if is_http(uri) else uri
    scheme, _, rest = named.partition("://")
    return f"{scheme}://{rest.rstrip('/')}"


def filesystem_of(uri: str) -> "AbstractFileSystem":
    """Returns the file system of a URI that is not local; its listings are never cached.

    StoreError, with the remedy, where the scheme is unknown or its library is not there.
    """
    import fsspec
    from fsspec.registry import known_implementations

    scheme = scheme_of(uri)
    if scheme not in known_implementations and scheme not in fsspec.available_protocols():
        raise StoreError(uri, _UNKNOWN.format(scheme))
    make = cast("partial[AbstractFileSystem]", partial(fsspec.filesystem, scheme, use_listings_cache=False))
    if is_http(uri):
        make = partial(make, encoded=is_written_out(uri))
    try:
        if _needs_more(scheme):
            raise StoreError(uri, _UNKNOWN.format(scheme))
        return _whole_keys()(use_listings_cache=False) if scheme in ("s3", "s3a") else make()
    except ImportError as error:
        raise StoreError(uri, _remedy(scheme, error)) from error
    except ValueError as error:  # missing credentials, mostly
        raise StoreError(uri, str(error)) from error


def _needs_more(scheme: str) -> bool:
    """True for a kind such as ftp, which needs more than its URIs say."""
    import fsspec

    parameters = list(signature(fsspec.get_filesystem_class(scheme).__init__).parameters.values())[1:]
    named = (one for one in parameters if one.kind is one.POSITIONAL_OR_KEYWORD)
    return any(one.default is one.empty for one in named)


@cache
def _whole_keys() -> "type[AbstractFileSystem]":
    """Returns s3fs's file system with keys as they are: a question mark is a letter like any other."""
    import fsspec

    base = cast("type[Any]", fsspec.get_filesystem_class("s3"))

    class WholeKeys(base):
        def split_path(self, path: str) -> tuple[str, str, str | None]:
            head, mark, rest = path.partition(_VERSION_MARK)
            bucket, key, _ = super().split_path(head)
            return bucket, key + mark + rest, None

    return cast("type[AbstractFileSystem]", WholeKeys)


def versions_of(facts: Mapping[str, object]) -> tuple[str, ...]:
    """Returns what names the version of a file among its facts, best first."""
    return tuple(str(facts[key]).strip('"') for key in VERSION_KEYS if facts.get(key))


def _remedy(scheme: str, error: ImportError) -> str:
    if scheme not in _LIBRARIES:
        return f"{scheme}:// needs a library that is not installed: {error}"
    library, extra = _LIBRARIES[scheme]
    return (
        f"{scheme}:// needs {library}, which is not installed: pip install 'clipmill[{extra}]' or {library}"
    )

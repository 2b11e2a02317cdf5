"""Paths made of names that come from outside: keys of a store, file names, parts of a web address. Pure.

Usual names stay what they are. A character, or a part of a name, that a file system would take for something
else is written as ``%`` and two hexadecimal digits, as is a ``%`` that could be read so: different names have
different paths, and no path leads out of the folder that it is put in.
"""

import hashlib
import re

MAX_PART_BYTES = 240
"""A file system takes 255; what is appended, such as ``_12.json``, needs room."""
MAX_PATH_BYTES = 700
"""An object store takes 1024 with the output's own name."""

_EMPTY = "%2F"
"""Stands for an empty part: no part holds the character it spells."""
_SPECIAL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]|%(?=[0-9A-Fa-f]{2})")
_SHORTENED = re.compile(r"~(?=[0-9a-f]{32}$)")
_KEPT_BYTES = 200


def path_of(name: str) -> str:
    """Returns the relative path of a name: UTF-8, without empty parts, ``.`` and ``..``, and short enough."""
    *folders, last = name.split("/")
    parts = [_part(_SHADOWS.sub("%2E", _escaped(folder))) for folder in folders]
    path = "/".join([*parts, _part(_escaped(last))])
    if len(path.encode()) <= MAX_PATH_BYTES:
        return path
    return f"{_EMPTY}{_digest(name)}/{_part(_escaped(last))}"


_SHADOWS = re.compile(r"\.(?=json$)")
"""The dot of a folder that could be the JSON file of a video beside it."""


def _escaped(part: str) -> str:
    if not part:
        return _EMPTY
    escaped = _SPECIAL.sub(_spelled, part)
    bare = escaped.rstrip(". ")  # some file systems drop dots and blanks at an end; dots alone are steps
    tail = "".join(map(_spelled_character, escaped[len(bare) :]))
    return _SHORTENED.sub("%7E", bare + tail)


def _part(part: str) -> str:
    """The part, or its beginning and its digest where it is too long."""
    data = part.encode()
    if len(data) <= MAX_PART_BYTES:
        return part
    return f"{data[:_KEPT_BYTES].decode(errors='ignore')}~{_digest(part)}"


def _spelled(found: re.Match[str]) -> str:
    return _spelled_character(found[0])


def _spelled_character(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "surrogatepass"))


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:32]

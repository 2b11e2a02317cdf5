"""Attributes of an object as JSON values, for its digest. Pure."""

from collections.abc import Mapping
from enum import Enum
from pathlib import PurePath

Plain = None | bool | int | float | str | list["Plain"] | dict[str, "Plain"]
"""A JSON value."""


def attributes_of(one: object) -> dict[str, Plain]:
    """Returns the attributes of an object as JSON values; a value that is none stands for its type."""
    attributes: Mapping[str, object] = getattr(one, "__dict__", {})
    return {name: plain(value) for name, value in sorted(attributes.items())}


def plain(value: object) -> Plain:
    """Returns a value as a JSON value: functions and classes by their names, anything else by its type."""
    if value is None or (isinstance(value, bool | int | float | str) and not isinstance(value, Enum)):
        return value
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, PurePath):
        return str(value)
    return _collection(value)


def _collection(value: object) -> Plain:
    if isinstance(value, Mapping):
        return {str(name): plain(one) for name, one in sorted(value.items(), key=lambda item: str(item[0]))}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, set | frozenset):
        return sorted((plain(one) for one in value), key=repr)
    return _name_of(value if hasattr(value, "__qualname__") else type(value))


def _name_of(value: object) -> str:
    return f"{getattr(value, '__module__', '')}:{getattr(value, '__qualname__', '')}"

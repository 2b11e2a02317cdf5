"""YAML or JSON that people write: read with faults in one line that name the file, the line and the cause."""

import re
from collections.abc import Hashable
from pathlib import Path
from typing import cast

import yaml

from clipmill.errors import SpecError


def read_groups(path: str, *, what: str) -> dict[str, object]:
    """Returns the groups of a file, unchecked. ``what`` names its kind in SpecError, such as "spec"."""
    try:
        document = Path(path).read_text()
    except OSError as error:
        raise SpecError(f"cannot read the {what} {path}: {error.strerror}") from error
    except ValueError as error:  # a name that no file can have, or bytes that are no UTF-8
        raise SpecError(f"cannot read the {what} {path}: it is no text in UTF-8") from error
    return parse_groups(document, path)


def parse_groups(document: str, name: str) -> dict[str, object]:
    """Returns the groups of a document; ``name`` is what SpecError calls it."""
    try:
        fields: object = yaml.load(document, _Loader)
    except _TwiceError as error:
        raise SpecError(f"{name}: {error}") from error
    except yaml.YAMLError as error:
        raise SpecError(f"{name} is neither YAML nor JSON: {_cause(error)}") from error
    except RecursionError as error:
        raise SpecError(f"{name} is nested too deeply") from error
    if not isinstance(fields, dict | None):
        raise SpecError(f"{name} must hold groups of parameters, got {type(fields).__name__}")
    return cast("dict[str, object]", fields or {})


def _cause(error: yaml.YAMLError) -> str:
    """What is wrong, and where; PyYAML calls every text ``<unicode string>``."""
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return str(getattr(error, "reason", error))
    mark = error.problem_mark
    return f"line {mark.line + 1}, column {mark.column + 1}: {error.problem}"


class _TwiceError(ValueError):
    """A key of a mapping stands twice."""


class _Loader(yaml.SafeLoader):
    """YAML in which ``1e9`` is a number, as in JSON, and a key that stands twice is a fault."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, object]:
        """Returns a mapping. _TwiceError for a key that is there already."""
        seen: set[object] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, Hashable) and key in seen and key_node.tag != _MERGE:
                raise _TwiceError(f"the key {key} stands twice, again in line {key_node.start_mark.line + 1}")
            seen.add(key if isinstance(key, Hashable) else None)
        return super().construct_mapping(node, deep)


_MERGE = "tag:yaml.org,2002:merge"
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)

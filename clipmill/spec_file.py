"""A ``CurateSpec`` as people write it: inline JSON, or a YAML or JSON file. Errors are one readable line."""

import re
from collections.abc import Hashable, Iterator
from pathlib import Path
from typing import cast

import yaml
from pydantic import ValidationError

from clipmill.errors import SpecError
from clipmill.specs import CurateSpec
from clipmill.stages.base import Spec
from clipmill.stages.fault_words import faults_in_words, free_fields


def load_spec(text: str) -> CurateSpec:
    """The spec of inline JSON (it starts with a brace) or of the file ``text`` names; empty: the default.

    Raises SpecError naming the field and the cause.
    """
    return spec_of_fields(fields_of(text), name_of(text))


def fields_of(text: str) -> dict[str, object]:
    """The groups of a spec as they are written, unchecked; ``text`` as in ``load_spec``."""
    if not text:
        return {}
    return _parsed(text if _is_inline(text) else _read(text), name_of(text))


def spec_of(document: str, name: str) -> CurateSpec:
    """The spec of a YAML or JSON document; ``name`` is what errors call it."""
    return spec_of_fields(_parsed(document, name), name)


def spec_of_fields(fields: dict[str, object], name: str) -> CurateSpec:
    """The spec of its groups; ``name`` is what errors call it."""
    try:
        spec = CurateSpec.model_validate(fields)
    except ValidationError as error:
        raise SpecError(f"{name}: {faults_in_words(error, CurateSpec)}") from error
    if bound := next(_bound_fields(spec, ""), ""):
        raise SpecError(f"{name}: {bound} follows from other stages and cannot be set")
    return spec


def _is_inline(text: str) -> bool:
    return text.lstrip().startswith("{")


def name_of(text: str) -> str:
    """What errors call the spec that ``text`` gives."""
    return "the spec" if not text or _is_inline(text) else text


def _parsed(document: str, name: str) -> dict[str, object]:
    try:
        fields: object = yaml.load(document, _Loader)
    except _TwiceError as error:
        raise SpecError(f"{name}: {error}") from error
    except yaml.YAMLError as error:
        raise SpecError(f"{name} is neither YAML nor JSON: {' '.join(str(error).split())}") from error
    if not isinstance(fields, dict | None):
        raise SpecError(f"{name} must hold groups of parameters, got {type(fields).__name__}")
    return cast("dict[str, object]", fields or {})


def _bound_fields(group: object, place: str) -> Iterator[str]:
    """Yields the fields that were set and are other stages' to set."""
    if isinstance(group, list | tuple):
        for index, one in enumerate(group):
            yield from _bound_fields(one, f"{place}{index}.")
    if isinstance(group, Spec):
        for name in group.model_fields_set:
            default = type(group).model_fields[name].get_default(call_default_factory=True)
            if name not in free_fields(type(group)) and getattr(group, name) != default:
                yield f"{place}{name}"
            yield from _bound_fields(getattr(group, name), f"{place}{name}.")


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


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"cannot read the spec {path}: {error}") from error

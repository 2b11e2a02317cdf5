"""A ``CurateSpec`` as people write it: inline JSON, or a YAML or JSON file. Errors are one readable line."""

from pathlib import Path
from typing import cast

import yaml
from pydantic import ValidationError

from clipmill.errors import SpecError
from clipmill.specs import CurateSpec


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
        return CurateSpec.model_validate(fields)
    except ValidationError as error:
        raise SpecError(f"{name}: {one_line(error)}") from error


def _is_inline(text: str) -> bool:
    return text.lstrip().startswith("{")


def name_of(text: str) -> str:
    """What errors call the spec that ``text`` gives."""
    return "the spec" if not text or _is_inline(text) else text


def _parsed(document: str, name: str) -> dict[str, object]:
    try:
        fields: object = yaml.safe_load(document)
    except yaml.YAMLError as error:
        raise SpecError(f"{name} is neither YAML nor JSON: {' '.join(str(error).split())}") from error
    if not isinstance(fields, dict | None):
        raise SpecError(f"{name} must hold groups of parameters, got {type(fields).__name__}")
    return cast("dict[str, object]", fields or {})


def one_line(error: ValidationError) -> str:
    """Every fault of a spec as ``field: cause (got value)``."""
    faults = (
        f"{_field(fault['loc']) or 'the whole'}: {fault['msg']} (got {fault['input']!r:.80})"
        for fault in error.errors(include_url=False)
    )
    return "; ".join(faults)


def _field(place: tuple[int | str, ...]) -> str:
    """A place as people write it; which kind of a group it was read as stands in brackets, and is no key."""
    return ".".join(part for part in map(str, place) if not part.startswith("("))


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"cannot read the spec {path}: {error}") from error

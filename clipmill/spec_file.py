"""A ``CurateSpec`` as people write it: inline JSON, or a YAML or JSON file. Errors are one readable line."""

from pathlib import Path

import yaml
from pydantic import ValidationError

from clipmill.errors import SpecError
from clipmill.specs import CurateSpec


def load_spec(text: str) -> CurateSpec:
    """The spec of inline JSON (it starts with a brace) or of the file ``text`` names; empty: the default.

    Raises SpecError naming the field and the cause.
    """
    if not text:
        return CurateSpec()
    return spec_of(text, "the spec") if text.lstrip().startswith("{") else spec_of(_read(text), text)


def spec_of(document: str, name: str) -> CurateSpec:
    """The spec of a YAML or JSON document; ``name`` is what errors call it."""
    try:
        fields = yaml.safe_load(document)
    except yaml.YAMLError as error:
        raise SpecError(f"{name} is neither YAML nor JSON: {' '.join(str(error).split())}") from error
    try:
        return CurateSpec.model_validate({} if fields is None else fields)
    except ValidationError as error:
        raise SpecError(f"{name}: {one_line(error)}") from error


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

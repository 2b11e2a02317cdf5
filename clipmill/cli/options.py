"""Options that several verbs share."""

from collections.abc import Sequence
from typing import Annotated, cast

import typer
import yaml

from clipmill.errors import SpecError
from clipmill.spec_file import fields_of, name_of, spec_of_fields
from clipmill.specs import CurateSpec

Spec = Annotated[str, typer.Option("--spec", help="inline JSON, or a YAML or JSON file")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="one parameter of the spec, such as quality.black_ratio.max=0.5; repeatable"),
]


def spec_of_options(spec: str, sets: Sequence[str]) -> CurateSpec:
    """Returns the spec of a file with single parameters set. SpecError in one line."""
    fields = fields_of(spec)
    for one in sets:
        path, sign, value = one.partition("=")
        if not sign or not all(path.split(".")):
            raise SpecError(f"--set needs key=value, such as quality.black_ratio.max=0.5, got {one!r}")
        _put(fields, path.split("."), _value(value), one)
    return spec_of_fields(fields, name_of(spec))


def _value(text: str) -> object:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text


def _put(fields: dict[str, object], path: Sequence[str], value: object, text: str) -> None:
    *groups, name = path
    for group in groups:
        inner = fields.setdefault(group, {})
        if not isinstance(inner, dict):
            raise SpecError(f"--set {text}: {group} is no group of the spec: change it in the spec file")
        fields = cast("dict[str, object]", inner)
    fields[name] = value

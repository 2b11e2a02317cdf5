"""Options that several verbs share."""

import os
from collections.abc import Mapping, Sequence
from typing import Annotated, cast

import typer
import yaml

from clipmill.errors import SpecError
from clipmill.planning.registry import stage_class
from clipmill.spec_file import fields_of, name_of, spec_of_fields
from clipmill.specs import CurateSpec
from clipmill.stages.fault_words import nearest
from clipmill.storage import store


def _there(output: str) -> str:
    """The output of a verb that needs one. SpecError for a place where no run can have written."""
    if not output.strip():
        raise SpecError("the output is empty: name a folder or a URI")
    if not store.exists(output):
        raise SpecError(f"{output} does not exist")
    if store.is_local(output) and os.path.isfile(store.normalise(output)):
        raise SpecError(f"{output} is a file: name the folder of a run's results")
    return output


Output = Annotated[str, typer.Argument(help="folder or URI of a run's results", callback=_there)]
Spec = Annotated[str, typer.Option("--spec", help="inline JSON, or a YAML or JSON file")]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="one parameter, such as quality.black_ratio.max=0.5 or stages.KEY.threshold=0.2; repeatable",
    ),
]

_LISTS = ("stages", "questions")
"""Keys of a spec that hold several groups."""


def spec_of_options(spec: str, sets: Sequence[str]) -> CurateSpec:
    """Returns the spec of a file with single parameters set. SpecError in one line."""
    fields: dict[str, object] = (
        {"stages": [], "questions": [], **fields_of(spec)} if sets else fields_of(spec)
    )
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
    """Sets one value. A list of groups is entered by the key of a stage, or by a number from 0 on."""
    *groups, name = path
    here: object = fields
    for group in groups:
        here = _inside(here, group, text)
    if not isinstance(here, dict):
        raise SpecError(f"--set {text}: {groups[-1]} holds several groups: name one, then its parameter")
    cast("dict[str, object]", here)[name] = value


def _inside(here: object, group: str, text: str) -> object:
    inner: object = None
    if isinstance(here, dict):
        inner = cast("dict[str, object]", here).setdefault(group, [] if group in _LISTS else {})
    elif isinstance(here, list):
        inner = _entry(cast("list[object]", here), group, text)
    if not isinstance(inner, dict | list):
        raise SpecError(f"--set {text}: {group} is no group of the spec: change it in the spec file")
    return cast(object, inner)


def _entry(entries: Sequence[object], name: str, text: str) -> object:
    named = {str(number): one for number, one in enumerate(entries)}
    keys = {_key_of(cast("dict[str, object]", one)): one for one in entries if isinstance(one, dict)}
    found = {**named, **keys}.get(name)
    if found is None:
        known = ", ".join(key for key in keys if key) or ", ".join(named)
        known = f"there is no {name} among {known}{nearest(name, keys)}" if entries else "the spec has none"
        raise SpecError(f"--set {text}: {known}")
    return found


def _key_of(entry: Mapping[str, object]) -> str:
    """The key of a stage that a spec adds: its own, or the name of its class; empty for other groups."""
    if "use" not in entry:
        return ""
    return str(entry.get("key") or getattr(stage_class(str(entry["use"])), "name", ""))

"""A ``CurateSpec`` as people write it: inline JSON, or a YAML or JSON file. Errors are one readable line."""

from collections.abc import Iterator

from clipmill.errors import SpecError
from clipmill.specs import CurateSpec
from clipmill.stages.base import Spec
from clipmill.stages.fault_words import checked, free_fields
from clipmill.yaml_file import parse_groups, read_groups


def load_spec(text: str) -> CurateSpec:
    """The spec of inline JSON (it starts with a brace) or of the file ``text`` names; empty: the default.

    Raises SpecError naming the field and the cause.
    """
    return spec_of_fields(fields_of(text), name_of(text))


def fields_of(text: str) -> dict[str, object]:
    """The groups of a spec as they are written, unchecked; ``text`` as in ``load_spec``."""
    if not text:
        return {}
    return parse_groups(text, name_of(text)) if _is_inline(text) else read_groups(text, what="spec")


def spec_of_fields(fields: dict[str, object], name: str) -> CurateSpec:
    """The spec of its groups; ``name`` is what errors call it."""
    spec = checked(CurateSpec, fields, name)
    if bound := next(_bound_fields(spec, ""), ""):
        raise SpecError(f"{name}: {bound} follows from other stages and cannot be set")
    return spec


def _is_inline(text: str) -> bool:
    return text.lstrip().startswith("{")


def name_of(text: str) -> str:
    """What errors call the spec that ``text`` gives."""
    return "the spec" if not text or _is_inline(text) else text


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

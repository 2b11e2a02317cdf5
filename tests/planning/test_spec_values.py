"""Every number that a spec may hold, at its extremes: refused in one line, or a plan that can be built."""

import math
from collections.abc import Iterator
from typing import get_origin

import pytest
from pydantic import BaseModel

from clipmill.curation.preflight import check_dedup
from clipmill.errors import SpecError
from clipmill.planning.from_spec import plan_of_spec
from clipmill.planning.plan import Plan
from clipmill.planning.registry import BUILT_IN, stage_class
from clipmill.spec_file import spec_of_fields
from clipmill.specs import CurateSpec
from clipmill.stages.base import Stage
from clipmill.stages.fault_words import free_fields
from clipmill.stages.roles import ReaderStage, WriterStage
from clipmill.stages.value_kinds import kinds
from clipmill.stages.video.embedding.perceptual import PerceptualEmbeddingStage

EXTREMES: list[object] = [0, -1, 1e-9, 1e9, 1e308, math.nan, math.inf, "", None, True, []]
Place = tuple[str, ...]

REQUIRED: dict[str, dict[str, object]] = {
    "questions": {"question": "Is it night?"},
    "embedding": {"algorithm": "siglip2"},
}
NEEDS_CAPTIONS = ("questions", "enhancement")


def numbers(model: type[BaseModel], place: Place = ()) -> Iterator[Place]:
    """Yields the places of the numbers of a group, and of the groups in it."""
    for name in free_fields(model):
        found = list(kinds(model.model_fields[name].annotation))
        if not {int, float}.isdisjoint(one for one in found if get_origin(one) is None):
            yield (*place, name)
        for kind in found:
            if isinstance(kind, type) and issubclass(kind, BaseModel) and name != "stages":
                yield from numbers(kind, (*place, name))


def in_groups(place: Place, value: object) -> dict[str, object]:
    """Returns the fields of a spec that sets one number."""
    group, *rest = place
    inner = value
    for name in reversed(rest):
        inner = {name: inner}
    if not rest:
        return {group: inner}
    assert isinstance(inner, dict)
    is_perceptual = group == "embedding" and rest[0] in PerceptualEmbeddingStage.model_fields
    given: object = {**({} if is_perceptual else REQUIRED.get(group, {})), **inner}
    more: dict[str, object] = {"captions": {}} if group in NEEDS_CAPTIONS else {}
    return {group: [given] if group == "questions" else given, **more}


def used_alone() -> Iterator[Place]:
    """Yields (class, parameter) of the numbers of the stages that no group of a spec holds."""
    in_a_group = {kind for field in CurateSpec.model_fields.values() for kind in kinds(field.annotation)}
    for path in BUILT_IN:
        cls = stage_class(path.partition(":")[2])
        if (
            issubclass(cls, Stage)
            and not issubclass(cls, ReaderStage | WriterStage)
            and cls not in in_a_group
        ):
            yield from numbers(cls, (cls.__name__,))


def plan_from(fields: dict[str, object]) -> Plan:
    spec = spec_of_fields(fields, "the spec")
    plan = plan_of_spec(spec, source="/films", output="/out")
    check_dedup(plan, spec.dedup)
    return plan


def is_refused(fields: dict[str, object]) -> str:
    try:
        plan_from(fields)
    except SpecError as error:
        return str(error)
    return ""


GROUPS = sorted(set(numbers(CurateSpec)))


@pytest.mark.parametrize("place", GROUPS, ids=".".join)
def test_a_number_of_a_group_is_refused_in_one_line_or_planned(place: Place) -> None:
    for value in EXTREMES:
        said = is_refused(in_groups(place, value))
        assert "\n" not in said
        if isinstance(value, float) and not (math.isfinite(value) and value < 1e300):
            assert place[-1] in said, f"{value} was taken"


@pytest.mark.parametrize("place", sorted(set(used_alone())), ids=".".join)
def test_a_number_of_a_stage_is_refused_in_one_line_or_planned(place: Place) -> None:
    name, *rest = place
    for value in EXTREMES:
        inner: object = value
        for part in reversed(rest):
            inner = {part: inner}
        assert isinstance(inner, dict)
        assert "\n" not in is_refused({"stages": [{"use": name, **inner}], "split": {}})


def test_all_groups_are_looked_at() -> None:
    assert {place[0] for place in GROUPS} > {"split", "dedup", "limits", "preview", "quality", "transcode"}
    assert len(GROUPS) > 90

"""Which bounds of columns a plan filters by, and which parameters of a spec set them. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import get_args, get_origin

from pydantic import BaseModel

from clipmill.planning.nodes import Node
from clipmill.report.measures import LENGTH
from clipmill.report.plan_records import ScoreLimit, ThresholdPlace
from clipmill.specs import CurateSpec
from clipmill.stages.base import VERDICT, Rule, Stage, marks_of
from clipmill.stages.roles import ExtractorStage

SCORE_ONLY = "score_only"
"""Name of the field that turns the rules of a stage off."""


def length_limit(extractor: Stage) -> Iterator[ScoreLimit]:
    """Yields the lengths of clips that an extractor allows."""
    if isinstance(extractor, ExtractorStage):
        shortest_s, longest_s = extractor.length_bounds()
        yield ScoreLimit(LENGTH, min=shortest_s, max=longest_s)


def node_limits(nodes: Iterable[Node]) -> Iterator[ScoreLimit]:
    """Yields the bounds of clip columns that the rules of ``nodes`` name, under the published names.

    A stage whose ``score_only`` is True has no rules; the bounds that it would have are not active.
    """
    by_key = {node.key: node for node in nodes}
    for node in by_key.values():
        rules, is_active = _rules(node.stage)
        for rule in rules:
            column = _column_of(node, rule, by_key)
            if column and not (rule.min is None and rule.max is None):
                yield ScoreLimit(column, min=rule.min, max=rule.max, is_active=is_active)


def _column_of(node: Node, rule: Rule, by_key: Mapping[str, Node]) -> str:
    """The published name of the clip column that a rule of ``node`` names; empty for any other."""
    found = node.ruled_column(rule)
    owner = by_key.get(found.key) if found else None
    if found is None or owner is None or owner.stage.grain != "clip":
        return ""
    return owner.published_name(found.column.name)


def _rules(stage: Stage) -> tuple[tuple[Rule, ...], bool]:
    """Returns the rules of a stage, and whether they reject."""
    if getattr(stage, SCORE_ONLY, False) is True:
        return stage.model_copy(update={SCORE_ONLY: False}).rules(), False
    return stage.rules(), True


_LOW, _HIGH = 0.123456789, 0.987654321
"""Values that no stage has of itself."""
STAGES = "stages"
"""Group of the stages that a spec adds; the key of the stage follows."""


def threshold_places(nodes: Iterable[Node]) -> Iterator[ThresholdPlace]:
    """Yields for each column of clips that a stage may rule by where a spec sets its bounds."""
    by_key = {node.key: node for node in nodes}
    for node in by_key.values():
        group = _groups().get(type(node.stage), f"{STAGES}.{node.key}")
        has_switch = SCORE_ONLY in type(node.stage).model_fields
        for column, sides in _bounds(node, by_key).items():
            places = {side: f"{group}.{place}" for side, place in sides.items()}
            yield ThresholdPlace(column, **places, score_only=f"{group}.{SCORE_ONLY}" if has_switch else "")


def _bounds(node: Node, by_key: Mapping[str, Node]) -> Mapping[str, Mapping[str, str]]:
    """Published name of a column -> side -> parameter."""
    found: dict[str, dict[str, str]] = {}
    for name, trial, sides in _trials(node.stage):
        for rule in trial.rules():
            column = _column_of(node, rule, by_key)
            for side, value in (("min", rule.min), ("max", rule.max)):
                if column and value is not None and value in sides:
                    found.setdefault(column, {})[side] = f"{name}{sides[value]}"
    return found


def _trials(stage: Stage) -> Iterator[tuple[str, Stage, Mapping[float, str]]]:
    """Yields each parameter that only rejects, the stage with it set, and the ends of its name by value."""
    off = {SCORE_ONLY: False} if SCORE_ONLY in type(stage).model_fields else {}
    for name, field in type(stage).model_fields.items():
        value: object = getattr(stage, name)
        if VERDICT not in marks_of(field) or isinstance(value, bool):
            continue
        if isinstance(value, BaseModel) and {"min", "max"} <= set(type(value).model_fields):
            bounds = value.model_copy(update={"min": _LOW, "max": _HIGH})
            yield name, stage.model_copy(update={**off, name: bounds}), {_LOW: ".min", _HIGH: ".max"}
        elif "float" in str(field.annotation):
            yield name, stage.model_copy(update={**off, name: _LOW}), {_LOW: ""}


@cache
def _groups() -> Mapping[type, str]:
    """Class of a stage -> group of the spec that holds it."""
    found: dict[type, str] = {}
    for name, field in CurateSpec.model_fields.items():
        kinds = get_args(field.annotation) or (field.annotation,)
        if get_origin(field.annotation) is not list:
            found |= {kind: name for kind in kinds if isinstance(kind, type) and issubclass(kind, Stage)}
    return found

"""Which thresholds a plan filters by, so that plots can mark them. Pure."""

from collections.abc import Iterable, Iterator

from clipmill.planning.nodes import Node
from clipmill.report.measures import LENGTH
from clipmill.report.plan_records import ScoreLimit
from clipmill.stages.base import Rule, Stage
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
            owner = node.ruled_column(rule)
            if owner is None or (rule.min is None and rule.max is None):
                continue
            if owner.key in by_key and by_key[owner.key].stage.grain == "clip":
                name = by_key[owner.key].published_name(owner.column.name)
                yield ScoreLimit(name, min=rule.min, max=rule.max, is_active=is_active)


def _rules(stage: Stage) -> tuple[tuple[Rule, ...], bool]:
    """Returns the rules of a stage, and whether they reject."""
    if getattr(stage, SCORE_ONLY, False) is True:
        return stage.model_copy(update={SCORE_ONLY: False}).rules(), False
    return stage.rules(), True

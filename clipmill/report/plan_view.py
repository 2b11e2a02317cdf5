"""From a plan to the records that a report is drawn from. Pure."""

from collections.abc import Iterable, Iterator, Sequence

import pyarrow as pa

from clipmill.planning.nodes import Node
from clipmill.planning.plan import Plan
from clipmill.report.plan_records import CaptionColumns, PlanView, PublishedColumn, StageColumns
from clipmill.report.thresholds import length_limit, node_limits, threshold_places
from clipmill.stages.base import Column, Grain
from clipmill.stages.columns import CAPTION, CARD, ENHANCED_CAPTION, FILE, STATUS
from clipmill.stages.roles import EncoderStage
from clipmill.storage.source_columns import PREFIX


def plan_view(plan: Plan) -> PlanView:
    """Returns what a report shows of the stages of ``plan``."""
    nodes = [node for node in plan.nodes if node.runs_for != "rejected"]  # these fill another one's columns
    encoders = [node for node in nodes if isinstance(node.stage, EncoderStage)]
    windows = tuple(_stages(nodes, "window"))
    return PlanView(
        clip_stages=(*_source_columns(plan.source_fields), *_stages(nodes, "clip")),
        captions=tuple(_captions(windows)),
        limits=(*length_limit(plan.extractor.stage), *node_limits(nodes)),
        places=tuple(threshold_places(nodes)),
        clip_file=_first(_stages(encoders, "clip"), FILE),
        preview=_first(windows, FILE),
    )


def _stages(nodes: Sequence[Node], grain: Grain) -> Iterator[StageColumns]:
    """Yields the stages of a grain that add columns to its table."""
    for node in nodes:
        columns = tuple(
            PublishedColumn(name, column)
            for name, column in node.published_columns()
            if column.table == "own_grain"
        )
        if node.stage.grain == grain and columns:
            yield StageColumns(node.key, columns)


def _source_columns(fields: pa.Schema) -> Iterator[StageColumns]:
    """What the user has of the sources; texts are on the cards of the clips, too."""
    columns = tuple(
        PublishedColumn(
            field.name,
            Column(
                field.name.removeprefix(PREFIX),
                field.type,
                "",
                role=CARD if pa.types.is_string(field.type) else "",
            ),
        )
        for field in fields
    )
    if columns:
        yield StageColumns("source", columns)


def _captions(stages: Sequence[StageColumns]) -> Iterator[CaptionColumns]:
    for stage in stages:
        status = next(_with_role(stage, STATUS), "")
        for name in _with_role(stage, CAPTION, ENHANCED_CAPTION):
            yield CaptionColumns(stage.key, name, status)


def _first(stages: Iterable[StageColumns], role: str) -> str:
    return next((name for stage in stages for name in _with_role(stage, role)), "")


def _with_role(stage: StageColumns, *roles: str) -> Iterator[str]:
    return (published.name for published in stage.columns if published.column.role in roles)

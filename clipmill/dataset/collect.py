"""Everything a snapshot is made of, read once: the listing and the rows of the state."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from clipmill import layout
from clipmill.planning.missing import Known
from clipmill.planning.nodes import Node
from clipmill.planning.plan import Plan
from clipmill.records import SourceFile
from clipmill.state.inspections import read_inspections
from clipmill.state.schema import SPLIT_STATE, schema_of
from clipmill.state.store import ResultStore
from clipmill.storage import store
from clipmill.storage.swap import Standing, standing

Row = Mapping[str, object]
"""One row of a table: column name -> value."""


@dataclass(frozen=True)
class Collection:
    """The input of ``assemble``.

    ``inspections`` and ``splits`` have one row per id; ``known`` has the rows of the stages, by the current
    digests, without vectors and bytes. ``manifest`` is the snapshot before this one, read before the state,
    so that a run that publishes meanwhile is noticed.
    """

    output: str
    plan: Plan
    sources: tuple[SourceFile, ...]
    inspections: Mapping[str, Row]
    splits: Mapping[str, Row]
    known: Known
    manifest: Standing


def collect(output: str, *, plan: Plan, sources: Sequence[SourceFile]) -> Collection:
    """Returns the state under ``output`` of every stage of ``plan``, by its current digest."""
    output = store.normalise(output)
    manifest = standing(layout.manifest_path(output))
    state = ResultStore(output)
    extractor = plan.extractor
    return Collection(
        output=output,
        plan=plan,
        sources=tuple(sorted(sources)),
        inspections=_by_id(read_inspections(state, plan.digests()["inspect"])),
        splits=_by_id(state.read(extractor.key, extractor.digest, schema=SPLIT_STATE)),
        known=Known(
            {
                node.key: state.read(node.key, node.digest, schema=schema_of(node), columns=_columns(node))
                for node in plan.rowed
            }
        ),
        manifest=manifest,
    )


def _columns(node: Node) -> list[str]:
    """Without what is published in the embedding files only."""
    heavy = {column.name for column in node.stage.writes if column.table == "embeddings"}
    return [name for name in schema_of(node).names if name not in heavy]


def _by_id(table: pa.Table) -> dict[str, Row]:
    return {str(row["id"]): row for row in table.to_pylist()}

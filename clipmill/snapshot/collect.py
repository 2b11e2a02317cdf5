"""Everything a snapshot is made of, read once: the listing and the rows of the state."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from clipmill import layout
from clipmill.plan import RunPlan
from clipmill.records import SourceFile
from clipmill.storage import store
from clipmill.storage.inspections import read_inspections
from clipmill.storage.state import State
from clipmill.storage.tables import STATE_SCHEMAS

Row = Mapping[str, object]
"""One row of a table: column name -> value."""


@dataclass(frozen=True)
class Collection:
    """The input of ``assemble``.

    ``state`` maps each stage of the plan to its rows, one per id, by the current digests. ``manifest`` is the
    snapshot before this one, read before the state, so that a run that publishes meanwhile is noticed.
    """

    output: str
    plan: RunPlan
    sources: tuple[SourceFile, ...]
    state: Mapping[str, pa.Table]
    manifest: bytes | None = None

    def rows(self, stage: str) -> dict[str, Row]:
        """The rows of a stage by id, without embeddings; none for a stage that is off."""
        table = self.state.get(stage, STATE_SCHEMAS[stage].empty_table())
        slim = table.select([name for name in table.column_names if name != "embedding"])
        return {row["id"]: row for row in slim.to_pylist()}


def collect(output: str, *, plan: RunPlan, sources: Sequence[SourceFile]) -> Collection:
    """Read the state under ``output`` of every stage of ``plan``, by its current digest."""
    output = store.normalise(output)
    manifest_uri = layout.manifest_path(output)
    manifest = store.read_bytes(manifest_uri) if store.exists(manifest_uri) else None
    state, digests = State(output), plan.digests()
    inspections = read_inspections(state, digests.pop("inspect"))
    rows = {stage: state.read(stage, digest) for stage, digest in digests.items()}
    return Collection(
        output=output,
        plan=plan,
        sources=tuple(sorted(sources)),
        state={"inspect": inspections, **rows},
        manifest=manifest,
    )

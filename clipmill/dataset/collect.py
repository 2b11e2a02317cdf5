"""Everything that a range of sources is published from, read once: the listing and the rows of the state."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa

from clipmill.dataset.copies import survey
from clipmill.dataset.splits import Row, Splits, splits_of
from clipmill.dataset.window_places import WindowPlaces, window_places
from clipmill.dedup.exact import ExactDuplicate
from clipmill.planning.nodes import Node
from clipmill.planning.plan import Plan
from clipmill.records import SourceFile
from clipmill.state.inspections import read_inspections
from clipmill.state.schema import schema_of
from clipmill.state.split_rows import read_splits
from clipmill.state.store import ResultStore
from clipmill.storage import store


@dataclass(frozen=True)
class Collection:
    """The input of ``assemble``.

    ``inspections`` has one row for each source version; ``tables`` has the rows of the stages of clips and
    windows by key, by their current digests, without vectors and bytes. ``copies`` maps the URI of a copy to
    what it duplicates, which may be a source of another range.
    """

    output: str
    plan: Plan
    sources: tuple[SourceFile, ...]
    inspections: Mapping[str, Row]
    splits: Splits
    windows: WindowPlaces
    tables: Mapping[str, pa.Table]
    copies: Mapping[str, ExactDuplicate]

    @cached_property
    def clip_ids(self) -> list[str]:
        """The clips of every split, in the order of the splits."""
        return self.splits.clips.rows["clip_id"].to_pylist()


def collect(
    output: str,
    *,
    plan: Plan,
    sources: Sequence[SourceFile],
    copies: Mapping[str, ExactDuplicate] | None = None,
) -> Collection:
    """Returns what the state under ``output`` knows of ``sources``.

    Without ``copies`` the sources stand for all of the snapshot, and copies are looked for among them.
    """
    output = store.normalise(output)
    if copies is None:
        copies = survey(output, plan=plan, sources=sources).copies
    state, extractor = ResultStore(output), plan.extractor
    versions = pa.array([source.source_version for source in sources], pa.string())
    inspections = read_inspections(state, plan.digests()["inspect"], among=versions)
    video_ids = inspections["video_id"].combine_chunks().drop_null().unique()
    splits = splits_of(read_splits(state, extractor, among=video_ids))
    windows = window_places(plan, splits.clips.rows)
    ids = {"clip": splits.clips.rows["clip_id"].combine_chunks(), "window": windows.ids}
    traits = {"clip": splits.traits_of_clips()}
    traits["window"] = traits["clip"].take(pa.array(windows.owners))
    return Collection(
        output=output,
        plan=plan,
        sources=tuple(sorted(sources)),
        inspections={str(row["id"]): row for row in inspections.to_pylist()},
        splits=splits,
        windows=windows,
        tables={
            node.key: state.read(
                node.key,
                node.digest,
                schema=schema_of(node),
                columns=_columns(node),
                among=ids[node.stage.grain],
                effects=node.effects_column(traits[node.stage.grain]) if node.effects else "",
            )
            for node in plan.rowed
            if node.stage.grain in ids
        },
        copies=copies,
    )


def _columns(node: Node) -> list[str]:
    """Without what is published in the embedding files only."""
    heavy = {column.name for column in node.stage.writes if column.table == "embeddings"}
    return [name for name in schema_of(node).names if name not in heavy]

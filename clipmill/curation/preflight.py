"""What is refused before any work, although only deduplication and publishing would come upon it."""

from collections.abc import Sequence

import pyarrow as pa

from clipmill.dataset.exports.embeddings import published_embedders
from clipmill.dataset.schemas import clips_schema
from clipmill.dedup.backends.select import resolve
from clipmill.errors import SpecError
from clipmill.planning.nodes import Node
from clipmill.planning.plan import Plan
from clipmill.specs import DedupSpec
from clipmill.stages.fault_words import nearest


def check_dedup(plan: Plan, dedup: DedupSpec | None) -> None:
    """Raises SpecError for what deduplication needs and neither the plan nor this machine has.

    Deduplication runs in the environment of the first step of a run, so that its backend is looked for there.
    """
    if dedup is None:
        return
    resolve(dedup.backend)
    early = plan.up_to(0)
    if dedup.embedding is not None:
        compared(published_embedders(early), dedup)
    _check_rank_columns(clips_schema(early), dedup)


def compared(nodes: Sequence[Node], dedup: DedupSpec | None) -> Node:
    """Returns the embedding that clips are compared by. SpecError for a key that none of ``nodes`` has."""
    if dedup is None or dedup.embedding is None:
        return nodes[0]
    found = next((node for node in nodes if node.key == dedup.embedding), None)
    if found is None:
        keys = ", ".join(node.key for node in nodes) or "none"
        raise SpecError(f"dedup.embedding: no embedding has the key {dedup.embedding}; there are {keys}")
    return found


def _check_rank_columns(clips: pa.Schema, dedup: DedupSpec) -> None:
    numbers = [field.name for field in clips if _is_number(field.type)]
    for name in dedup.rank_columns:
        if name not in clips.names:
            advice = nearest(name, numbers) or f"; it has {', '.join(numbers)}"
            raise SpecError(f"dedup.rank_columns: the clips of this run have no column {name}{advice}")
        if name not in numbers:
            raise SpecError(f"dedup.rank_columns: column {name} holds {clips.field(name).type}, not numbers")


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind)

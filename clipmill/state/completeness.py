"""Videos that lack nothing: ``state/complete/<plan key>/``, so that admission looks at the others only.

The index is a shortcut and never the truth. It is forgotten as a whole when failures are cleared and when a
damaged part is set aside; the next admission looks at every clip and notes the videos again.

``remainder.json`` beside the notes names parts whose rows are of noted videos or stand in copies: the next
admission reads the copies and the parts that came later. A part that the listing shows with another size or
version than then was changed from outside: all parts are read again.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import pyarrow as pa
from pydantic import TypeAdapter, ValidationError

from clipmill import identity, layout
from clipmill.planning.judgement import RESULT
from clipmill.planning.nodes import Node
from clipmill.planning.plan import Plan
from clipmill.stages.process_stage import ProcessStage
from clipmill.stages.spec import Mark
from clipmill.state import part_file
from clipmill.state.part_set import COMPLETE, REMAINDER, PartSet
from clipmill.storage import store

VERSION = 1
"""Raise it when a row or a rule makes other videos complete."""
_COPIES = "rows"
"""Folder below the notes: rows of the videos that lacked something."""


@dataclass(frozen=True)
class Covered:
    """Parts of a stage that were looked at, as the index of that ``number`` had them.

    ``parts`` maps their names to their marks in the listing before they were read. ``copy`` names the file
    with those of their rows that are of listed videos without a note.
    """

    number: int
    parts: Mapping[str, str]
    copy: str


@dataclass(frozen=True)
class Remainder:
    """What is left of the parts of a plan where ``num_complete`` videos are noted.

    ``stages`` maps keys to parts. ``strays`` names the file with the videos that have a split in one of the
    parts and were neither listed nor noted: their rows are in no copy.
    """

    num_complete: int
    stages: Mapping[str, Covered]
    strays: str


_JSON = TypeAdapter(Remainder)


def can_be_noted(plan: Plan) -> bool:
    """Returns False if what a video lacks follows from more than its rows.

    A stage that judges whole videos counts only for the clips that it was shown, and one that reads columns
    about sources for the values that these have.
    """
    return not any(
        node.source_columns or (isinstance(node.stage, ProcessStage) and node.stage.wants_whole_video)
        for node in plan.nodes
    )


def notes_folder(plan: Plan, output: str) -> str:
    """Returns the folder of the notes of a plan: another one for all that decides whether a video lacks rows.

    That are the digests and effects of all rows, the order, the rules and the verdicts of the stages, and
    which of them have rows: a user may delete the rows of a stage to have them made again. Clips that a
    barrier stopped are not part of it: a plan whose clips passed one has no notes.
    """
    nodes = [_node_fields(node) for node in (plan.extractor, *plan.nodes)]
    states = ((node.key, _join(output, node.key, node.digest)) for node in (plan.extractor, *plan.rowed))
    there = [key for key, folder in states if store.exists(folder)]
    fields: dict[str, object] = {"digests": plan.digests(), "nodes": nodes, "there": there}
    return _join(output, COMPLETE, identity.stage_digest(COMPLETE, VERSION, fields))


def _node_fields(node: Node) -> list[object]:
    kept = node.stage.fields_without(Mark.SPEED, Mark.IGNORED)
    values = node.stage.model_dump(mode="json", include=kept)
    effects = [[asdict(one) for one in node.effects]] if node.effects else []
    return [node.key, node.digest, node.runs_for, node.phase, node.stage.on_failure, values, *effects]


def note_complete(plan: Plan, output: str, video_ids: pa.Array) -> None:
    """Notes videos that lack nothing."""
    if not len(video_ids):
        return
    rows = pa.table({"id": video_ids, "outcome": pa.array([RESULT] * len(video_ids))})
    name, data = part_file.named_part("videos", rows)
    store.put_bytes(layout.join(notes_folder(plan, output), name), data)


def get_remainder(plan: Plan, output: str) -> Remainder | None:
    """Returns what was noted beside the complete videos; None without it or where a file of it is gone."""
    folder = notes_folder(plan, output)
    uri = layout.join(folder, REMAINDER)
    if not store.exists(uri):
        return None
    try:
        found = _JSON.validate_json(store.read_bytes(uri))
    except ValidationError:
        return None
    there = set(store.names_in(layout.join(folder, _COPIES)))
    return found if {found.strays, *(one.copy for one in found.stages.values())} <= there else None


def copy_as_parts(plan: Plan, output: str, name: str) -> PartSet:
    """Returns a file of the remainder as the only part to read."""
    folder = notes_folder(plan, output)
    return PartSet(folder, (), stand_ins=(layout.join(folder, _COPIES, name),))


def put_remainder(
    plan: Plan,
    output: str,
    *,
    num_complete: int,
    parts: Mapping[str, PartSet],
    copies: Mapping[str, pa.Table],
    strays: pa.Table,
) -> None:
    """Notes what is left of the parts of the stages of ``copies``. All notes stand before it does."""
    folder = layout.join(notes_folder(plan, output), _COPIES)
    stages = {
        key: Covered(parts[key].index.number, parts[key].marks, _put_copy(folder, rows))
        for key, rows in copies.items()
    }
    remainder = Remainder(num_complete, stages, _put_copy(folder, strays))
    store.put_bytes(layout.join(notes_folder(plan, output), REMAINDER), _JSON.dump_json(remainder))
    used = {remainder.strays, *(one.copy for one in stages.values())}
    for name in set(store.names_in(folder)) - used:
        store.delete(layout.join(folder, name))


def _put_copy(folder: str, rows: pa.Table) -> str:
    name, data = part_file.named_part(_COPIES, rows)
    store.put_bytes(layout.join(folder, name), data)
    return name


def _join(output: str, *names: str) -> str:
    return layout.join(layout.state_dir(output), *names)

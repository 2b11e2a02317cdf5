"""Videos that lack nothing: ``state/complete/<plan key>/``, so that admission looks at the others only.

The index is a shortcut and never the truth. It is forgotten as a whole when failures are cleared and when a
damaged part is set aside; the next admission looks at every clip and notes the videos again.
"""

from dataclasses import asdict

import pyarrow as pa

from clipmill import identity, layout
from clipmill.planning.judgement import RESULT
from clipmill.planning.nodes import Node
from clipmill.planning.plan import Plan
from clipmill.stages.process_stage import ProcessStage
from clipmill.stages.spec import Mark
from clipmill.state import part_file
from clipmill.state.part_set import COMPLETE
from clipmill.storage import store

VERSION = 1
"""Raise it when a row or a rule makes other videos complete."""


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


def _join(output: str, *names: str) -> str:
    return layout.join(layout.state_dir(output), *names)

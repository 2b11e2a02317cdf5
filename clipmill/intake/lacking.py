"""What the videos of a range lack of a plan."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from clipmill.intake.known_clips import KnownClips
from clipmill.planning.judgement import RETRYABLE
from clipmill.planning.missing import ClipBlock, ClipRange, lacks_of
from clipmill.planning.plan import Plan

_UNSPLIT = f"id NOT IN (SELECT id FROM splits WHERE outcome IS NOT NULL AND outcome <> '{RETRYABLE}')"


@dataclass(frozen=True)
class Lacking:
    """What the videos of a range lack: ``places`` are those that lack anything.

    ``clips`` maps the key of a stage to bool ``(N,)`` for the clips of ``block``, ``videos`` the key of a
    stage of whole videos to their places.
    """

    block: ClipBlock
    clips: Mapping[str, np.ndarray]
    videos: Mapping[str, frozenset[int]]
    places: Sequence[int]


def lacking_of(
    known: KnownClips, index: int, plan: Plan, clips: ClipRange, passed: frozenset[str] | None
) -> Lacking:
    """Returns what the videos of a range, whose ``clips`` these are, lack of a plan of one phase."""
    block = clips.block(plan, passed)
    lacks = lacks_of(plan, block)
    is_open = np.logical_or.reduce([*lacks.values(), np.zeros(len(block), bool)])
    whole = [node for node in plan.running if node.stage.grain == "video"]
    of_videos = {
        node.key: frozenset(known.videos_without(node, index)["place"].to_pylist()) for node in whole
    }
    unsplit = known.videos(index, _UNSPLIT)["place"].to_pylist() if plan.phase == 0 else []
    places = {*unsplit, *np.unique(block.videos[is_open]).tolist()}.union(*of_videos.values())
    return Lacking(block, lacks, of_videos, sorted(places))

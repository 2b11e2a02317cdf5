"""What every physical operator is: parcels in, parcels out, custom stages of its place at the end."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Protocol

from clipmill.errors import SpecError
from clipmill.plan import PlacedStage, RunPlan
from clipmill.records import ClipReason
from clipmill.streaming.clip_stats import clip_stats
from clipmill.streaming.parcel import Parcel
from clipmill.video import Clip, Video, VideoTask

logger = logging.getLogger(__name__)


class Operator(Protocol):
    """One step of the physical graph; ``name`` is also where custom stages say they come after."""

    name: str

    def __call__(self, parcels: Sequence[Parcel]) -> Iterator[Parcel]:
        """Work on a batch; give parcels on as soon as they are ready."""
        ...


def customs_after(plan: RunPlan, operator: str) -> tuple[PlacedStage, ...]:
    """The custom stages that run at the end of ``operator``, in the order they were added."""
    return tuple(placed for placed in plan.customs if placed.after == operator)


def run_customs(parcel: Parcel, customs: Sequence[PlacedStage]) -> Parcel:
    """Hand the task to each custom stage; one that fails leaves a message in ``errors``; the clips stay.

    ``clip_stats`` is true before each of them and after the last, also where there are none.
    """
    task = parcel.task
    for placed in customs:
        task.data.clip_stats = clip_stats(task.data)
        try:
            task = _returned(placed, placed.stage.process(task))
        except SpecError:
            raise
        except Exception as error:  # noqa: BLE001 - a user's stage may raise anything; the run goes on
            logger.warning("stage %s failed on %s: %s", placed.stage.name, parcel.item.source.uri, error)
            task.data.errors[placed.stage.name] = f"{type(error).__name__}: {error}"
    task.data.clip_stats = clip_stats(task.data)
    return replace(parcel, task=task)


def reject_clip(video: Video, clip: Clip, reason: ClipReason, *, stage: str, message: str) -> None:
    """Move a clip to the filtered ones, with why."""
    clip.reason = reason
    clip.errors[stage] = message
    video.clips.remove(clip)
    video.filtered_clips.append(clip)


def _returned(placed: PlacedStage, task: object) -> VideoTask:
    if not isinstance(task, VideoTask):
        raise SpecError(
            f"stage {placed.stage.name} returned {type(task).__name__}, and must return the VideoTask"
        )
    return task

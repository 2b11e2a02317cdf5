"""One call of an object with ``process(task)``: prepared once, its answer brought to one task."""

import copy
import logging
import weakref
from collections.abc import Iterator, Sequence
from typing import cast

from clipmill.errors import ClipmillError, SpecError, StageBroken, foreign, said_by
from clipmill.stages.process_stage import TaskProcessor
from clipmill.stages.processing_stage import ProcessingStage
from clipmill.tasks.video import VideoTask

logger = logging.getLogger(__name__)

AnyStage = ProcessingStage[object, object]


class ProcessCall:
    """Calls an object; a ``ProcessingStage`` is set up first, on a copy, and torn down at the end.

    What ``setup`` adds to the copy, such as a model, is no part of the object that the digest is made of.
    """

    def __init__(self, key: str, processor: TaskProcessor) -> None:
        self._processor = processor
        if isinstance(processor, ProcessingStage):
            stage = cast(AnyStage, copy.copy(processor))
            self._processor = stage
            _set_up(key, stage)
            weakref.finalize(self, _tear_down, key, stage)

    def __call__(self, task: VideoTask) -> VideoTask:
        """Returns the task. SpecError for any other answer; whatever the object raises passes."""
        if not isinstance(self._processor, ProcessingStage):
            return self._checked(self._processor.process(task))
        parts = list(_flat(cast(AnyStage, self._processor).process_batch([task])))
        if not parts:
            task.data.clips.clear()
            return task
        return _joined([self._checked(part) for part in parts])

    def _checked(self, returned: object) -> VideoTask:
        if isinstance(returned, VideoTask):
            return returned
        name, kind = self._processor.name, type(returned).__name__
        raise SpecError(f"stage {name} returned {kind}, and must return the VideoTask")


def _flat(answers: Sequence[object]) -> Iterator[object]:
    """Yields the tasks of an answer: a list stands for its tasks, None for no task."""
    for answer in answers:
        if isinstance(answer, list):
            yield from cast("list[object]", answer)
        elif answer is not None:
            yield answer


def _joined(parts: Sequence[VideoTask]) -> VideoTask:
    """Returns the first task with the clips of all: a stage may hand a video on in several tasks."""
    first, *others = parts
    seen = {clip.uuid for clip in (*first.data.clips, *first.data.filtered_clips)}
    for part in others:
        for mine, theirs in (
            (first.data.clips, part.data.clips),
            (first.data.filtered_clips, part.data.filtered_clips),
        ):
            mine += [clip for clip in theirs if clip.uuid not in seen]
            seen |= {clip.uuid for clip in theirs}
        first.data.errors |= part.data.errors
    return first


def _set_up(key: str, stage: AnyStage) -> None:
    for step in (stage.setup_on_node, stage.setup):
        try:
            step()
        except (ClipmillError, MemoryError):
            raise
        except foreign() as error:
            raise StageBroken(key, f"{step.__name__}() raised {said_by(error)}") from error


def _tear_down(key: str, stage: AnyStage) -> None:
    try:
        stage.teardown()
    except foreign() as error:  # its work is done and kept
        logger.warning("stage %s: teardown() raised %s", key, said_by(error))

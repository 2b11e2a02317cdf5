"""Objects with ``process(task)`` that observe, change, fail, or return what they should not."""

from collections.abc import Callable

from clipmill.tasks.video import Clip, Video, VideoTask


class Observer:
    """Notes what ``look`` finds in each task."""

    def __init__(
        self, look: Callable[[Video], object], *, name: str = "observer", **attributes: object
    ) -> None:
        self.name = name
        self.seen: list[object] = []
        self._look = look
        self.__dict__ |= attributes

    def process(self, task: VideoTask) -> VideoTask:
        self.seen.append(self._look(task.data))
        return task


class Change:
    """Does something to each clip that starts at or after ``from_s``."""

    def __init__(
        self, change: Callable[[Video, Clip], object], *, from_s: float = 0.0, name: str = "change"
    ) -> None:
        self.name = name
        self._change, self._from_s = change, from_s

    def process(self, task: VideoTask) -> VideoTask:
        for clip in [clip for clip in task.data.clips if clip.span[0] >= self._from_s]:
            self._change(task.data, clip)
        return task


class Fail:
    name = "fail"

    def process(self, task: VideoTask) -> VideoTask:
        raise RuntimeError("no such model")


class Return:
    name = "return"

    def __init__(self, value: object) -> None:
        self._value = value

    def process(self, task: VideoTask) -> object:
        return self._value


def move(video: Video, clip: Clip) -> None:
    video.clips.remove(clip)
    video.filtered_clips.append(clip)


def leave_out(video: Video, clip: Clip) -> None:
    video.clips.remove(clip)


def give_reason(video: Video, clip: Clip) -> None:
    clip.reason = "low_quality"

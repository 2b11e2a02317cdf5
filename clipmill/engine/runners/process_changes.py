"""What an object with ``process(task)`` made of its task: drops, errors, changed fields. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import cast

import numpy as np

from clipmill.errors import SpecError
from clipmill.stages.process_stage import OVERRIDES
from clipmill.tasks.video import Clip, Payload, Video, VideoTask, Window

Values = dict[str, object]
"""Field -> value; dictionaries and lists are copied one level deep."""

CUSTOM = "custom"
"""Reason of a clip that was dropped without one."""
_JUDGED = {"Video.clips", "Video.filtered_clips", "Video.clip_stats", "Clip.reason", "Clip.windows"}
"""Fields that ``settle`` judges itself, or whose parts are compared one by one."""
_KEPT = {"Video.errors", "Clip.errors", "Clip.egomotion", *(f"Clip.{name}" for name in OVERRIDES.values())}


@dataclass(frozen=True)
class Snapshot:
    """A task before a call: its clips by id with the reason that they had, and the values of all fields."""

    clips: Mapping[str, Clip]
    reasons: Mapping[str, str | None]
    values: Mapping[str, Values]

    @classmethod
    def of(cls, task: VideoTask) -> "Snapshot":
        """Returns the snapshot of a task."""
        video = task.data
        clips = {str(clip.uuid): clip for clip in (*video.clips, *video.filtered_clips)}
        values = {name: _values(thing) for name, thing in _things(video)}
        return cls(clips, {name: clip.reason for name, clip in clips.items()}, values)


@dataclass(frozen=True)
class Kept:
    """What is kept of a clip: why it was dropped, errors that were added, and columns of changed fields."""

    reason: str | None = None
    message: str | None = None
    errors: Mapping[str, str] = field(default_factory=dict[str, str])
    overrides: Mapping[str, float] = field(default_factory=dict[str, float])
    egomotion: Mapping[str, Payload] | None = None


@dataclass(frozen=True)
class Settled:
    """What is kept of a call, by clip, and the names of changed fields that are not kept."""

    clips: Mapping[str, Kept]
    video_errors: Mapping[str, str]
    lost: frozenset[str]


def settle(video: Video, before: Snapshot, stage_name: str) -> Settled:
    """Returns what a call decided, whichever way it dropped clips: none is lost, none comes back.

    SpecError for a clip that was not there before.
    """
    passed = {str(clip.uuid) for clip in video.clips}
    now = {str(clip.uuid): clip for clip in (*video.clips, *video.filtered_clips)}
    if made_up := now.keys() - before.clips.keys():
        raise SpecError(f"stage {stage_name} added clip {min(made_up)}; stages can only drop clips")
    clips = {
        clip_id: _kept(now.get(clip_id, clip), before, stage_name, is_in=clip_id in passed)
        for clip_id, clip in before.clips.items()
    }
    video_errors = _added(video.errors, before.values["video"].get("errors"))
    return Settled(clips, video_errors, frozenset(_lost(video, before)))


def _kept(clip: Clip, before: Snapshot, stage_name: str, *, is_in: bool) -> Kept:
    clip_id = str(clip.uuid)
    values = before.values[clip_id]
    errors = _added(clip.errors, values["errors"])
    overrides = {
        column: float(value)
        for column, name in OVERRIDES.items()
        if (value := cast("float | None", getattr(clip, name))) is not None and value != values[name]
    }
    egomotion = _egomotion(clip, values, stage_name)
    is_dropped = before.reasons[clip_id] is None and (clip.reason is not None or not is_in)
    if not is_dropped:
        return Kept(errors=errors, overrides=overrides, egomotion=egomotion)
    message = f"stage {stage_name} dropped it"
    return Kept(str(clip.reason or CUSTOM), message, errors, overrides, egomotion)


def _egomotion(clip: Clip, before: Values, stage_name: str) -> Mapping[str, Payload] | None:
    """What a call left there; None where it changed nothing."""
    if _is_same(clip.egomotion, before["egomotion"]):
        return None
    for name, value in cast("dict[str, object]", clip.egomotion).items():
        if not (isinstance(value, bytes) or (isinstance(value, np.ndarray) and not value.dtype.hasobject)):
            raise SpecError(
                f"stage {stage_name} put {type(value).__name__} into Clip.egomotion[{name!r}], which keeps "
                "bytes and arrays of numbers"
            )
    return clip.egomotion


def _added(errors: Mapping[str, str], before: object) -> dict[str, str]:
    old = cast("dict[str, str]", before or {})
    return {str(name): str(text) for name, text in errors.items() if old.get(name) != text}


def _things(video: Video) -> Iterator[tuple[str, Video | Clip | Window]]:
    """Yields the parts of a video by a name that stays the same during a call."""
    yield "video", video
    for clip in (*video.clips, *video.filtered_clips):
        yield str(clip.uuid), clip
        yield from ((f"{clip.uuid} {index}", window) for index, window in enumerate(clip.windows))


def _values(thing: Video | Clip | Window) -> Values:
    values = {one.name: getattr(thing, one.name) for one in fields(thing)}
    return {name: _copied(value) for name, value in values.items()}


def _copied(value: object) -> object:
    return value.copy() if isinstance(value, dict | list) else value


def _lost(video: Video, before: Snapshot) -> Iterator[str]:
    """Yields the names of the fields that were changed and are not kept."""
    for key, thing in _things(video):
        old = before.values.get(key)
        for name, value in vars(thing).items():
            full = f"{type(thing).__name__}.{name}"
            if full in _JUDGED or (full in _KEPT and value is not None):
                continue
            if old is None or name not in old or not _is_same(value, old[name]):
                yield full


def _is_same(value: object, old: object) -> bool:
    if value is old:
        return True
    if isinstance(value, np.ndarray) and isinstance(old, np.ndarray):
        return np.array_equal(value, old)
    if isinstance(value, dict) and isinstance(old, dict):
        return value.keys() == old.keys() and all(_is_same(value[name], old[name]) for name in value)
    if isinstance(value, np.ndarray) or isinstance(old, np.ndarray):
        return False
    return value == old

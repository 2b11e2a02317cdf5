"""The stage around an object of the user's own that takes and returns a whole ``VideoTask``."""

from collections.abc import Iterable
from dataclasses import replace
from typing import ClassVar, Protocol, TypeGuard, runtime_checkable

import pyarrow as pa
from pydantic import field_serializer

from clipmill.stages.base import Column, Frames, Grain, ProcessingStage, Reads, Resources, Stage
from clipmill.stages.columns import ERRORS
from clipmill.stages.roles import EncoderStage

OVERRIDES = {
    "motion_global_mean": "motion_score_global_mean",
    "motion_per_patch_min_256": "motion_score_per_patch_min_256",
    "aesthetic_score": "aesthetic_score",
}
"""Column -> documented field of a clip; a value that ``process`` changes is kept in that column."""

KEPT_BYTES = "egomotion"
"""Column with what ``process`` put into ``Clip.egomotion``."""

SEEN_CLIPS = "seen_clips"
"""Column with the digest of the clips of a call; later rows of it replace earlier ones."""


@runtime_checkable
class TaskProcessor(Protocol):
    """An object of the user's own with ``process(task)``.

    It may have more attributes. ``inputs`` names the documented fields that it reads; without it everything
    that is there is lent. ``whole_video`` asks for all clips of a video in one call. ``environment`` names
    the extra in which it runs. ``STAGE_VERSION`` is to be raised when its results change by more than its
    code.
    """

    name: str

    def process(self, task: object) -> object:
        """Takes a ``VideoTask`` and returns it, changed, or another one of the same clips."""
        ...


def is_process(stage: object) -> TypeGuard[TaskProcessor]:
    """Returns True for an object with a name and ``process(task)``."""
    return isinstance(stage, TaskProcessor) and callable(stage.process)


def _state(name: str, doc: str, *, role: str = "") -> Column:
    return Column(name, pa.string(), doc, table="state", role=role)


class ProcessStage(Stage):
    """Calls ``process`` of an object with a view of a chunk's clips.

    Its rows hold what is kept of a call: dropped clips, errors, and the fields in ``OVERRIDES``. No other
    stage reads them, and rules of other stages never see an override.
    """

    name: ClassVar[str] = "process(task)"
    grain: ClassVar[Grain] = "clip"
    writes: ClassVar[tuple[Column, ...]] = (
        _state("dropped", "reason for which the clip was dropped; null for a clip that passed"),
        _state("drop_message", "what dropped the clip"),
        _state("errors", "JSON of the clip's errors that were added, by name", role=ERRORS),
        _state("video_errors", "JSON of the video's errors that were added, by name"),
        _state(KEPT_BYTES, "JSON of the clip's egomotion where it was changed, by name, in base64"),
        _state(SEEN_CLIPS, "digest of the clips of the call; null unless it wants the whole video"),
        *(Column(name, pa.float64(), f"{field}, where it was changed") for name, field in OVERRIDES.items()),
    )

    wrapped: object

    @field_serializer("wrapped")
    def _named(self, wrapped: object) -> str:
        """The manifest names the object's class; its code and attributes are in the digest."""
        return f"{type(wrapped).__module__}:{type(wrapped).__qualname__}"

    @property
    def processor(self) -> TaskProcessor:
        """The user's object. TypeError for one without a name or ``process``."""
        if not is_process(self.wrapped):
            raise TypeError(f"{type(self.wrapped).__name__} is no stage: it needs a name and process(task)")
        return self.wrapped

    @property
    def inputs(self) -> frozenset[str]:
        """Names of the documented fields that the object reads; empty for all."""
        given = getattr(self.wrapped, "inputs", None)
        named: Iterable[str] = () if callable(given) else given or ()  # a method is NeMo Curator's: it checks
        names = (named,) if isinstance(named, str) else named
        return frozenset(name.rpartition(".")[2] for name in names)

    @property
    def wants_whole_video(self) -> bool:
        """True when a call must see all clips of a video."""
        return bool(getattr(self.wrapped, "whole_video", False))

    @property
    def environment(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride] the object's, not the class's
        """The extra in which the object runs."""
        return str(getattr(self.wrapped, "environment", None) or "core")

    @property
    def sees_source(self) -> bool:
        """True when it asks for the thumbnails or the bytes of the whole source."""
        return self.asks_for("frame_array") or self.asks_for("source_bytes")

    def asks_for(self, field: str) -> bool:
        """Returns True if a documented field is to be filled: it is named, or nothing is."""
        return not self.inputs or field in self.inputs

    def resources(self) -> Resources:
        """Returns the object's ``resources`` where it has any; ``num_workers`` bounds its workers."""
        given = getattr(self.wrapped, "resources", None)
        found = given if isinstance(given, Resources) else super().resources()
        most = self.wrapped.num_workers() if isinstance(self.wrapped, ProcessingStage) else None
        return replace(found, max_workers=most) if most else found

    def result_fields(self) -> dict[str, object]:
        """Returns nothing: the digest of the object's code covers its parameters."""
        return {}

    def reads(self) -> Reads:
        """Returns the thumbnails where they are asked for by name; ``reads_behind`` knows the rest."""
        return Reads(thumbnails="frame_array" in self.inputs)

    def reads_behind(self, earlier: Iterable[tuple[Stage, Reads]]) -> Reads:
        """Returns the samples that the stages before it read, where it asks for what they show.

        Before the encoder it sees the thumbnails of the whole video too.
        """
        earlier = list(earlier)
        is_early = not any(isinstance(stage, EncoderStage) for stage, _ in earlier)
        frames = dict.fromkeys(one for stage, reads in earlier for one in _frames_of(stage, reads))
        motions = [reads.motion for _, reads in earlier if reads.motion]
        wanted = tuple(frames) if self.asks_for("extracted_frames") else ()
        return Reads(
            frames=wanted[0] if wanted else None,
            more_frames=wanted[1:],
            motion=motions[0] if motions and self.asks_for("decoded_motion_data") else None,
            thumbnails=self.asks_for("frame_array") if is_early else self.reads().thumbnails,
        )

    def rejects(self, rows: pa.Table) -> pa.Table:
        """Returns the drops of ``process``."""
        return pa.table({"reason": rows["dropped"], "message": rows["drop_message"]})


def _frames_of(stage: Stage, reads: Reads) -> Iterable[Frames]:
    """The frames that a stage reads, or those that it has sampled for users only."""
    own = [one for one in reads.samples() if isinstance(one, Frames)]
    return own or stage.shows()

"""The contract of a stage: one class in one file, with everything that is special about it.

The planner, the engine, the state, the tables, the JSON, the report and the command line read this class.
"""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol, Self, TypeVar, cast, get_args

import pyarrow as pa

from clipmill.records import ClipSpan, FrameSpan
from clipmill.stages.columns import IS_NAME, Artifact, Column, Rule
from clipmill.stages.processing_stage import CompositeStage, ProcessingStage
from clipmill.stages.reads import Effect, Frames, Measure, Motion, Reads, Sound, rate
from clipmill.stages.resources import Resources
from clipmill.stages.spec import (
    BOUND,
    IGNORED,
    LIMIT,
    MIN_CLIP_S,
    SPEED,
    VERDICT,
    Affects,
    Cpus,
    Mark,
    SampleRate,
    Spec,
    StageSpec,
    apply_verbose,
    marks_of,
    say_ignored,
)
from clipmill.stages.worker import (
    Batch,
    Failed,
    FrameSamples,
    Item,
    MotionSamples,
    Results,
    StageContext,
    StreamWorker,
    VideoPart,
    VideoWorker,
    Worker,
)

Grain = Literal["run", "video", "clip", "window"]
S = TypeVar("S", bound="Stage")

_CHOICES = {
    "grain": get_args(Grain),
    "runs_on": ("passed", "all"),
    "on_failure": ("keep", "drop"),
    "code": ("source", "version"),
}
"""Attribute of a class of stages -> what it may be."""

_IN_A_SPEC = frozenset({"use", "key", "after"})
"""Words beside the parameters in a spec's list of stages."""

__all__ = [
    "BOUND", "IGNORED", "LIMIT", "MIN_CLIP_S", "SPEED", "VERDICT", "Affects", "Artifact", "Batch", "Column",
    "CompositeStage", "Cpus", "Effect", "Failed", "FrameSamples", "Frames", "Grain", "Item", "Mark",
    "Measure", "ModelRef", "Motion", "MotionSamples", "ProcessingStage", "Reads", "Resources",
    "Results", "Rule", "RunView", "SampleRate", "Sound", "Spec", "Stage", "StageContext",
    "StageSpec", "StreamWorker", "VideoPart", "VideoWorker", "Worker", "apply_verbose", "marks_of",
    "rate",
]  # fmt: skip


@dataclass(frozen=True)
class ModelRef:
    """A model that a stage uses: its name, the revision of its weights, and the place where they lie."""

    name: str
    revision: str = ""
    place: str = ""


class RunView(Protocol):
    """What a stage may know of the run that it is part of, in ``bind``."""

    def find(self, kind: type[S]) -> S | None:
        """Returns the first stage of a class, or None."""
        ...


class Stage(StageSpec):
    """One step of a run. Its parameters are its fields.

    ``runs_on`` ``all`` also runs for items that an earlier rule rejected. ``on_failure`` ``drop`` rejects an
    item that the stage failed on, for ``failure_reason``. A stage that ``can_wait`` runs behind deduplication
    where a run asks for it (``dedup.when``), and then for the clips that are kept only. ``code`` says how the
    digest of a user's stage follows its source: ``source`` reads the code, ``version`` trusts ``version``.
    """

    name: ClassVar[str] = ""
    version: ClassVar[int] = 1
    grain: ClassVar[Grain]
    environment: ClassVar[str] = "core"
    runs_on: ClassVar[Literal["passed", "all"]] = "passed"
    on_failure: ClassVar[Literal["keep", "drop"]] = "keep"
    failure_reason: ClassVar[str] = ""
    can_wait: ClassVar[bool] = False
    code: ClassVar[Literal["source", "version"]] = "source"
    writes: ClassVar[tuple[Column, ...]] = ()
    artifacts: ClassVar[tuple[Artifact, ...]] = ()

    def __init_subclass__(cls, abstract: bool = False, **kwargs: Any) -> None:  # noqa: ANN401 - pydantic's
        """Takes ``abstract``, which pydantic hands to both hooks of a subclass."""
        super().__init_subclass__(**kwargs)

    @classmethod
    def __pydantic_init_subclass__(cls, abstract: bool = False, **kwargs: Any) -> None:  # noqa: ANN401 - pydantic's
        """Checks what a class of stages must have; TypeError names what is wrong and the remedy.

        A class made with ``abstract=True`` only lends fields to its subclasses.
        """
        super().__pydantic_init_subclass__(**kwargs)
        cls.stage_name, cls.STAGE_VERSION = cls.name, cls.version
        _check_fields(cls)
        if not (abstract or _is_empty(cls)):
            _check_class(cls)

    @property
    def worker_environment(self) -> str:
        """The environment that a worker of these parameters needs: ``core`` or an extra's name."""
        return self.environment

    @property
    def result_class(self) -> str:
        """The class that names results in the digest: classes with the same one share their rows."""
        return type(self).__name__

    @property
    def caption_key(self) -> str:
        """The name under which lists of caption models know the stage's texts; empty for a stage without."""
        return ""

    def makes_rows(self) -> bool:
        """Returns True if the stage runs for items: it writes columns or files."""
        return bool(self.writes or self.artifacts)

    def shows(self) -> tuple[Frames, ...]:
        """Returns the frames that users of the documented data model see in ``Clip.extracted_frames``."""
        return ()

    def requires(self) -> tuple["Stage", ...]:
        """Returns stages that are added with these values where none of their class is there."""
        return ()

    def bind(self, run: RunView) -> Self:
        """Returns this stage with values taken over from other stages of the run, by ``bound``."""
        del run
        return self

    def reads(self) -> Reads:
        """Returns what the stage reads."""
        return Reads()

    def resources(self) -> Resources:
        """Returns what one worker needs."""
        return Resources()

    def models(self) -> tuple[ModelRef, ...]:
        """Returns the models that the stage uses."""
        return ()

    def asked(self) -> tuple[str, ...]:
        """Returns the texts that the stage asks a model; the manifest has them."""
        return ()

    def rules(self) -> tuple[Rule, ...]:
        """Returns the bounds that reject, in the order in which reasons are named."""
        return ()

    def rejects(self, rows: pa.Table) -> pa.Table | None:
        """Returns columns ``reason`` and ``message``, null where a row passes; None leaves it to ``rules``.

        For what bounds cannot say. ``rows`` has the stage's own columns and those that it reads, by their
        bare names; where two have one name, the one that is read goes by ``key:column``.
        """
        del rows
        return None

    def published(self, rows: pa.Table) -> pa.Table:
        """Returns ``rows`` with the derived columns, made from the stage's own columns and parameters."""
        return rows

    def documented(self, own: Mapping[str, object]) -> Mapping[str, object]:
        """Returns more of the documented JSON of an item than the ``json`` paths of columns say.

        ``own`` holds the stage's published columns of the item.
        """
        del own
        return {}

    def check(self, *, num_gpus: float) -> None:
        """Raises ModelUnavailable or SpecError for what the stage needs and this machine does not have.

        Called in the driver, before any work; ``num_gpus`` are those that workers may use.
        """
        del num_gpus

    def windows(self, clip: ClipSpan) -> Sequence[FrameSpan]:
        """Returns the windows of a clip, in frames of the clip; for the stage that prepares captions."""
        del clip
        return ()

    def open(self, context: StageContext) -> Worker | StreamWorker | VideoWorker:
        """Returns the worker; called once in the worker process, on a copy without verdicts."""
        raise NotImplementedError(f"{type(self).__name__} writes columns and must define open(context)")

    def bound(self, **values: object) -> Self:
        """Returns a copy with ``values``, checked like those of a spec. For ``bind``."""
        given = {name: getattr(self, name) for name in self.model_fields_set}
        return type(self).model_validate({**given, **values})

    def without_verdicts(self) -> Self:
        """Returns a copy whose VERDICT fields are at their defaults: what the worker sees."""
        keep = self.fields_without(Mark.VERDICT, Mark.IGNORED)
        given = {name: getattr(self, name) for name in self.model_fields_set & keep}
        return type(self).model_validate(given)

    def with_(
        self, stage_with_dict: Mapping[str, Mapping[str, object]] | None = None, **options: object
    ) -> Self:
        """Returns the stage under a ``name``; NeMo Curator's options of how it is run have no effect here.

        A line says so. What a worker takes is one of the stage's own parameters.
        """
        name = options.pop("name", None)
        for option in sorted({*options, *(each for one in (stage_with_dict or {}).values() for each in one)}):
            say_ignored(type(self).__name__, f"with_({option}=...)")
        return self if name is None else self.named(str(name))

    @classmethod
    def column(cls, name: str) -> Column | None:
        """Returns the column of that name, or None."""
        return next((column for column in cls.writes if column.name == name), None)


def _is_empty(cls: type[Stage]) -> bool:
    """Returns True for a class without a body.

    Ray sends a class of a script or notebook so: it makes the class first and fills it afterwards.
    """
    made_here = {"model_config", "stage_name", "STAGE_VERSION"}
    return not any(name not in made_here and not name.startswith("_") for name in vars(cls))


def _check_class(cls: type[Stage]) -> None:
    if not cls.name or not isinstance(cast(object, cls.name), str):
        raise TypeError(f'{cls.__name__} has no name: add `name: ClassVar = "..."`')
    if called := next(
        (name for name in ("process", "process_batch") if callable(getattr(cls, name, None))), ""
    ):
        raise TypeError(
            f"{cls.__name__} defines {called}(), which is never called: put it into a ProcessingStage of "
            "its own, and add that to the pipeline too"
        )
    if not hasattr(cls, "grain"):
        raise TypeError(f'{cls.__name__} has no grain: add `grain: ClassVar = "clip"`')
    for attribute, known in _CHOICES.items():
        if (value := getattr(cls, attribute)) not in known:
            raise TypeError(f"{cls.__name__}.{attribute} is {value!r}: take {' or '.join(known)}")
    if not isinstance(cast(object, cls.version), int):
        raise TypeError(f"{cls.__name__}.version is {cls.version!r}: take a whole number")
    _check_writes(cls)


def _check_writes(cls: type[Stage]) -> None:
    if cls.grain == "run" and cls.writes:
        raise TypeError(f'{cls.__name__} is of the grain run and writes columns: take the grain "clip"')
    names = [column.name.lower() for column in cls.writes]
    if wrong := [name for name in names if not IS_NAME.fullmatch(name)]:
        what = "take a letter, then letters, digits and _, 64 at most"
        raise TypeError(f"{cls.__name__} writes {wrong[0]!r}, which is no name of a column: {what}")
    if twice := {name for name in names if names.count(name) > 1}:
        raise TypeError(f"{cls.__name__} writes column {min(twice)} twice; capitals make no other name")


def _check_fields(cls: type[Stage]) -> None:
    """Raises TypeError for a mark without a default, a lost mark, or a field named like a part of Stage."""
    reserved = {name for name, _ in inspect.getmembers(Stage)} - set(Stage.model_fields) | _IN_A_SPEC
    for name, field in cls.model_fields.items():
        marks = marks_of(field)
        if marks and field.is_required():
            raise TypeError(f"{cls.__name__}.{name} is marked {_named(marks)} and needs a default")
        if lost := _marks_above(cls, name) - marks:
            raise TypeError(f"{cls.__name__}.{name} is declared again without its mark {_named(lost)}")
        if name in reserved:
            what = "what a spec says of every stage" if name in _IN_A_SPEC else f"Stage.{name}"
            raise TypeError(f"{cls.__name__}.{name} hides {what}: give the field another name")


def _marks_above(cls: type[Stage], name: str) -> frozenset[Mark]:
    above = (base for base in cls.__mro__[1:] if issubclass(base, Stage))
    declared = next((base.model_fields[name] for base in above if name in base.model_fields), None)
    return marks_of(declared) if declared else frozenset()


def _named(marks: frozenset[Mark]) -> str:
    return ", ".join(sorted(mark.name for mark in marks))

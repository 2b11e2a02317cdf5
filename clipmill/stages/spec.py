"""Groups of parameters: frozen, no unknown fields, impossible values do not construct."""

import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Annotated, ClassVar, Self, cast

from pydantic import Field, ModelWrapValidatorHandler, PrivateAttr, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from clipmill import identity
from clipmill.stages.reads import Effect, ReadKind
from clipmill.stages.value_kinds import CheckedModel

logger = logging.getLogger(__name__)


class Mark(Enum):
    """How a field takes part in the digest of what a stage computed.

    ``VERDICT`` changes what is rejected, not what is computed. ``SPEED`` changes no result. ``BOUND`` is set
    by ``Stage.bind`` only; a spec cannot set it, and it is part of the digest. ``IGNORED`` is a parameter of
    NeMo Curator's that has no meaning here: it is taken, and a line says so. ``LIMIT`` bounds the work on one
    item: a result that it cut names it in the columns ``limit`` and ``limit_value``, and is made again where
    it was raised; the others do not depend on it. A field without a mark is part
    of the digest, unless it is marked ``Affects``.
    """

    VERDICT = 1
    SPEED = 2
    BOUND = 3
    IGNORED = 4
    LIMIT = 5


VERDICT, SPEED, BOUND = Mark.VERDICT, Mark.SPEED, Mark.BOUND
IGNORED, LIMIT = Mark.IGNORED, Mark.LIMIT

Cpus = Annotated[float, Field(ge=0.01), SPEED]
"""CPU cores a stage asks for; clamped to the machine where it runs. Ray counts in 1/10,000."""

SampleRate = Annotated[float, Field(ge=0.001, le=60)]
"""Samples a second: at most 1000 s lie between two of them."""

MIN_CLIP_S = 0.1
"""Shortest length and distance of clips that a run may ask for: a day of video gives a million clips."""


def marks_of(field: FieldInfo) -> frozenset[Mark]:
    """Returns the marks of a field of a ``Spec``."""
    return frozenset(mark for mark in field.metadata if isinstance(mark, Mark))


@dataclass(frozen=True)
class Affects:
    """Marks an option that changes results of videos with a trait only, as tone mapping does of ``hdr``.

    The option is not part of the digest: rows of videos that have ``trait`` name it in their column
    ``effects``. ``reads`` are the kinds of reads that it changes for every stage; without any, it changes the
    rows of its own stage. Rows that name nothing were made with the value ``before``, by default the field's
    default.
    """

    trait: str
    reads: tuple[ReadKind, ...] = ()
    before: object = None

    def effect(self, name: str, field: FieldInfo, value: object) -> Effect | None:
        """Returns what a value of the option does; None for the value that rows had before."""
        before = field.get_default(call_default_factory=True) if self.before is None else self.before
        text = json.dumps(to_jsonable_python(value), sort_keys=True, separators=(",", ":"))
        return None if value == before else Effect(f"{name}={text}", self.trait, self.reads)


def affects_of(field: FieldInfo) -> Affects | None:
    """Returns the ``Affects`` that a field is marked with, if any."""
    return next((mark for mark in field.metadata if isinstance(mark, Affects)), None)


class Spec(CheckedModel):
    """A group of parameters that is checked when it is made."""

    stage_name: ClassVar[str]
    STAGE_VERSION: ClassVar[int] = 1

    @classmethod
    def fields_without(cls, *marks: Mark) -> set[str]:
        """Returns the names of the fields that carry none of ``marks``."""
        fields = cls.model_fields.items()
        return {name for name, field in fields if marks_of(field).isdisjoint(marks)}

    def result_fields(self) -> dict[str, object]:
        """Returns the fields that change what is computed and differ from their default, as JSON values."""
        of_some = {name for name, field in type(self).model_fields.items() if affects_of(field)}
        keep = self.fields_without(Mark.SPEED, Mark.VERDICT, Mark.IGNORED, Mark.LIMIT) - of_some
        return self.model_dump(mode="json", include=keep, exclude_defaults=True)

    def own_limits(self) -> dict[str, float]:
        """Returns the values of the fields that are limits."""
        own = set(type(self).model_fields) - self.fields_without(Mark.LIMIT)
        return {name: float(getattr(self, name)) for name in sorted(own)}

    def effects(self) -> tuple[Effect, ...]:
        """Returns what the options that change results of some videos only do at their values."""
        marked = ((name, field, affects_of(field)) for name, field in type(self).model_fields.items())
        found = (mark.effect(name, field, getattr(self, name)) for name, field, mark in marked if mark)
        return tuple(effect for effect in found if effect)

    def digest(self, *upstream: str, model: str = "") -> str:
        """Returns ``stage_digest`` of this spec over the digests it reads and the revision of its weights."""
        return identity.stage_digest(
            self.stage_name, self.STAGE_VERSION, self.result_fields(), upstream=upstream, model=model
        )


class StageSpec(Spec):
    """Parameters of one stage.

    Every stage takes ``verbose``: it sets that stage's logger to DEBUG and changes nothing else.
    """

    verbose: Annotated[bool, SPEED] = False

    _given_name: str = PrivateAttr(default="")

    @property
    def given_name(self) -> str:
        """NeMo Curator's ``name``, which ``Pipeline.describe`` shows; keys tell stages apart here."""
        return self._given_name

    def named(self, name: str) -> Self:
        """Returns a copy with that ``given_name``."""
        copied = self.model_copy()
        copied._given_name = name
        return copied

    @model_validator(mode="wrap")
    @classmethod
    def _take_a_name(cls, values: object, make: ModelWrapValidatorHandler[Self]) -> Self:
        if not isinstance(values, Mapping) or "name" not in values:
            return make(values)
        fields = dict(cast("Mapping[str, object]", values))
        name = str(fields.pop("name"))
        made = make(fields)
        made._given_name = name
        return made

    @model_validator(mode="after")
    def _name_what_is_ignored(self) -> Self:
        for name in sorted(self.model_fields_set - self.fields_without(Mark.IGNORED)):
            say_ignored(type(self).__name__, name)
        return self

    @classmethod
    def log(cls) -> logging.Logger:
        """Returns the stage's logger: ``clipmill.stages.`` and the name of the stage."""
        return logging.getLogger(f"clipmill.stages.{cls.stage_name}")


@cache
def say_ignored(stage: str, name: str) -> None:
    """Says that a parameter has no effect, once in a process however often the stage is copied."""
    logger.warning("%s: %s has no effect here", stage, name)


def apply_verbose(stages: Iterable[StageSpec]) -> None:
    """Sets the loggers of the ``verbose`` stages to DEBUG in this process; others stay as they are."""
    for stage in stages:
        if stage.verbose:
            stage.log().setLevel(logging.DEBUG)

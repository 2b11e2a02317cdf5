"""Groups of parameters: frozen, no unknown fields, impossible values do not construct."""

import logging
from collections.abc import Iterable
from enum import Enum
from typing import Annotated, ClassVar

from pydantic import Field
from pydantic.fields import FieldInfo

from clipmill import identity
from clipmill.stages.value_kinds import CheckedModel


class Mark(Enum):
    """How a field takes part in the digest of what a stage computed.

    ``VERDICT`` changes what is rejected, not what is computed. ``SPEED`` changes no result. ``BOUND`` is set
    by ``Stage.bind`` only; a spec cannot set it, and it is part of the digest. A field without a mark is part
    of the digest.
    """

    VERDICT = 1
    SPEED = 2
    BOUND = 3


VERDICT, SPEED, BOUND = Mark.VERDICT, Mark.SPEED, Mark.BOUND

Cpus = Annotated[float, Field(ge=0.01), SPEED]
"""CPU cores a stage asks for; clamped to the machine where it runs. Ray counts in 1/10,000."""

SampleRate = Annotated[float, Field(ge=0.001, le=60)]
"""Samples a second: at most 1000 s lie between two of them."""

MIN_CLIP_S = 0.1
"""Shortest length and distance of clips that a run may ask for: a day of video gives a million clips."""


def marks_of(field: FieldInfo) -> frozenset[Mark]:
    """Returns the marks of a field of a ``Spec``."""
    return frozenset(mark for mark in field.metadata if isinstance(mark, Mark))


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
        keep = self.fields_without(Mark.SPEED, Mark.VERDICT)
        return self.model_dump(mode="json", include=keep, exclude_defaults=True)

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

    @classmethod
    def log(cls) -> logging.Logger:
        """Returns the stage's logger: ``clipmill.stages.`` and the name of the stage."""
        return logging.getLogger(f"clipmill.stages.{cls.stage_name}")


def apply_verbose(stages: Iterable[StageSpec]) -> None:
    """Sets the loggers of the ``verbose`` stages to DEBUG in this process; others stay as they are."""
    for stage in stages:
        if stage.verbose:
            stage.log().setLevel(logging.DEBUG)

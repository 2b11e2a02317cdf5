"""What every stage spec shares: frozen, no unknown fields, impossible values do not construct."""

import logging
from collections.abc import Iterable
from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo

from clipmill import identity


class _SpeedOnly:
    """Marks a field that changes how fast a stage runs, never what it makes."""


SPEED_ONLY = _SpeedOnly()

Cpus = Annotated[float, Field(gt=0), SPEED_ONLY]
"""CPU cores a stage asks for; clamped to the machine where it runs."""

Score = float | None


class Spec(BaseModel):
    """A group of parameters that is checked when it is made."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True)

    stage_name: ClassVar[str]
    STAGE_VERSION: ClassVar[int] = 1

    @classmethod
    def is_speed_only(cls, field: FieldInfo) -> bool:
        """Whether a field leaves results as they are."""
        return any(isinstance(mark, _SpeedOnly) for mark in field.metadata)

    def result_fields(self) -> dict[str, object]:
        """Fields that change the result and differ from their default, as JSON values."""
        keep = {name for name, field in type(self).model_fields.items() if not self.is_speed_only(field)}
        return self.model_dump(mode="json", include=keep, exclude_defaults=True)

    def digest(self, *upstream: str, model: str = "") -> str:
        """``stage_digest`` of this spec over the digests it reads and the revision of its weights, if any."""
        return identity.stage_digest(
            self.stage_name, self.STAGE_VERSION, self.result_fields(), upstream=upstream, model=model
        )


class StageSpec(Spec):
    """Parameters of one stage.

    Every stage takes ``verbose``: it sets that stage's logger to DEBUG and changes nothing else.
    """

    verbose: Annotated[bool, SPEED_ONLY] = False

    @classmethod
    def log(cls) -> logging.Logger:
        """The stage's logger, for whoever does its work: ``clipmill.stages.`` and the name of the stage."""
        return logging.getLogger(f"clipmill.stages.{cls.stage_name}")


def apply_verbose(stages: Iterable[StageSpec]) -> None:
    """Set the loggers of those that are ``verbose`` to DEBUG, in this process; others stay as they are."""
    for stage in stages:
        if stage.verbose:
            stage.log().setLevel(logging.DEBUG)

"""The part of a plan that a report draws: columns of stages, where their bounds lie, and their roles."""

from dataclasses import dataclass

from clipmill.stages.columns import Column


@dataclass(frozen=True)
class ScoreLimit:
    """A threshold: below ``min`` or above ``max`` a clip is filtered, or only scored where not active.

    ``score`` is the published name of a column, or ``measures.LENGTH``.
    """

    score: str
    min: float | None = None
    max: float | None = None
    is_active: bool = True

    @property
    def marks(self) -> tuple[float, ...]:
        """The bounds that are set."""
        return tuple(mark for mark in (self.min, self.max) if mark is not None)


@dataclass(frozen=True)
class ThresholdPlace:
    """Where a spec sets the bounds of a column: dotted places, such as ``quality.sharpness.min``.

    A side without a parameter is empty. ``score_only`` is the place of the switch that has to be off.
    """

    score: str
    min: str = ""
    max: str = ""
    score_only: str = ""


@dataclass(frozen=True)
class PublishedColumn:
    """A column under the name that it has in the tables."""

    name: str
    column: Column


@dataclass(frozen=True)
class StageColumns:
    """The columns that the stage ``key`` adds to the table of its grain."""

    key: str
    columns: tuple[PublishedColumn, ...]

    @property
    def is_plotted(self) -> bool:
        """True if a column of the stage has a plot."""
        return any(published.column.plot for published in self.columns)


@dataclass(frozen=True)
class CaptionColumns:
    """Published names of the captions of the stage ``key`` and of their status; empty without a status."""

    key: str
    caption: str
    status: str = ""


@dataclass(frozen=True)
class PlanView:
    """Everything that a report shows of a plan, in run order.

    ``clip_stages`` have columns in the clips table. ``clip_file`` and ``preview`` are the published names of
    a clip's file and of a window's preview; empty where no stage makes them.
    """

    clip_stages: tuple[StageColumns, ...] = ()
    captions: tuple[CaptionColumns, ...] = ()
    limits: tuple[ScoreLimit, ...] = ()
    places: tuple[ThresholdPlace, ...] = ()
    clip_file: str = ""
    preview: str = ""

    @property
    def clip_columns(self) -> tuple[PublishedColumn, ...]:
        """The columns of the clips table that stages wrote."""
        return tuple(published for stage in self.clip_stages for published in stage.columns)


NO_STAGES = PlanView()
"""A run of which only the base columns are shown."""

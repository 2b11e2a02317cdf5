"""A yes or no question to the captioning model about a clip, and the filter over its answer."""

from typing import ClassVar, Literal

from pydantic import Field

from clipmill.stages.base import StageSpec


class QuestionFilterStage(StageSpec):
    """Filters a clip of which the captioning model answers ``question`` by ``reject_if``.

    The model of the run's ``CaptionGenerationStage`` is shown frames of the whole clip, as of one window, and
    asked for one word. Anything but a clear yes or no is unknown, and never filters. With ``score_only``
    nothing is filtered.
    """

    stage_name: ClassVar[str] = "answers"

    question: str = Field(min_length=1, max_length=2000)
    reject_if: Literal["yes", "no"] = "no"
    score_only: bool = False

    def asked(self) -> "QuestionFilterStage":
        """What decides the answer; which answer filters is the verdict's."""
        return QuestionFilterStage(question=self.question)

"""A yes or no question to the captioning model about a clip, and the filter over its answer."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, ClassVar, Literal, Self

import pyarrow as pa
from pydantic import Field

from clipmill.models.captioning.answers import AskingWorker
from clipmill.models.captioning.chat import Caption, ChatRequest
from clipmill.models.captioning.prompts import answer_of, question_prompt
from clipmill.stages.base import (
    BOUND,
    VERDICT,
    Column,
    Grain,
    Item,
    ModelRef,
    Reads,
    Resources,
    Rule,
    RunView,
    Stage,
    StageContext,
)
from clipmill.stages.video.caption.caption_generation import CaptionGenerationStage
from clipmill.stages.video.caption.text_model import needs_captions


class QuestionFilterStage(Stage):
    """Filters a clip of which the captioning model answers ``question`` by ``reject_if``.

    The model of the run's ``CaptionGenerationStage`` is shown frames of the whole clip, as of one window, and
    asked for one word. Anything but a clear yes or no is unknown, and never filters. With ``score_only``
    nothing is filtered.
    """

    name: ClassVar[str] = "question"
    grain: ClassVar[Grain] = "clip"
    environment: ClassVar[str] = "vllm"
    writes: ClassVar[tuple[Column, ...]] = (
        Column("answer", pa.string(), "yes, no, or null for anything else", json="answers.{question}"),
        Column("answer_text", pa.string(), "words of the model", table="state"),
        Column("answer_message", pa.string(), "why there is no answer", table="state"),
    )

    question: str = Field(min_length=1, max_length=2000)
    reject_if: Annotated[Literal["yes", "no"], VERDICT] = "no"
    score_only: Annotated[bool, VERDICT] = False
    captions: Annotated[CaptionGenerationStage | None, BOUND] = None

    def bind(self, run: RunView) -> Self:
        """Takes over the run's captioner, which answers. SpecError where there is none."""
        captions = run.find(CaptionGenerationStage)
        if captions is None:
            raise needs_captions("questions")
        return self.bound(captions=captions.bind(run).for_questions())

    def result_fields(self) -> dict[str, object]:
        """Returns the question, and what changes the captioner's answers; few tokens are part of one."""
        fields = super().result_fields()
        if fields.pop("captions", None) is None or self.captions is None:
            return fields
        limits = {"max_output_tokens": self.captions.max_output_tokens}
        return {**fields, "captions": {**self.captions.result_fields(), **limits}}

    @property
    def captioner(self) -> CaptionGenerationStage:
        """The stage whose model answers. ValueError before ``bind``."""
        if self.captions is None:
            raise ValueError(f"question {self.question!r} is not bound to a captioner")
        return self.captions

    @property
    def worker_environment(self) -> str:
        """The extra in which a worker finds the captioner's backend."""
        return self.captioner.worker_environment

    def reads(self) -> Reads:
        return self.captioner.reads()

    def resources(self) -> Resources:
        return replace(self.captioner.resources(), grows=False)

    def models(self) -> tuple[ModelRef, ...]:
        return self.captioner.models()

    def asked(self) -> tuple[str, ...]:
        return (question_prompt(self.question),)

    def rules(self) -> tuple[Rule, ...]:
        if self.score_only:
            return ()
        words = f"{self.question!r} was answered {self.reject_if}"
        return (Rule("answer", "rejected_by_answer", equals=(self.reject_if,), words=words),)

    def open(self, context: StageContext) -> "QuestionWorker":
        return QuestionWorker(self, context)


class QuestionWorker(AskingWorker):
    """Asks a model, which it shares with captions and other questions, about whole clips."""

    def __init__(self, stage: QuestionFilterStage, context: StageContext) -> None:
        super().__init__(context, stage.captioner.serving(gpu_share=context.gpu_share))
        self._question = stage.question
        self._options = stage.captioner.preparation.options

    def request(self, item: Item) -> ChatRequest:
        """Returns the question, and frames of the whole clip."""
        return self.about_frames(replace(item, window=None), question_prompt(self._question), self._options)

    def columns(self, answer: Caption) -> Mapping[str, object]:
        found = answer_of(self._question, answer.text).answer
        return {"answer": found, "answer_text": answer.text, "answer_message": answer.message or None}

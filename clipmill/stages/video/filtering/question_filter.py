"""A yes or no question to the captioning model about a clip, and the filter over its answer."""

from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar, Literal, Self

import pyarrow as pa
from pydantic import Field

from clipmill.models.captioning.answers import frames_request, values_or_failure, whole_clip
from clipmill.models.captioning.base import Caption
from clipmill.models.captioning.chat import ChatCaptioner
from clipmill.models.captioning.prompts import answer_of, question_prompt
from clipmill.models.captioning.shared_model import lease_model
from clipmill.stages.base import (
    BOUND,
    VERDICT,
    Column,
    Failed,
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
        """See ``Stage``."""
        return self.captioner.reads()

    def resources(self) -> Resources:
        """See ``Stage``."""
        asked = self.captioner.resources()
        return Resources(gpus=asked.gpus, batch_items=asked.batch_items, max_workers=asked.max_workers)

    def models(self) -> tuple[ModelRef, ...]:
        """See ``Stage``."""
        return self.captioner.models()

    def asked(self) -> tuple[str, ...]:
        """See ``Stage``."""
        return (question_prompt(self.question),)

    def rules(self) -> tuple[Rule, ...]:
        """See ``Stage``."""
        if self.score_only:
            return ()
        words = f"{self.question!r} was answered {self.reject_if}"
        return (Rule("answer", "rejected_by_answer", equals=(self.reject_if,), words=words),)

    def open(self, context: StageContext) -> "QuestionWorker":
        """See ``Stage``."""
        return QuestionWorker(self, context)


class QuestionWorker:
    """Asks a model, which it shares with captions and other questions, about whole clips."""

    def __init__(self, stage: QuestionFilterStage, context: StageContext) -> None:
        self._question = stage.question
        self._captioner = stage.captioner
        self._lease = lease_model(context, self._captioner.serving(gpu_share=context.gpu_share))

    def stream(self, items: Iterator[Item]) -> Iterator[tuple[str, Mapping[str, object] | Failed]]:
        """Yields clip ids and columns. A request is made when the model has room for it.

        EngineDied when the model is gone.
        """
        prompt, options = question_prompt(self._question), self._captioner.preparation.options
        requests = (frames_request(item, whole_clip(item), prompt, options) for item in items)
        with self._lease.running() as opened:
            captioner = ChatCaptioner(
                opened.chat,
                model=opened.model,
                revision=opened.revision,
                max_output_tokens=self._captioner.max_output_tokens,
            )
            for said in captioner.caption(requests):
                yield said.window_id, values_or_failure(said, self._columns)

    def close(self) -> None:
        """Gives the model back."""
        self._lease.close()

    def _columns(self, said: Caption) -> Mapping[str, object]:
        answer = answer_of(self._question, said.text).answer
        return {"answer": answer, "answer_text": said.text, "answer_message": said.message or None}

"""The captioner or the language model of a stage, without the stage."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from clipmill.models.captioning.chat import Caption, ChatModel, ChatRequest, answered
from clipmill.models.captioning.open_chat import open_model
from clipmill.models.captioning.options import ServingOptions


@dataclass(frozen=True)
class AskedModel:
    """A model that is asked as stages ask it; with ``refinement`` twice."""

    chat: ChatModel
    refinement: str | None = None

    def caption(self, requests: Iterable[ChatRequest]) -> Iterator[Caption]:
        return answered(self.chat, requests, refinement=self.refinement)

    def close(self) -> None:
        self.chat.close()


def open_captioner(
    options: ServingOptions, *, refinement: str | None = None, num_threads: int = 1
) -> AskedModel:
    """Returns the model of a stage on ``num_threads`` cores. ModelUnavailable with what helps."""
    return AskedModel(open_model(options, num_threads=num_threads), refinement)

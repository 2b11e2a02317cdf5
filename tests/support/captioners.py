"""The captioner or the language model of a stage, without the stage."""

from clipmill.models.captioning.chat import ChatCaptioner, ChatLanguageModel
from clipmill.models.captioning.open_chat import open_model
from clipmill.models.captioning.options import ServingOptions


def open_captioner(
    options: ServingOptions, *, refinement: str | None = None, num_threads: int = 1
) -> ChatCaptioner:
    """Returns the captioner of a stage on ``num_threads`` cores; with ``refinement`` it is asked twice.

    ModelUnavailable with what helps.
    """
    opened = open_model(options, num_threads=num_threads)
    return ChatCaptioner(opened.chat, model=opened.model, revision=opened.revision, refinement=refinement)


def open_language_model(options: ServingOptions, *, num_threads: int = 1) -> ChatLanguageModel:
    """Returns the language model of a stage on ``num_threads`` cores. ModelUnavailable with what helps."""
    opened = open_model(options, num_threads=num_threads)
    return ChatLanguageModel(opened.chat, model=opened.model, revision=opened.revision)

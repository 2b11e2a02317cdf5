"""Opening the language model of a stage."""

from clipmill.models.captioning.chat import ChatLanguageModel
from clipmill.models.captioning.language_model import LanguageModel
from clipmill.models.captioning.open_chat import open_model
from clipmill.models.captioning.options import ServingOptions


def open_language_model(options: ServingOptions, *, num_threads: int = 1) -> LanguageModel:
    """Returns the language model of a stage on ``num_threads`` cores. ModelUnavailable with what helps."""
    opened = open_model(options, num_threads=num_threads)
    return ChatLanguageModel(opened.chat, model=opened.model, revision=opened.revision)

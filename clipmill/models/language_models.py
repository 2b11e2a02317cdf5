"""Opening the language model of a stage."""

from clipmill.models.chat import ChatLanguageModel
from clipmill.models.language_model import LanguageModel
from clipmill.models.serving import open_model
from clipmill.models.serving_options import ServingOptions


def open_language_model(options: ServingOptions, *, num_threads: int = 1) -> LanguageModel:
    """Returns the language model of a stage on ``num_threads`` cores. ModelUnavailable with what helps."""
    opened = open_model(options, num_threads=num_threads)
    return ChatLanguageModel(opened.chat, model=opened.model, revision=opened.revision)

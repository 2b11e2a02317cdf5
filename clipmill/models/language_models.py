"""Opening the language model of a stage."""

from clipmill.models.chat import ChatLanguageModel
from clipmill.models.language_model import LanguageModel
from clipmill.models.serving import open_model
from clipmill.stages.video.caption.caption_enhancement import CaptionEnhancementStage


def open_language_model(spec: CaptionEnhancementStage, *, num_threads: int = 1) -> LanguageModel:
    """The language model of a stage; ``num_threads`` are the cores it may use.

    ModelUnavailable with what helps.
    """
    opened = open_model(spec, num_threads=num_threads, in_flight=spec.model_batch_size)
    return ChatLanguageModel(opened.chat, model=opened.model, revision=opened.revision)

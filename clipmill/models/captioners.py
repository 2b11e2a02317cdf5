"""Opening the captioner of a stage."""

from clipmill.models.captioner import Captioner
from clipmill.models.chat import ChatCaptioner
from clipmill.models.prompts import refinement
from clipmill.models.serving import open_model
from clipmill.stages.video.caption.caption_generation import CaptionGenerationStage


def open_captioner(spec: CaptionGenerationStage, *, num_threads: int = 1) -> Captioner:
    """The captioner of a stage; ``num_threads`` are the cores it may use.

    For questions give it ``spec.for_questions()``. ModelUnavailable with what helps.
    """
    opened = open_model(spec, num_threads=num_threads, in_flight=spec.caption_batch_size)
    return ChatCaptioner(
        opened.chat, model=opened.model, revision=opened.revision, refinement=refinement(spec)
    )

"""Opening the captioner of a stage."""

from clipmill.models.captioner import Captioner
from clipmill.models.chat import ChatCaptioner
from clipmill.models.serving import open_model
from clipmill.models.serving_options import ServingOptions


def open_captioner(
    options: ServingOptions, *, refinement: str | None = None, num_threads: int = 1
) -> Captioner:
    """Returns the captioner of a stage on ``num_threads`` cores; with ``refinement`` it is asked twice.

    ModelUnavailable with what helps.
    """
    opened = open_model(options, num_threads=num_threads)
    return ChatCaptioner(opened.chat, model=opened.model, revision=opened.revision, refinement=refinement)

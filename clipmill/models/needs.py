"""What the models of a run need of the machine. Values only."""

from collections.abc import Sequence
from dataclasses import dataclass

from clipmill.models.captioning.options import ServingOptions
from clipmill.models.registry import ModelEntry

LIBRARIES = {"models": ("torch", "transformers"), "legacy": ("torch", "transformers"), "vllm": ("torch",)}
"""What an environment brings that the core does not have."""


@dataclass(frozen=True)
class ModelNeeds:
    """Weights, libraries and device that a stage's model needs.

    ``allow_remote_code`` names the models whose own code may run; None for those that have none. ``serving``
    is None for a model that writes no text.
    """

    stage: str
    entry: ModelEntry
    model_dir: str
    revision: str
    environment: str
    libraries: Sequence[str]
    device: str
    allow_remote_code: Sequence[str] | None
    serving: ServingOptions | None


@dataclass(frozen=True)
class RunNeeds:
    """Models with weights that a run uses, and every model that writes text, at an endpoint or here."""

    models: Sequence[ModelNeeds] = ()
    served: Sequence[ServingOptions] = ()

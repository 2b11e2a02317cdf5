"""What the models of a run need of the machine. Values only."""

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass

from clipmill.models.captioning.options import ServingOptions
from clipmill.models.registry import ModelEntry

LIBRARIES = {"models": ("torch", "transformers"), "legacy": ("torch", "transformers"), "vllm": ("torch",)}
"""What an environment brings that the core does not have."""


@dataclass(frozen=True)
class ModelNeeds:
    """Weights, libraries and device that a stage's model needs.

    ``libraries`` None are those of the environment. ``allow_remote_code`` names the models whose own code may
    run; None for those that have none. ``serving`` is None for a model that writes no text.
    """

    stage: str
    entry: ModelEntry
    model_dir: str
    revision: str
    environment: str
    device: str
    libraries: Sequence[str] | None = None
    allow_remote_code: Sequence[str] | None = None
    serving: ServingOptions | None = None

    @property
    def missing(self) -> list[str]:
        """Names of the libraries that are not installed here."""
        wanted = LIBRARIES.get(self.environment, ()) if self.libraries is None else self.libraries
        return [name for name in wanted if importlib.util.find_spec(name) is None]

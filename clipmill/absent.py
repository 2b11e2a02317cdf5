"""Modules of NeMo Curator that have no counterpart: importing one names what takes its place."""

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

_PLACES = {
    "clipmill.models.aesthetics": "the stage ClipAestheticFilterStage scores frames",
    "clipmill.models.clip": "clipmill.models.embedding has the models that embed",
    "clipmill.models.cosmos_embed1": "the stage CosmosEmbed1EmbeddingStage embeds clips",
    "clipmill.models.nemotron": "no Nemotron model captions here: use qwen2.5, qwen3 or an endpoint",
    "clipmill.models.prompt_formatter": "CaptionPreparationStage takes prompt_variant and prompt_text",
    "clipmill.models.qwen": "the stages CaptionGenerationStage and CaptionEnhancementStage ask these models",
    "clipmill.models.transnetv2": "clipmill.models.shots has the network",
    "clipmill.models.vllm_model": "captions with backend vllm ask it",
    "clipmill.stages.deduplication.semantic.": "SemanticDeduplicationWorkflow runs all of its steps",
    "clipmill.core": "leave it out: Pipeline.run(executor) starts Ray or joins RAY_ADDRESS",
    "clipmill.utils": "it has no helpers: a stage reads frames by Reads and files by clip.buffer",
}
"""Beginning of a module's name -> what a user does instead."""


class AbsentModules(MetaPathFinder):
    """Is asked last: raises ImportError with the remedy for a module that stands in the table."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Returns None for any module that is not in the table."""
        for name, remedy in _PLACES.items():
            if fullname.startswith(name):
                raise ImportError(
                    f"clipmill has no {fullname}: {remedy}; docs/from-nemo-curator.md", name=fullname
                )
        return None


def install() -> None:
    """Makes imports of absent modules name their remedy; twice is once."""
    if not any(isinstance(finder, AbsentModules) for finder in sys.meta_path):
        sys.meta_path.append(AbsentModules())

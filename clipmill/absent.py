"""Modules of NeMo Curator that are elsewhere here, or have no counterpart.

An import of the first gives the names that exist; an import of the others names what takes their place.
"""

import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType

_FRAMES = "clipmill.stages.video.clipping.clip_frame_extraction"
_MOVED: Mapping[str, Mapping[str, str]] = {
    "clipmill.backends.experimental": {
        "RayActorPoolExecutor": "clipmill.backends.ray_actor_pool",
        "RayDataExecutor": "clipmill.backends.ray_data",
    },
    "clipmill.backends.experimental.ray_actor_pool": {
        "RayActorPoolExecutor": "clipmill.backends.ray_actor_pool"
    },
    "clipmill.backends.experimental.ray_data": {"RayDataExecutor": "clipmill.backends.ray_data"},
    "clipmill.models.base": {"ModelInterface": "clipmill.stages.processing_stage"},
    "clipmill.stages.client_partitioning": {
        "ClientPartitioningStage": "clipmill.stages.video.io.video_reader"
    },
    "clipmill.stages.file_partitioning": {"FilePartitioningStage": "clipmill.stages.video.io.video_reader"},
    "clipmill.utils": {},
    "clipmill.utils.decoder_utils": {
        "FrameExtractionPolicy": _FRAMES, "FrameExtractionSignature": _FRAMES, "FramePurpose": _FRAMES,
    },
}  # fmt: skip
"""Module -> its names -> the module that has each here."""

_ABSENT: Mapping[str, str] = {
    "clipmill.models.aesthetics": "the stage ClipAestheticFilterStage scores frames",
    "clipmill.models.clip": "clipmill.models.embedding has the models that embed",
    "clipmill.models.cosmos_embed1": "the stage CosmosEmbed1EmbeddingStage embeds clips",
    "clipmill.models.nemotron": "no Nemotron model captions here: use qwen2.5, qwen3 or an endpoint",
    "clipmill.models.prompt_formatter": "CaptionPreparationStage takes prompt_variant and prompt_text",
    "clipmill.models.qwen": "the stages CaptionGenerationStage and CaptionEnhancementStage ask these models",
    "clipmill.models.transnetv2": "clipmill.models.shots has the network",
    "clipmill.models.vllm_model": "captions with backend vllm ask it",
    "clipmill.stages.deduplication.semantic.pairwise_io": "PairwiseStage reads clusters by itself",
    "clipmill.stages.deduplication.semantic.utils": "clipmill.dedup has the maths of deduplication",
    "clipmill.stages.video.filtering.motion_vector_backend": "MotionVectorDecodeStage estimates motion",
    "clipmill.stages.video.frame_extraction": "ClipFrameExtractionStage samples frames",
    "clipmill.core": "leave it out: Pipeline.run(executor) starts Ray or joins RAY_ADDRESS",
    "clipmill.utils.": "it has no helpers: a stage reads frames by Reads and files by clip.buffer",
}
"""Beginning of a module's name -> what a user does instead."""


class _MovedModule:
    """Fills a module with names that other modules have; a ``Loader`` by its methods."""

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Returns None: Python makes an ordinary module."""
        return None

    def exec_module(self, module: ModuleType) -> None:
        """Imports the names."""
        module.__doc__ = "Names of NeMo Curator's that lie elsewhere here."
        for name, place in _MOVED[module.__name__].items():
            setattr(module, name, getattr(import_module(place), name))


class OtherModules:
    """Is asked last: finds modules of ``_MOVED``, and raises ImportError with the remedy for ``_ABSENT``."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Returns None for any module that is in neither table."""
        if fullname in _MOVED:
            is_package = any(name.startswith(f"{fullname}.") for name in _MOVED)
            return ModuleSpec(fullname, _MovedModule(), is_package=is_package)  # pyright: ignore[reportArgumentType] to import its class takes longer than all else here
        for name, remedy in _ABSENT.items():
            if fullname.startswith(name):
                raise ImportError(
                    f"clipmill has no {fullname}: {remedy}; docs/from-nemo-curator.md", name=fullname
                )
        return None


def install() -> None:
    """Makes imports of these modules work or name their remedy; twice is once."""
    if not any(isinstance(finder, OtherModules) for finder in sys.meta_path):
        sys.meta_path.append(OtherModules())

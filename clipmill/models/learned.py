"""From a spec to an embedder with its weights."""

from collections.abc import Callable

from clipmill.models.devices import torch_device, use_threads
from clipmill.models.embedder import TextEmbedder
from clipmill.models.image_text import ImageTextTower
from clipmill.models.remote_code import CosmosEmbed1Tower, InternVideo2Tower, check_allowed
from clipmill.models.table import model_named
from clipmill.models.tower_embedder import TowerEmbedder
from clipmill.models.towers import Tower
from clipmill.models.videoprism import VideoPrismTower
from clipmill.models.weights import weights_of
from clipmill.stages.video.embedding.learned import LearnedEmbeddingStage

_TOWERS: dict[str, Callable[..., Tower]] = {
    "clip": ImageTextTower,
    "siglip2": ImageTextTower,
    "videoprism": VideoPrismTower,
    "cosmos_embed1": CosmosEmbed1Tower,
    "internvideo2": InternVideo2Tower,
}


def open_embedder(spec: LearnedEmbeddingStage, *, num_threads: int = 1) -> TextEmbedder:
    """The embedder that ``spec`` asks for; weights are fetched where they are missing.

    On a CPU it computes with ``num_threads``. SpecError for remote code that is not allowed,
    ModelUnavailable for weights that cannot be had or are others.
    """
    entry = model_named(spec.algorithm)
    check_allowed(entry, spec.allow_remote_code)
    weights = weights_of(entry, model_dir=spec.model_dir, revision=spec.revision)
    use_threads(num_threads)
    device = torch_device(spec.device)
    tower = _TOWERS[entry.backend](entry, weights.folder, dtype=spec.dtype, device=device)
    return TowerEmbedder(spec, tower)

"""From options to an embedder with its weights."""

from collections.abc import Callable
from pathlib import Path

from clipmill.models.embedding.base import EmbedderOptions, Tower
from clipmill.models.embedding.clip_siglip import ImageTextTower
from clipmill.models.embedding.remote_code import CosmosEmbed1Tower, InternVideo2Tower, check_allowed
from clipmill.models.embedding.tower_embedder import TowerEmbedder
from clipmill.models.embedding.videoprism import VideoPrismTower
from clipmill.models.registry import model_named
from clipmill.models.runtime import torch_device, use_threads
from clipmill.models.weights.resolve import weights_of

_TOWERS: dict[str, Callable[..., Tower]] = {
    "clip": ImageTextTower,
    "siglip2": ImageTextTower,
    "videoprism": VideoPrismTower,
    "cosmos_embed1": CosmosEmbed1Tower,
    "internvideo2": InternVideo2Tower,
}


def open_embedder(options: EmbedderOptions) -> TowerEmbedder:
    """The embedder that ``options`` ask for; weights are fetched where they are missing.

    Errors as ``load_embedder`` has them, and ModelUnavailable for weights that cannot be had.
    """
    entry = model_named(options.algorithm)
    check_allowed(entry, options.allow_remote_code)  # before weights are fetched
    weights = weights_of(entry, model_dir=options.model_dir, revision=options.revision)
    return load_embedder(options, weights.folder)


def load_embedder(options: EmbedderOptions, folder: Path, *, num_threads: int = 1) -> TowerEmbedder:
    """The embedder over the weights in ``folder``; on a CPU it computes with ``num_threads``.

    SpecError for remote code that is not allowed, ModelUnavailable for weights of another model.
    """
    entry = model_named(options.algorithm)
    check_allowed(entry, options.allow_remote_code)
    use_threads(num_threads)
    device = torch_device(options.device)
    tower = _TOWERS[entry.backend](entry, folder, dtype=options.dtype, device=device)
    return TowerEmbedder(options, tower)

"""Aesthetic scores: CLIP's features of a frame, and the affine head over them."""

# pyright: reportMissingImports=false

from collections.abc import Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import Protocol

import numpy as np

from clipmill.models.embedding.base import Prepared
from clipmill.models.embedding.clip_siglip import ImageTextTower
from clipmill.models.embedding.tower_embedder import unit_rows
from clipmill.models.registry import ModelEntry, model_named
from clipmill.models.runtime import Batches, torch_device, use_threads
from clipmill.models.weights.checkpoint import unavailable
from clipmill.scores.aesthetic import AffineHead, affine_head

ENCODER, HEAD = "clip", "laion-aesthetic"
"""Names in the model table."""


class AestheticScorer(Protocol):
    """Scores frames, about 1 (ugly) to 10 (beautiful)."""

    def score(self, clips: Sequence[np.ndarray]) -> list[np.ndarray]:
        """For each clip, uint8 ``(T, H, W, 3)`` RGB, its frames' scores, float32 ``(T,)``."""
        ...


class ClipAestheticScorer:
    """Scores frames one by one, frames of several clips in one batch."""

    def __init__(self, tower: ImageTextTower, head: AffineHead, *, batch_size: int) -> None:
        self._tower, self._head = tower, head
        self._batches = Batches(batch_size)

    def score(self, clips: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Float32 ``(T,)`` for each clip, uint8 ``(T, H, W, 3)`` RGB; a frame without features has none."""
        frames = [self._tower.prepare(frame[None]) for clip in clips for frame in clip]
        if not frames:
            return [np.zeros(0, np.float32) for _ in clips]
        units, bad = unit_rows(self._batches.run(frames, self._encode))
        scores = self._head.scores(units)
        scores[bad] = np.nan
        parts = np.split(scores, np.cumsum([len(clip) for clip in clips])[:-1])
        return [part[np.isfinite(part)] for part in parts]

    def _encode(self, frames: Sequence[Prepared]) -> np.ndarray:
        return self._tower.encode_frames(
            tuple(np.concatenate(arrays) for arrays in zip(*frames, strict=True))
        )


def load_aesthetic_scorer(
    encoder: Path, head: Path, *, device: str, batch_size: int, num_threads: int = 1
) -> ClipAestheticScorer:
    """The scorer over the weights in two folders; on a CPU it computes with ``num_threads``.

    ModelUnavailable for weights that are others.
    """
    use_threads(num_threads)
    tower = ImageTextTower(model_named(ENCODER), encoder, dtype="float32", device=torch_device(device))
    return ClipAestheticScorer(tower, _head(model_named(HEAD), head, tower), batch_size=batch_size)


def _head(entry: ModelEntry, folder: Path, tower: ImageTextTower) -> AffineHead:
    from safetensors import SafetensorError

    path = sorted((*folder.glob("*.pth"), *folder.glob("*.safetensors")), key=lambda one: one.suffix)[-1]
    try:
        head = affine_head(_layers(path))
    except (SafetensorError, UnpicklingError, RuntimeError, AttributeError, ValueError) as error:
        raise unavailable(entry, folder, f"{path.name}: {error}") from error
    if len(head.weight) != tower.dimension:
        wrong = f"the head reads {len(head.weight)} features, the encoder gives {tower.dimension}"
        raise unavailable(entry, folder, wrong)
    return head


def _layers(path: Path) -> dict[str, np.ndarray]:
    """As the hub has them in safetensors, or as the authors gave them out."""
    import torch
    from safetensors.numpy import load_file

    if path.suffix == ".safetensors":
        return load_file(path)
    weights = torch.load(path, map_location="cpu", weights_only=True)
    return {name: weight.float().numpy() for name, weight in weights.items()}

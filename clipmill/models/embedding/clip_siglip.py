"""CLIP, SigLIP and SigLIP2: networks for pictures and texts; a clip is the mean of its frames."""

# pyright: reportMissingImports=false

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clipmill.models.embedding.base import Prepared
from clipmill.models.preprocessing.patches import patches_of
from clipmill.models.preprocessing.pixels import (
    CLIP_MEAN,
    CLIP_STD,
    HALF,
    Preprocessing,
    pixel_values,
    preprocessing_of,
)
from clipmill.models.registry import ModelEntry
from clipmill.models.weights.checkpoint import load_network, load_tokenizer, unavailable

if TYPE_CHECKING:
    import torch

_NUM_FRAMES = 8
"""Enough to see what a clip shows; pictures have no time."""


def default_preprocessing(model_type: str, side_px: int) -> Preprocessing:
    """Of checkpoints that do not say: the shorter side cut square for CLIP, squeezed square for SigLIP."""
    if model_type == "clip":
        return Preprocessing(None, side_px, (side_px, side_px), mean=CLIP_MEAN, std=CLIP_STD)
    return Preprocessing((side_px, side_px), mean=HALF, std=HALF)


def features(output: Any) -> "torch.Tensor":
    """The pooled features of a model's answer, which older releases gave without the rest."""
    return getattr(output, "pooler_output", output)


class ImageTextTower:
    """A network of ``model_type`` ``clip``, ``siglip`` or ``siglip2``."""

    def __init__(self, entry: ModelEntry, folder: Path, *, dtype: str, device: "torch.device") -> None:
        self._entry, self._folder, self._device = entry, folder, device
        self._network = load_network(entry, folder, dtype=dtype, device=device)
        self._tokenizer: Any = None
        config = self._network.config
        self._model_type: str = config.model_type
        vision = config.vision_config
        self.dimension: int = config.projection_dim if self._model_type == "clip" else vision.hidden_size
        self.num_frames = _NUM_FRAMES
        self.scale = float(self._network.logit_scale.exp())
        side_px = getattr(vision, "image_size", vision.patch_size)
        try:
            preprocessing = preprocessing_of(folder, default_preprocessing(self._model_type, side_px))
        except ValueError as error:
            raise unavailable(entry, folder, str(error)) from error
        self.prepare = partial(self._pixels, preprocessing)
        if self._model_type == "siglip2":
            self.prepare = partial(
                patches_of,
                preprocessing=preprocessing,
                patch_px=vision.patch_size,
                max_patches=vision.num_patches,
            )

    @staticmethod
    def _pixels(preprocessing: Preprocessing, frames: np.ndarray) -> Prepared:
        return (pixel_values(frames, preprocessing),)

    def encode(self, batch: Sequence[Prepared]) -> np.ndarray:
        """The mean of each clip's frames, each of unit length before."""
        num_frames = len(batch[0][0])
        frames = self.encode_frames(tuple(np.concatenate(arrays) for arrays in zip(*batch, strict=True)))
        units = frames / np.maximum(np.linalg.norm(frames, axis=1, keepdims=True), np.finfo(np.float32).tiny)
        return units.reshape(len(batch), num_frames, -1).mean(axis=1)

    def encode_frames(self, prepared: Prepared) -> np.ndarray:
        """Features of pictures, float32 ``(n, dimension)``."""
        import torch

        names = ("pixel_values", "pixel_attention_mask", "spatial_shapes")
        tensors = {name: torch.from_numpy(array) for name, array in zip(names, prepared, strict=False)}
        tensors["pixel_values"] = tensors["pixel_values"].to(self._network.dtype)
        with torch.inference_mode():
            found = self._network.get_image_features(
                **{name: tensor.to(self._device) for name, tensor in tensors.items()}
            )
            return features(found).float().cpu().numpy()

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        """Features of texts, float32 ``(n, dimension)``; words beyond the model's limit are cut off."""
        self._tokenizer = self._tokenizer or load_tokenizer(self._entry, self._folder)
        if self._model_type == "clip":
            return text_features(self._network, self._tokenizer, texts, padding=True)
        # SigLIP was trained on lower case, always padded to its whole length, without a mask.
        lower = [text.lower() for text in texts]
        return text_features(self._network, self._tokenizer, lower, names=("input_ids",))


def text_features(
    network: Any,
    tokenizer: Any,
    texts: Sequence[str],
    *,
    padding: bool | str = "max_length",
    names: Sequence[str] = ("input_ids", "attention_mask"),
) -> np.ndarray:
    """Features of texts, float32 ``(n, dimension)``, cut at the model's limit; ``names`` are its inputs."""
    import torch

    tokens = tokenizer(
        list(texts),
        padding=padding,
        padding_side="right",
        truncation=True,
        max_length=network.config.text_config.max_position_embeddings,
        return_tensors="pt",
    )
    with torch.inference_mode():
        found = network.get_text_features(**{name: tokens[name].to(network.device) for name in names})
        return features(found).reshape(len(texts), -1).float().cpu().numpy()

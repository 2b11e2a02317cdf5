"""VideoPrism with its text tower (LvT): a network for videos of a fixed number of frames."""

# pyright: reportMissingImports=false

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clipmill.models.embedding.base import Prepared
from clipmill.models.embedding.clip_siglip import features, text_features
from clipmill.models.preprocessing.pixels import Preprocessing, pixel_values, preprocessing_of
from clipmill.models.registry import ModelEntry
from clipmill.models.weights.checkpoint import load_network, load_tokenizer, unavailable

if TYPE_CHECKING:
    import torch

_SCALE = 100.0  # the weights hold no temperature; this is the one that its authors classify with


class VideoPrismTower:
    """Frames are squeezed square and scaled to 0..1."""

    def __init__(self, entry: ModelEntry, folder: Path, *, dtype: str, device: "torch.device") -> None:
        self._entry, self._folder, self._device = entry, folder, device
        self._network = load_network(entry, folder, dtype=dtype, device=device)
        self._tokenizer: Any = None
        vision = self._network.config.vision_config
        self.dimension: int = vision.hidden_size
        self.num_frames: int = vision.num_frames  # those that the weights have positions for
        self.scale = _SCALE
        sides = vision.image_size
        size_px = (sides, sides) if isinstance(sides, int) else tuple(sides)
        try:
            said = preprocessing_of(folder, Preprocessing(size_px))
        except ValueError as error:
            raise unavailable(entry, folder, str(error)) from error
        # Whatever else the file says: it is of a processor that others share, and its own one passes over it.
        self._preprocessing = Preprocessing(size_px, resample=said.resample)

    def prepare(self, frames: np.ndarray) -> Prepared:
        return (pixel_values(frames, self._preprocessing),)

    def encode(self, batch: Sequence[Prepared]) -> np.ndarray:
        """Features of clips, float32 ``(n, dimension)``."""
        import torch

        pixels = torch.from_numpy(np.stack([arrays[0] for arrays in batch])).to(self._network.dtype)
        with torch.inference_mode():
            found = features(self._network.get_video_features(pixel_values_videos=pixels.to(self._device)))
            return found.reshape(len(batch), -1).float().cpu().numpy()

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        """Features of texts, float32 ``(n, dimension)``; words beyond the model's limit are cut off."""
        self._tokenizer = self._tokenizer or load_tokenizer(self._entry, self._folder)
        return text_features(self._network, self._tokenizer, texts)

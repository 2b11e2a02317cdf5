"""Models that bring code of their own: run only where the user allows it by name."""

# pyright: reportMissingImports=false

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clipmill.errors import SpecError
from clipmill.models.embedding.base import Prepared
from clipmill.models.preprocessing.pixels import Preprocessing, pixel_values
from clipmill.models.registry import ModelEntry
from clipmill.models.weights.checkpoint import unavailable

if TYPE_CHECKING:
    import torch

_SCALE = 100.0  # as both models' own demonstrations have it
_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


_INTERNVIDEO2 = (
    ("image_size", "model.vision_encoder.img_size"),
    ("num_frames", "model.vision_encoder.num_frames"),
    ("embed_dim", "model.embed_dim"),
)
"""Where its configs, flat or nested as its authors train it, say the side of a picture and so on."""


def check_allowed(entry: ModelEntry, allowed: Sequence[str]) -> None:
    """SpecError for a model with code of its own that the user did not allow by name."""
    if entry.remote_code and entry.name not in allowed:
        raise SpecError(
            f"the weights of {entry.name} bring Python code of {entry.source} that would run here: read it, "
            f"then say allow_remote_code: [{entry.name}]"
        )


def load_remote(entry: ModelEntry, folder: Path, *, dtype: str, device: "torch.device") -> Any:
    """The network in a folder, by the code in it. ModelUnavailable when it does not load."""
    import torch
    from transformers import AutoModel

    return (
        _loaded(entry, folder, AutoModel, torch_dtype=getattr(torch, dtype))
        .to(device)
        .eval()
        .requires_grad_(False)
    )


def _loaded(entry: ModelEntry, folder: Path, kind: Any, **arguments: object) -> Any:
    try:
        return kind.from_pretrained(folder, trust_remote_code=True, local_files_only=True, **arguments)
    except ImportError as error:
        raise unavailable(entry, folder, f"its code needs what is not installed here: {error}") from error
    except (OSError, RuntimeError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise unavailable(entry, folder, f"its code failed: {error}") from error


class CosmosEmbed1Tower:
    """Cosmos-Embed1; its own processor prepares videos and texts."""

    def __init__(self, entry: ModelEntry, folder: Path, *, dtype: str, device: "torch.device") -> None:
        from transformers import AutoProcessor

        self._device = device
        self._network = load_remote(entry, folder, dtype=dtype, device=device)
        self._processor = _loaded(entry, folder, AutoProcessor)
        self.dimension = int(self._network.config.embed_dim)  # sizes differ
        self.num_frames = int(self._processor.num_video_frames)
        self.scale = _SCALE

    def prepare(self, frames: np.ndarray) -> Prepared:
        video = frames.transpose(0, 3, 1, 2)[None]
        return (np.asarray(self._processor(videos=video, return_tensors="pt")["videos"], np.float32),)

    def encode(self, batch: Sequence[Prepared]) -> np.ndarray:
        import torch

        videos = torch.from_numpy(np.concatenate([arrays[0] for arrays in batch]))
        with torch.inference_mode():
            found = self._network.get_video_embeddings(videos=videos.to(self._device, _dtype(self._network)))
            return found.visual_proj.float().cpu().numpy()

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        import torch

        tokens = self._processor(text=list(texts), return_tensors="pt")
        with torch.inference_mode():
            found = self._network.get_text_embeddings(
                **{name: tensor.to(self._device) for name, tensor in tokens.items()}
            )
            return found.text_proj.float().cpu().numpy()


class InternVideo2Tower:
    """InternVideo2, stage 2; a repository whose network offers ``get_vid_feat`` and ``get_txt_feat``."""

    def __init__(self, entry: ModelEntry, folder: Path, *, dtype: str, device: "torch.device") -> None:
        self._device = device
        self._network = load_remote(entry, folder, dtype=dtype, device=device)
        config = self._network.config
        try:
            side_px, self.num_frames, self.dimension = (_setting(config, *places) for places in _INTERNVIDEO2)
        except ValueError as error:
            raise unavailable(entry, folder, str(error)) from error
        self.scale = _SCALE
        self._preprocessing = Preprocessing((side_px, side_px), mean=_IMAGENET_MEAN, std=_IMAGENET_STD)

    def prepare(self, frames: np.ndarray) -> Prepared:
        return (pixel_values(frames, self._preprocessing),)

    def encode(self, batch: Sequence[Prepared]) -> np.ndarray:
        import torch

        videos = torch.from_numpy(np.stack([arrays[0] for arrays in batch]))
        with torch.inference_mode():
            found = self._network.get_vid_feat(videos.to(self._device, _dtype(self._network)))
            return found.reshape(len(batch), -1).float().cpu().numpy()

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        """Float32 ``(n, dimension)``; its own call takes one text."""
        import torch

        with torch.inference_mode():
            rows = [self._network.get_txt_feat(text).reshape(1, -1) for text in texts]
            return torch.cat(rows).float().cpu().numpy()


def _setting(config: Any, *places: str) -> int:
    """The first of several places of a config that is there. ValueError when none is."""
    for place in places:
        found = config
        for name in place.split("."):
            found = found.get(name) if isinstance(found, dict) else getattr(found, name, None)
        if found is not None:
            return int(found)
    raise ValueError(f"the config says nothing at {' or '.join(places)}")


def _dtype(network: Any) -> "torch.dtype":
    return next(network.parameters()).dtype

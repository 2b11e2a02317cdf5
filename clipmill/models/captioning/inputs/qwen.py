"""Inputs of Qwen2.5-VL and Qwen3-VL: patches of frames in pairs, and where they stand in the text."""

# pyright: reportMissingImports=false

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clipmill.models.captioning.chat import ChatRequest
from clipmill.models.captioning.frames import PixelBudget, fitted_size, resized
from clipmill.models.captioning.inputs.base import ChatText, Prepared, video_config
from clipmill.models.preprocessing.patches import video_patches
from clipmill.models.preprocessing.pixels import CLIP_MEAN, CLIP_STD, HALF, Preprocessing, rgb

if TYPE_CHECKING:
    import torch

_START, _VIDEO, _END = "<|vision_start|>", "<|video_pad|>", "<|vision_end|>"
_NO_LIMIT = 1 << 60
_VIDEO_TYPE = 2
_NORMAL = {
    "qwen2_5_vl": (CLIP_MEAN, CLIP_STD),
    "qwen3_vl": (HALF, HALF),
}


class QwenInputs:
    """Qwen2.5-VL gets the time that a pair of frames lasts; Qwen3-VL reads the time of each in the text."""

    def __init__(
        self, folder: Path, chat: ChatText, config: dict[str, Any], *, does_preprocess: bool
    ) -> None:
        vision = config["vision_config"]
        said = video_config(folder)
        self._chat = chat
        self._kind = str(config["model_type"])
        self._video_id = int(config["video_token_id"])
        self._patch_px = int(vision.get("patch_size", 14))
        self._merge = int(vision.get("spatial_merge_size", 2))
        self._temporal = int(vision.get("temporal_patch_size", 2))
        self._budget = _budget(said, self._patch_px * self._merge, does_preprocess=does_preprocess)
        mean, std = _NORMAL[self._kind]
        self._preprocessing = Preprocessing(
            (1, 1), mean=rgb(said.get("image_mean") or mean), std=rgb(said.get("image_std") or std)
        )

    def prepare(self, request: ChatRequest) -> Prepared:
        assert request.frames is not None
        patches, grid = self._patches(request.frames)
        text = self._with_places(self._chat.of(request), grid, request.fps)
        ids = self._chat.ids(text)
        seconds = np.array([self._temporal / request.fps], np.float32)
        pixels = {"patches": patches, "grid": np.array([grid]), "seconds": seconds}
        return Prepared(ids, [one == self._video_id for one in ids], pixels)

    def collate(self, prepared: Sequence[Prepared]) -> "dict[str, torch.Tensor]":
        import torch

        length = max(len(one.ids) for one in prepared)
        types = [
            [0] * (length - len(one.ids)) + [_VIDEO_TYPE * is_frame for is_frame in one.is_frame]
            for one in prepared
        ]
        joined = {
            name: torch.from_numpy(np.concatenate([one.pixels[name] for one in prepared]))
            for name in ("patches", "grid", "seconds")
        }
        given = {
            "pixel_values_videos": joined["patches"],
            "video_grid_thw": joined["grid"],
            "mm_token_type_ids": torch.tensor(types),
        }
        return {**given, "second_per_grid_ts": joined["seconds"]} if self._kind == "qwen2_5_vl" else given

    def _patches(self, frames: np.ndarray) -> tuple[np.ndarray, tuple[int, int, int]]:
        num_frames, height, width, _ = frames.shape
        size = fitted_size(height, width, num_frames=num_frames, budget=self._budget)
        return video_patches(
            resized(frames, size),
            self._preprocessing,
            patch_px=self._patch_px,
            merge=self._merge,
            temporal=self._temporal,
        )

    def _with_places(self, text: str, grid: tuple[int, int, int], fps: float) -> str:
        """The text with one place for each token of the frames."""
        layers, height, width = grid
        of_layer = _VIDEO * (height * width // self._merge**2)
        if self._kind == "qwen2_5_vl":
            return text.replace(_VIDEO, of_layer * layers, 1)
        middle = (self._temporal - 1) / 2
        places = "".join(
            f"<{(layer * self._temporal + middle) / fps:.1f} seconds>{_START}{of_layer}{_END}"
            for layer in range(layers)
        )
        return text.replace(f"{_START}{_VIDEO}{_END}", places, 1)


def _budget(said: dict[str, Any], factor: int, *, does_preprocess: bool) -> PixelBudget:
    """The checkpoint's own where it does the work, else none: sides are only made whole tokens."""
    free = PixelBudget(factor, 1, _NO_LIMIT, _NO_LIMIT)
    if not does_preprocess:
        return free
    size = said.get("size") or {}
    least = said.get("min_pixels") or size.get("shortest_edge") or free.min_pixels
    most = said.get("max_pixels") or size.get("longest_edge") or free.max_pixels
    # Qwen3-VL counts the pixels of all frames, Qwen2.5-VL those of each.
    is_whole = said.get("video_processor_type") == "Qwen3VLVideoProcessor"
    return (
        replace(free, total_pixels=most // 2)
        if is_whole
        else replace(free, min_pixels=least, max_pixels=most)
    )

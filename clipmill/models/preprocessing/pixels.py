"""From frames to the numbers that a vision model reads, as its checkpoint's image processor makes them.

Our own, because the processors for video need torchvision, which has no build for CPU torch. Pictures are
resized by Pillow (antialiased), as the processors without torchvision do.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np
from PIL import Image

CONFIGS = ("preprocessor_config.json", "video_preprocessor_config.json", "processor_config.json")
_PARTS = ("image_processor", "video_processor")

CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
HALF = (0.5, 0.5, 0.5)
"""Means and deviations of pixels in the training of models, for checkpoints that do not say."""


@dataclass(frozen=True)
class Preprocessing:
    """How a frame becomes a picture for the model.

    It is resized to ``resize_px`` ``(height, width)``, or until its shorter side is ``shortest_px``; cut to
    ``crop_px`` ``(height, width)`` around its middle (None: whole); scaled to 0..1; less ``mean``, over
    ``std``, per channel. ``resample`` is Pillow's number of the filter.
    """

    resize_px: tuple[int, int] | None
    shortest_px: int | None = None
    crop_px: tuple[int, int] | None = None
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    resample: int = int(Image.Resampling.BICUBIC)

    def __post_init__(self) -> None:
        if (self.resize_px is None) == (self.shortest_px is None):
            raise ValueError("a picture is resized either to a size or by its shorter side")
        if self.crop_px and self.shortest_px and max(self.crop_px) > self.shortest_px:
            raise ValueError(f"cannot cut {self.crop_px} from pictures of {self.shortest_px} px")


def preprocessing_of(folder: Path, default: Preprocessing) -> Preprocessing:
    """What the checkpoint in ``folder`` says, over ``default``. ValueError for what cannot be done."""
    for name in CONFIGS:
        if (folder / name).is_file():
            record = cast(dict[str, object], json.loads((folder / name).read_bytes()))
            parts = [record[part] for part in _PARTS if isinstance(record.get(part), dict)]
            return _over(default, cast(Mapping[str, object], parts[0] if parts else record))
    return default


def _over(default: Preprocessing, config: Mapping[str, object]) -> Preprocessing:
    changed = default
    if config.get("size") is not None and config.get("do_resize", True):
        changed = _resized(changed, config["size"])
    if config.get("do_center_crop") and config.get("crop_size"):
        height, width = _sides(config["crop_size"])
        changed = replace(changed, crop_px=(height, width))
    if "do_center_crop" in config and not config["do_center_crop"]:
        changed = replace(changed, crop_px=None)
    if isinstance(config.get("resample"), int):
        changed = replace(changed, resample=cast(int, config["resample"]))
    if config.get("do_normalize", True) and config.get("image_mean") and config.get("image_std"):
        mean, std = (rgb(config[name]) for name in ("image_mean", "image_std"))
        changed = replace(changed, mean=mean, std=std)
    if not config.get("do_normalize", True):
        changed = replace(changed, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    return changed


def _resized(preprocessing: Preprocessing, size: object) -> Preprocessing:
    # A number is what the processor of that kind of model takes it for; CLIP's release says no more.
    if isinstance(size, int) and preprocessing.shortest_px is not None:
        size = {"shortest_edge": size}
    if isinstance(size, dict) and "shortest_edge" in size:
        shortest = int(cast(dict[str, int], size)["shortest_edge"])
        return replace(preprocessing, shortest_px=shortest, resize_px=None)
    return replace(preprocessing, resize_px=_sides(size), shortest_px=None)


def _sides(size: object) -> tuple[int, int]:
    """``(height, width)`` of a number or of a record of both."""
    if isinstance(size, int):
        return size, size
    record = cast(Mapping[str, int], size)
    try:
        return int(record["height"]), int(record["width"])
    except KeyError as error:
        raise ValueError(f"pictures of size {dict(record)} are not known here") from error


def rgb(values: object) -> tuple[float, float, float]:
    """Three numbers, one per channel."""
    red, green, blue = cast(list[float], values)
    return float(red), float(green), float(blue)


def pixel_values(frames: np.ndarray, preprocessing: Preprocessing) -> np.ndarray:
    """Float32 ``(T, 3, H, W)`` of uint8 frames ``(T, h, w, 3)`` RGB."""
    pictures = np.stack([_picture(frame, preprocessing) for frame in frames])
    return normalised(pictures, preprocessing).transpose(0, 3, 1, 2)


def normalised(pictures: np.ndarray, preprocessing: Preprocessing) -> np.ndarray:
    """Float32 of uint8 pictures whose last axis is RGB."""
    mean, std = (np.array(values, np.float32) for values in (preprocessing.mean, preprocessing.std))
    return (pictures.astype(np.float32) * np.float32(1 / 255) - mean) / std


def resized(frame: np.ndarray, size_px: tuple[int, int], *, resample: int) -> np.ndarray:
    """A frame uint8 ``(h, w, 3)`` at another size ``(height, width)``."""
    if frame.shape[:2] == size_px:
        return frame
    picture = Image.fromarray(frame).resize((size_px[1], size_px[0]), Image.Resampling(resample))
    return np.asarray(picture)


def _picture(frame: np.ndarray, preprocessing: Preprocessing) -> np.ndarray:
    size_px = preprocessing.resize_px or _by_shorter_side(frame, preprocessing.shortest_px or 0)
    picture = resized(frame, size_px, resample=preprocessing.resample)
    if preprocessing.crop_px is None:
        return picture
    height, width = preprocessing.crop_px
    top, left = (picture.shape[0] - height) // 2, (picture.shape[1] - width) // 2
    return picture[top : top + height, left : left + width]


def _by_shorter_side(frame: np.ndarray, shortest_px: int) -> tuple[int, int]:
    height, width = frame.shape[:2]
    longest_px = int(shortest_px * max(height, width) / min(height, width))
    return (shortest_px, longest_px) if height <= width else (longest_px, shortest_px)

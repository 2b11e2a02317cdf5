"""Our pixels beside those of the checkpoints' own image processors."""

import json
from pathlib import Path

import numpy as np
import pytest
from transformers import CLIPImageProcessorPil, Siglip2ImageProcessorPil, SiglipImageProcessorPil

from clipmill.models.embedding.clip_siglip import default_preprocessing
from clipmill.models.preprocessing.patches import patches_of
from clipmill.models.preprocessing.pixels import Preprocessing, pixel_values, preprocessing_of

DEFAULT = Preprocessing((1, 1))
LEVEL = 1 / 255
SIZES = [(240, 426), (426, 240), (224, 224), (31, 50), (1080, 1920)]


def photo(height: int, width: int) -> np.ndarray:
    """Two frames with edges, gradients and noise."""
    rng = np.random.default_rng(height)
    row, column = np.mgrid[:height, :width]
    waves = 127 + 90 * np.sin(row / 7 + column / 11)[..., None] * np.array([1, 0.7, 0.4])
    noise = rng.normal(0, 12, (2, height, width, 3))
    return (waves + noise).clip(0, 255).astype(np.uint8)


def written(folder: Path, record: dict[str, object], name: str = "preprocessor_config.json") -> Preprocessing:
    (folder / name).write_text(json.dumps(record))
    return preprocessing_of(folder, DEFAULT)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize(
    "kind", [CLIPImageProcessorPil, SiglipImageProcessorPil], ids=lambda kind: kind.__name__
)
def test_pixels_are_those_of_the_processor(kind: type, size: tuple[int, int], tmp_path: Path) -> None:
    processor, frames = kind(), photo(*size)
    expected = processor(list(frames), return_tensors="np")["pixel_values"]
    found = pixel_values(frames, written(tmp_path, processor.to_dict()))
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= LEVEL / min(processor.image_std)


RELEASED_CLIP = {
    "crop_size": 224, "do_center_crop": True, "do_normalize": True, "do_resize": True,
    "feature_extractor_type": "CLIPFeatureExtractor", "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711], "resample": 3, "size": 224,
}  # fmt: skip
"""What lies beside the released CLIP weights, written before processors gave their sizes names."""


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_the_released_clip_cuts_its_pictures_square(size: tuple[int, int], tmp_path: Path) -> None:
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(RELEASED_CLIP))
    frames = photo(*size)
    expected = CLIPImageProcessorPil.from_pretrained(tmp_path)(list(frames), return_tensors="np")
    found = pixel_values(frames, preprocessing_of(tmp_path, default_preprocessing("clip", 224)))
    assert np.abs(found - expected["pixel_values"]).max() <= LEVEL / min(RELEASED_CLIP["image_std"])


@pytest.mark.parametrize("size", SIZES[:4], ids=str)
def test_patches_are_those_of_the_processor(size: tuple[int, int], tmp_path: Path) -> None:
    processor, frames = Siglip2ImageProcessorPil(), photo(*size)
    expected = processor(list(frames), return_tensors="np")
    preprocessing = written(tmp_path, {**processor.to_dict(), "size": None})
    patches, mask, shape = patches_of(frames, preprocessing, patch_px=16, max_patches=256)
    assert np.array_equal(shape, expected["spatial_shapes"])
    assert np.array_equal(mask, expected["pixel_attention_mask"])
    assert np.abs(patches - expected["pixel_values"]).max() <= 2 * LEVEL


def test_a_checkpoint_that_says_nothing_gets_the_default(tmp_path: Path) -> None:
    assert preprocessing_of(tmp_path, DEFAULT) == DEFAULT


def test_a_processors_config_may_hold_the_image_processors(tmp_path: Path) -> None:
    record = {"image_processor": {"size": {"height": 48, "width": 64}}, "processor_class": "P"}
    assert written(tmp_path, record, "processor_config.json").resize_px == (48, 64)


def test_normalisation_can_be_off(tmp_path: Path) -> None:
    record = {"size": 20, "do_normalize": False, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    preprocessing = written(tmp_path, record)
    assert (preprocessing.mean, preprocessing.std) == ((0, 0, 0), (1, 1, 1))
    assert preprocessing.resize_px == (20, 20)


def test_a_size_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="longest_edge"):
        written(tmp_path, {"size": {"longest_edge": 512}})

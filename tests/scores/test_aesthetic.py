"""The aesthetic head, without the encoder."""

import numpy as np
import pytest

from clipmill.scores.aesthetic import LAYERS, affine_head

SIZES = (768, 1024, 128, 64, 16, 1)


def released(seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    arrays: dict[str, np.ndarray] = {}
    for number, one, other in zip(LAYERS, SIZES, SIZES[1:], strict=False):
        arrays[f"layers.{number}.weight"] = (rng.normal(size=(other, one)) / np.sqrt(one)).astype(np.float32)
        arrays[f"layers.{number}.bias"] = rng.normal(size=other).astype(np.float32)
    return arrays


def test_five_layers_are_one_affine_map() -> None:
    arrays = released()
    features = np.random.default_rng(1).normal(size=(50, 768))
    features = (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(np.float32)
    rows = features.astype(np.float64)
    for number in LAYERS:
        rows = rows @ arrays[f"layers.{number}.weight"].T.astype(np.float64) + arrays[f"layers.{number}.bias"]
    found = affine_head(arrays).scores(features)
    assert (found.shape, found.dtype) == ((50,), np.float32)
    assert np.abs(found - rows[:, 0]).max() < 1e-5


@pytest.mark.parametrize("number", LAYERS)
def test_a_missing_layer_is_named(number: int) -> None:
    arrays = released()
    del arrays[f"layers.{number}.weight"]
    with pytest.raises(ValueError, match=rf"layers\.{number}\.weight is missing"):
        affine_head(arrays)


def test_a_key_too_many_is_named() -> None:
    with pytest.raises(ValueError, match=r"layers\.9\.bias is not known"):
        affine_head(released() | {"layers.9.bias": np.zeros(1)})


def test_layers_that_do_not_fit_each_other_are_named() -> None:
    with pytest.raises(ValueError, match=r"layers\.2 has the shapes \(7, 1024\)"):
        affine_head(released() | {"layers.2.weight": np.zeros((7, 1024))})

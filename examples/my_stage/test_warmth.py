"""Tests of the example stage: one on frames made by hand, one on a video."""

from pathlib import Path

import numpy as np
import pytest
from warmth import WarmthFilter

from clipmill.testing import clip_item, run_items


@pytest.fixture
def weights(tmp_path: Path) -> str:
    """Weights of a model that likes red and dislikes blue."""
    path = tmp_path / "weights.npz"
    np.savez(path, weights=np.array([6.0, 0.0, -6.0]), bias=0.0)
    return str(path)


def test_red_is_warmer_than_blue(weights: str) -> None:
    frames = np.zeros((2, 48, 64, 3), np.uint8)
    red, blue = frames.copy(), frames.copy()
    red[..., 0] = blue[..., 2] = 255
    items = [clip_item("red", frames=red), clip_item("blue", frames=blue)]
    rows = run_items(WarmthFilter(weights=weights, threshold=0.5), items).to_pylist()
    assert rows[0]["warmth"] > 0.99
    assert rows[0]["reason"] is None
    assert rows[1]["reason"] == "too_cold"


def test_other_weights_are_another_result(weights: str, tmp_path: Path) -> None:
    other = tmp_path / "other.npz"
    np.savez(other, weights=np.zeros(3), bias=0.0)
    revisions = {WarmthFilter(weights=str(path)).models()[0].revision for path in (weights, other)}
    assert len(revisions) == 2

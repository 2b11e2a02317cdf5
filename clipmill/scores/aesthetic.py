"""The head that scores pictures by their CLIP features, as an affine map. Numpy only.

LAION's predictor (Schuhmann, "improved-aesthetic-predictor", 2022) is five linear layers with dropout between
them and no activation: where nothing is dropped, they are one linear map.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

LAYERS = (0, 2, 4, 6, 7)
"""Numbers of the linear layers in the released keys, ``layers.<number>.weight`` and ``.bias``."""


@dataclass(frozen=True)
class AffineHead:
    """Scores are ``features @ weight + bias``; ``weight`` is float64 ``(D,)``."""

    weight: np.ndarray
    bias: float

    def scores(self, features: np.ndarray) -> np.ndarray:
        """Float32 ``(n,)`` of unit features ``(n, D)``, about 1 (ugly) to 10 (beautiful)."""
        return (features.astype(np.float64) @ self.weight + self.bias).astype(np.float32)


def affine_head(arrays: Mapping[str, np.ndarray]) -> AffineHead:
    """Collapse the released layers. ValueError naming a key that is missing or too many, or has no shape."""
    wanted = {f"layers.{number}.{part}" for number in LAYERS for part in ("weight", "bias")}
    odd = sorted(wanted ^ set(arrays))
    if odd:
        raise ValueError(f"{odd[0]} is {'missing' if odd[0] in wanted else 'not known'}")
    weight, bias = np.ones((1, 1)), np.zeros(1)
    for number in reversed(LAYERS):
        layer, offset = (arrays[f"layers.{number}.{part}"].astype(np.float64) for part in ("weight", "bias"))
        if layer.ndim != 2 or layer.shape[0] != weight.shape[1] or offset.shape != layer.shape[:1]:
            raise ValueError(f"layers.{number} has the shapes {layer.shape} and {offset.shape}")
        weight, bias = weight @ layer, weight @ offset + bias
    return AffineHead(weight[0], float(bias[0]))

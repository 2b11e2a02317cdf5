"""Checkpoints of TransNetV2: at random, and one made by hand that finds cuts by colour."""

from pathlib import Path

import torch
from torch import Tensor

from clipmill.models.shots.transnetv2 import TransNetV2

PLACE = "Sn4kehead/TransNetV2/transnetv2-pytorch-weights.pth"


def random_weights(seed: int = 0) -> dict[str, Tensor]:
    """Answers spread over 0..1, so that a wrong layer shows."""
    torch.manual_seed(seed)
    weights = TransNetV2().state_dict()
    for key, weight in weights.items():
        if key.endswith("running_var"):
            weight.uniform_(0.05, 0.3)
        elif key.endswith(("bn.bias", "running_mean")):
            weight.normal_(0, 0.05)
        elif key == "cls_layer1.weight":
            weight.normal_(0, 0.5)
        elif key == "cls_layer1.bias":
            weight.fill_(3)
    return weights


def cut_finding_weights() -> dict[str, Tensor]:
    """Marks a frame whose colours are more like those of the frame before than like those of the next.

    One unit of the histogram branch does it; everything else of the network computes, and counts nothing.
    """
    weights = random_weights()
    for key in ("color_hist_layer.fc", "fc1", "cls_layer1"):
        weights[f"{key}.weight"].zero_()
        weights[f"{key}.bias"].zero_()
    weights["color_hist_layer.fc.weight"][0, 49] = 10
    weights["color_hist_layer.fc.weight"][0, 51] = -10
    weights["fc1.weight"][0, 0] = 1
    weights["cls_layer1.weight"][0, 0] = 4
    weights["cls_layer1.bias"][0] = -4
    return weights


def save(weights: dict[str, Tensor], model_dir: Path) -> Path:
    """Where a store has them."""
    path = model_dir / PLACE
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(weights, path)
    return path

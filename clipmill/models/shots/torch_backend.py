"""TransNetV2 by PyTorch, on a CPU or a GPU."""

# pyright: reportMissingImports=false

import logging
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from clipmill.models.runtime import Batches, torch_device, use_threads
from clipmill.models.shots.base import Precision, colour_histograms
from clipmill.models.shots.transnetv2 import load_network

logger = logging.getLogger(__name__)

GPU_BATCH = 16


class TorchShotNetwork:
    """``batch_windows`` at once; when they do not fit into the GPU's memory, half as many, and so on."""

    def __init__(
        self,
        checkpoint: Path,
        *,
        device: Literal["auto", "cpu", "cuda"],
        precision: Precision,
        batch_windows: int | None,
    ) -> None:
        use_threads(1)
        self._device = torch_device(device)
        self._network = load_network(checkpoint).to(self._device)
        self.precision: Precision = _available(precision, self._device)
        self._batches = Batches(batch_windows or (GPU_BATCH if self._device.type == "cuda" else 1))

    @property
    def batch_windows(self) -> int:
        return self._batches.size

    def predict(self, windows: np.ndarray) -> np.ndarray:
        if not len(windows):
            return np.zeros(windows.shape[:2], np.float32)
        return self._batches.run(windows, self._answer)

    def _answer(self, windows: np.ndarray) -> np.ndarray:
        num_windows, length = windows.shape[:2]
        histograms = colour_histograms(windows.reshape(-1, *windows.shape[2:]))
        frames = torch.from_numpy(np.ascontiguousarray(windows)).to(self._device)
        colours = torch.from_numpy(histograms.reshape(num_windows, length, -1)).to(self._device)
        with torch.inference_mode(), self._arithmetic():
            return self._network(frames, colours).float().cpu().numpy()

    def _arithmetic(self) -> AbstractContextManager[object]:
        is_narrow = self.precision == "bfloat16"
        return torch.autocast(self._device.type, dtype=torch.bfloat16, enabled=is_narrow)


def _available(precision: Precision, device: torch.device) -> Precision:
    """``bfloat16`` only where the processor computes in it: elsewhere it is slower, not faster."""
    if precision == "bfloat16" and device.type == "cpu" and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        logger.info("this processor has no bfloat16: TransNetV2 runs in float32")
        return "float32"
    return precision

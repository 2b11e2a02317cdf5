"""TransNetV2 for OpenVINO: ``python -m clipmill.models.shots.openvino_convert CHECKPOINT MODEL.xml``.

A process of its own, so that what converts (PyTorch, half a GB) never stays with what predicts.
"""

# pyright: reportMissingImports=false

import json
import sys
from pathlib import Path

import numpy as np
import openvino
import torch
from openvino.frontend import FrontEndManager
from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

from clipmill.errors import ModelUnavailable
from clipmill.models.shots.base import NUM_BINS, colour_histograms
from clipmill.models.shots.transnetv2 import load_network
from clipmill.shots.windows import WINDOW_FRAMES

FRAMES = (WINDOW_FRAMES, 27, 48, 3)


def convert(checkpoint: Path, target: Path) -> None:
    """Write the network for single windows, in float32: ``target`` and a ``.bin`` beside it."""
    example = np.zeros(FRAMES, np.uint8)
    inputs = (torch.from_numpy(example)[None], torch.from_numpy(colour_histograms(example))[None])
    # Not by openvino.convert_model, which reports each use to its makers.
    with torch.no_grad():
        decoder = TorchScriptPythonDecoder(load_network(checkpoint), example_input=inputs)
    frontend = FrontEndManager().load_by_framework("pytorch")
    model = frontend.convert(frontend.load(decoder))
    model.reshape({0: [1, *FRAMES], 1: [1, WINDOW_FRAMES, NUM_BINS]})
    openvino.save_model(model, target, compress_to_fp16=False)


def main(checkpoint: str, target: str) -> int:
    """1, and the fault as JSON, for a checkpoint that is none."""
    try:
        convert(Path(checkpoint), Path(target))
    except ModelUnavailable as error:
        print(json.dumps([error.cause, error.remedy]))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

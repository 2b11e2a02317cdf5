"""TransNetV2 by OpenVINO, on the CPU; PyTorch is needed only to convert the weights, once per machine."""

# pyright: reportMissingImports=false

import json
import logging
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import openvino

from clipmill.errors import ModelUnavailable
from clipmill.models.shots.base import Precision, colour_histograms
from clipmill.models.weights.places import node_cache
from clipmill.storage import local

logger = logging.getLogger(__name__)

_PACKAGE_ROOT = str(Path(__file__).resolve().parents[3])
CONVERSION = 1
"""Counts what changes the converted network for the same weights."""


class OpenVinoShotNetwork:
    """One window after the other: together they are no faster on a CPU."""

    batch_windows = 1

    def __init__(self, checkpoint: Path, *, digest: str, precision: Precision) -> None:
        core = openvino.Core()
        if precision == "bfloat16" and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            logger.info("this processor has no bfloat16: TransNetV2 runs in float32")
            precision = "float32"
        self.precision: Precision = precision
        options = {
            "INFERENCE_PRECISION_HINT": {"float32": "f32", "bfloat16": "bf16"}[precision],
            "INFERENCE_NUM_THREADS": 1,
            "PERFORMANCE_HINT": "LATENCY",
            "ENABLE_CPU_PINNING": False,  # several workers would be pinned to the same core
        }
        self._network = core.compile_model(core.read_model(_converted(checkpoint, digest)), "CPU", options)

    def predict(self, windows: np.ndarray) -> np.ndarray:
        answers = [self._network((window[None], colour_histograms(window)[None]))[0][0] for window in windows]
        return np.stack(answers) if answers else np.zeros(windows.shape[:2], np.float32)


def _converted(checkpoint: Path, digest: str) -> Path:
    """The network for OpenVINO, from this machine's temporary files; made where it is not there yet."""
    name = f"{digest[:32]}-{openvino.__version__.partition('-')[0]}-{CONVERSION}"
    folder = node_cache() / "transnetv2-openvino" / name
    model = folder / "model.xml"
    with local.turns(str(folder)):
        if not model.exists():
            unfinished = folder.with_name(local.temporary_name())
            unfinished.mkdir()
            try:
                _convert(checkpoint, unfinished / model.name)
                unfinished.rename(folder)
            finally:
                shutil.rmtree(unfinished, ignore_errors=True)
    return model


def _convert(checkpoint: Path, target: Path) -> None:
    if find_spec("torch") is None:
        cause = "torch, which converts it for OpenVINO once, is not installed"
        raise ModelUnavailable("transnetv2", str(checkpoint), cause, "install it, or clipmill[models]")
    search_path = os.pathsep.join(filter(None, [_PACKAGE_ROOT, os.environ.get("PYTHONPATH")]))
    ended = subprocess.run(
        [sys.executable, "-m", "clipmill.models.shots.openvino_convert", str(checkpoint), str(target)],
        env={**os.environ, "PYTHONPATH": search_path},
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode:
        raise ModelUnavailable("transnetv2", str(checkpoint), *_fault(ended.stdout, ended.stderr))


def _fault(output: str, errors: str) -> tuple[str, str]:
    """Cause and remedy, as the process that converts put them."""
    try:
        cause, remedy = json.loads(output)
    except ValueError:
        last_line = errors.strip().rpartition("\n")[2]
        return f"it could not be converted for OpenVINO ({last_line})", "say backend: torch"
    return cause, remedy

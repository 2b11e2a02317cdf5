"""Opens the network that tells, frame by frame, whether a shot changes."""

from collections.abc import Callable
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from clipmill.errors import ModelUnavailable
from clipmill.models.registry import model_named
from clipmill.models.shots.base import ComputingNetwork, Precision, ShotNetwork, ShotNetworkOptions
from clipmill.models.weights.resolve import weights_of
from clipmill.shots.windows import CONTEXT, STRIDE

MODEL = "transnetv2"

NVIDIA_DRIVER = Path("/proc/driver/nvidia")
"""Tells of a GPU without PyTorch, which OpenVINO does without."""

MARGIN = 0.03
"""Twice as far as bfloat16 moved any probability near the threshold, with the released weights."""


class MixedPrecisionShotNetwork:
    """Answers of ``quick``, but of ``exact`` for windows that say of a frame nearly ``threshold``.

    ``exact`` is opened when it is first needed, which many videos never do.
    """

    def __init__(self, quick: ShotNetwork, exact: Callable[[], ShotNetwork], *, threshold: float) -> None:
        self._quick = quick
        self._open_exact = exact
        self._threshold = threshold

    @property
    def batch_windows(self) -> int:
        """As ``quick`` likes it."""
        return self._quick.batch_windows

    @cached_property
    def _exact(self) -> ShotNetwork:
        return self._open_exact()

    def predict(self, windows: np.ndarray) -> np.ndarray:
        answers = self._quick.predict(windows)
        believed = answers[:, CONTEXT : CONTEXT + STRIDE]
        near = np.flatnonzero((np.abs(believed - self._threshold) < MARGIN).any(axis=1))
        if len(near):
            answers[near] = self._exact.predict(windows[near])
        return answers


def open_shot_network(spec: ShotNetworkOptions) -> ShotNetwork:
    """The network that ``spec`` asks for, on one core; weights that are not in its ``model_dir`` are fetched.

    ModelUnavailable when there are none, when they are not TransNetV2's, or when the backend asked for is not
    installed.
    """
    weights = weights_of(model_named(MODEL), model_dir=spec.model_dir, revision=spec.revision)
    path = _checkpoint(weights.folder)
    try:
        return _opened(spec, path, weights.digest)
    except ModuleNotFoundError as error:
        remedy = "install it, or clipmill[models]"
        raise ModelUnavailable(MODEL, str(path), f"{error.name} is not installed", remedy) from error


def _opened(spec: ShotNetworkOptions, path: Path, digest: str) -> ShotNetwork:
    is_openvino = _backend(spec) == "openvino"

    def network(precision: Precision) -> ComputingNetwork:
        if is_openvino:
            from clipmill.models.shots.openvino_backend import OpenVinoShotNetwork

            return OpenVinoShotNetwork(path, digest=digest, precision=precision)
        from clipmill.models.shots.torch_backend import TorchShotNetwork

        return TorchShotNetwork(
            path, device=spec.device, precision=precision, batch_windows=spec.batch_windows
        )

    if spec.precision != "auto":
        return network(spec.precision)
    quick = network("bfloat16")
    if quick.precision == "float32":
        return quick
    return MixedPrecisionShotNetwork(quick, lambda: network("float32"), threshold=spec.threshold)


def _backend(spec: ShotNetworkOptions) -> str:
    if spec.backend != "auto":
        return spec.backend
    is_on_cpu = spec.device == "cpu" or (spec.device == "auto" and not NVIDIA_DRIVER.exists())
    return "openvino" if is_on_cpu and find_spec("openvino") else "torch"


def _checkpoint(folder: Path) -> Path:
    """The one file of weights in a folder."""
    found = sorted((*folder.glob("*.pth"), *folder.glob("*.safetensors")))
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "no file of weights"
        raise ModelUnavailable(MODEL, str(folder), f"it holds {names}", "leave one .pth or .safetensors file")
    return found[0]

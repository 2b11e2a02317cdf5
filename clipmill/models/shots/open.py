"""Opens the network that tells, frame by frame, whether a shot changes."""

from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from clipmill.errors import ModelUnavailable
from clipmill.models.registry import model_named
from clipmill.models.shots.base import ComputingNetwork, Precision, ShotNetwork, ShotNetworkOptions
from clipmill.models.weights.resolve import weights_of

MODEL = "transnetv2"

NVIDIA_DRIVER = Path("/proc/driver/nvidia")
"""Tells of a GPU without PyTorch, which OpenVINO does without."""


def open_shot_network(spec: ShotNetworkOptions, *, num_threads: int = 1) -> ShotNetwork:
    """The network that ``spec`` asks for; weights that are not in its ``model_dir`` are fetched.

    ModelUnavailable when there are none, when they are not TransNetV2's, or when the backend asked for is not
    installed.
    """
    weights = weights_of(model_named(MODEL), model_dir=spec.model_dir, revision=spec.revision)
    path = _checkpoint(weights.folder)
    try:
        return _opened(spec, path, weights.digest, num_threads)
    except ModuleNotFoundError as error:
        remedy = "install it, or clipmill[models]"
        raise ModelUnavailable(MODEL, str(path), f"{error.name} is not installed", remedy) from error


def _opened(spec: ShotNetworkOptions, path: Path, digest: str, num_threads: int) -> ShotNetwork:
    opened = partial(_OPENERS[_backend(spec)], spec, path, digest, num_threads)
    if spec.precision != "auto":
        return opened(spec.precision)
    quick = opened("bfloat16")
    if quick.precision == "float32":
        return quick
    from clipmill.models.shots.mixed_precision import MixedPrecisionShotNetwork

    return MixedPrecisionShotNetwork(quick, partial(opened, "float32"), threshold=spec.threshold)


def _openvino(
    _spec: ShotNetworkOptions, path: Path, digest: str, num_threads: int, precision: Precision
) -> ComputingNetwork:
    from clipmill.models.shots.openvino_backend import OpenVinoShotNetwork

    return OpenVinoShotNetwork(path, digest=digest, precision=precision, num_threads=num_threads)


def _torch(
    spec: ShotNetworkOptions, path: Path, _digest: str, num_threads: int, precision: Precision
) -> ComputingNetwork:
    from clipmill.models.shots.torch_backend import TorchShotNetwork

    return TorchShotNetwork(
        path,
        device=spec.device,
        precision=precision,
        batch_windows=spec.batch_windows,
        num_threads=num_threads,
    )


_OPENERS: dict[str, Callable[..., ComputingNetwork]] = {"openvino": _openvino, "torch": _torch}


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

"""Who computes the products: faiss and numpy on the CPU, torch also on a GPU, cuML all of k-means."""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from clipmill.dedup import pairwise
from clipmill.dedup.backend_name import DedupBackend
from clipmill.dedup.vectors import Indices, Unit
from clipmill.errors import SpecError

_NEEDS = {"torch": ("torch", "models"), "cuml": ("cuml", "cuml")}  # module and extra
_GPU = Path("/dev/nvidiactl")


class NearestFew(Protocol):
    """Finds the most similar of a set of directions for each row."""

    def __call__(
        self, unit: Unit, directions: Unit, *, count: int, block_rows: int
    ) -> tuple[Indices, npt.NDArray[np.float32]]:
        """Indices and cosine similarities, both ``(N, count)``, best first; both inputs have unit length."""
        ...


class NearestEarlier(Protocol):
    """Finds each row's most similar earlier row."""

    def __call__(self, unit: Unit, *, batch_size: int) -> tuple[Indices, npt.NDArray[np.float64]]:
        """As ``pairwise.nearest_earlier``."""
        ...


def resolve(name: DedupBackend) -> Literal["faiss", "numpy", "torch", "cuml"]:
    """The backend itself: ``auto`` is torch where that sees a GPU, else faiss.

    SpecError names what a backend needs that is not installed.
    """
    if name == "auto":
        return "torch" if _torch_sees_a_gpu() else "faiss"
    if name in _NEEDS:
        module, extra = _NEEDS[name]
        if importlib.util.find_spec(module) is None:
            raise SpecError(f"dedup.backend: {name} needs {module}, which the extra {extra} installs")
    return name


def nearest_few_by(name: DedupBackend) -> NearestFew:
    """How a backend looks for the nearest directions; cuML has k-means only, the rest of it faiss does."""
    return _LOADERS[resolve(name)]()


def nearest_earlier_by(name: DedupBackend) -> NearestEarlier:
    """How a backend looks for pairs: torch on a GPU or not, numpy for all others."""
    if resolve(name) == "torch":
        from clipmill.dedup.backends import torch_backend

        return torch_backend.nearest_earlier
    return pairwise.nearest_earlier


def _torch_sees_a_gpu() -> bool:
    if not _GPU.exists() or importlib.util.find_spec("torch") is None:
        return False
    from clipmill.dedup.backends import torch_backend

    return torch_backend.has_gpu()


def _faiss() -> NearestFew:
    from clipmill.dedup.backends import faiss_backend

    return faiss_backend.nearest_few


def _numpy() -> NearestFew:
    from clipmill.dedup.backends import numpy_backend

    return numpy_backend.nearest_few


def _torch() -> NearestFew:
    from clipmill.dedup.backends import torch_backend

    return torch_backend.nearest_few


_LOADERS: dict[str, Callable[[], NearestFew]] = {
    "faiss": _faiss,
    "numpy": _numpy,
    "torch": _torch,
    "cuml": _faiss,
}

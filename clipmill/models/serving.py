"""Opening models that write text: which backend, which weights, and whether all of it is there.

Backends are imported where they are opened: the core needs none of their libraries.
"""

# pyright: reportMissingImports=false

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from clipmill.errors import ModelUnavailable
from clipmill.models import endpoint_check
from clipmill.models.chat import ChatModel
from clipmill.models.table import ModelEntry
from clipmill.models.weights import check_weights, weights_of
from clipmill.stages.video.caption.serving import Backend, ServedModel
from clipmill.used_models import UsedModel, model_of


def check_model(spec: ServedModel) -> None:
    """ModelUnavailable, with what helps, unless the model could be opened; before any video is decoded."""
    if spec.is_remote:
        endpoint_check.check_endpoint(spec)
    else:
        used = model_of(spec)
        _check_kind(spec, used)
        check_weights([used.entry], model_dir=used.model_dir, revision=spec.revision)


def backend_of(spec: ServedModel) -> Backend:
    """What ``auto`` means on this machine."""
    if spec.backend != "auto":
        return spec.backend
    if spec.is_remote:
        return "endpoint"
    if model_of(spec).entry.environment != "vllm":
        return "transformers"
    has_vllm = importlib.util.find_spec("vllm") is not None and spec.device != "cpu"
    return "vllm" if has_vllm and _has_gpu() else "transformers"


def _has_gpu() -> bool:
    if importlib.util.find_spec("torch") is None:
        return False
    import torch

    return torch.cuda.is_available()


@dataclass(frozen=True)
class Opened:
    """A model that runs, who it is, and of which revision."""

    chat: ChatModel
    model: str
    revision: str


def open_model(spec: ServedModel, *, num_threads: int, in_flight: int) -> Opened:
    """The model of a stage, on ``num_threads`` cores, kept at ``in_flight`` requests.

    ModelUnavailable with what helps.
    """
    backend = backend_of(spec)
    if backend == "endpoint":
        from clipmill.models.endpoint import open_endpoint

        return Opened(open_endpoint(spec), spec.endpoint_model or "", "")
    used = model_of(spec)
    _check_kind(spec, used)
    _check_backend(spec, backend, used)
    weights = weights_of(used.entry, model_dir=used.model_dir, revision=spec.revision)
    chat = _LOCAL[backend](spec, used.entry, weights.folder, num_threads, in_flight)
    return Opened(chat, used.entry.source, weights.revision or weights.digest)


def _open_transformers(
    spec: ServedModel, entry: ModelEntry, folder: Path, num_threads: int, in_flight: int
) -> ChatModel:
    from clipmill.models.chat_transformers import open_transformers

    return open_transformers(spec, entry, folder, num_threads=num_threads, batch_size=in_flight)


def _open_vllm(
    spec: ServedModel, entry: ModelEntry, folder: Path, _num_threads: int, in_flight: int
) -> ChatModel:
    from clipmill.models.chat_vllm import open_vllm

    return open_vllm(spec, entry, folder, in_flight=in_flight)


_LOCAL: dict[str, Callable[[ServedModel, ModelEntry, Path, int, int], ChatModel]] = {
    "transformers": _open_transformers,
    "vllm": _open_vllm,
}
_ENVIRONMENT = {"transformers": "models", "vllm": "vllm"}


def _check_kind(spec: ServedModel, used: UsedModel) -> None:
    if spec.backend == "vllm" and used.entry.environment != "vllm":
        cause = "vLLM does not show it videos"
        raise ModelUnavailable(used.entry.name, used.model_dir, cause, "say backend: transformers, or auto")


def _check_backend(spec: ServedModel, backend: str, used: UsedModel) -> None:
    if importlib.util.find_spec(backend) is None:
        remedy = f"install the {_ENVIRONMENT[backend]} extra, or name an endpoint_url"
        raise ModelUnavailable(used.entry.name, used.model_dir, f"{backend} is not installed here", remedy)
    if spec.fp8 and backend == "transformers":
        cause = "the transformers backend has no fp8"
        raise ModelUnavailable(used.entry.name, used.model_dir, cause, "leave fp8 out, or use vllm on a GPU")

"""Opening models that write text: which backend, which weights, and whether all of it is there.

Backends are imported where they are opened: the core needs none of their libraries.
"""

# pyright: reportMissingImports=false

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from clipmill.errors import ModelUnavailable
from clipmill.models.captioning.chat import ChatModel
from clipmill.models.captioning.options import Backend, ServingOptions
from clipmill.models.captioning.weights import ServedWeights, weights_meant
from clipmill.models.registry import ModelEntry
from clipmill.models.weights.resolve import check_weights, weights_of


def check_model(options: ServingOptions) -> None:
    """ModelUnavailable, with what helps, unless the model could be opened; before any video is decoded."""
    if options.endpoint:
        from clipmill.models.captioning.backends.endpoint_check import check_endpoint

        check_endpoint(options.endpoint)
    else:
        meant = weights_meant(options)
        _check_kind(options, meant)
        check_weights([meant.entry], model_dir=meant.model_dir, revision=options.weights.revision)


def backend_of(options: ServingOptions) -> Backend:
    """What ``auto`` means on this machine."""
    if options.backend != "auto":
        return options.backend
    if options.endpoint:
        return "endpoint"
    if weights_meant(options).entry.environment != "vllm":
        return "transformers"
    has_vllm = importlib.util.find_spec("vllm") is not None and options.device != "cpu"
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


def open_model(options: ServingOptions, *, num_threads: int) -> Opened:
    """The model of a stage, on ``num_threads`` cores. ModelUnavailable with what helps."""
    if options.endpoint:
        from clipmill.models.captioning.backends.endpoint import open_endpoint

        return Opened(open_endpoint(options, options.endpoint), options.endpoint.model, "")
    backend = backend_of(options)
    meant = weights_meant(options)
    _check_kind(options, meant)
    _check_backend(options, backend, meant)
    weights = weights_of(meant.entry, model_dir=meant.model_dir, revision=options.weights.revision)
    chat = _LOCAL[backend](options, meant.entry, weights.folder, num_threads)
    return Opened(chat, meant.entry.source, weights.revision or weights.digest)


def _open_transformers(
    options: ServingOptions, entry: ModelEntry, folder: Path, num_threads: int
) -> ChatModel:
    from clipmill.models.captioning.backends.transformers_backend import open_transformers

    return open_transformers(options, entry, folder, num_threads=num_threads)


def _open_vllm(options: ServingOptions, entry: ModelEntry, folder: Path, _num_threads: int) -> ChatModel:
    from clipmill.models.captioning.backends.vllm_backend import open_vllm

    return open_vllm(options, entry, folder)


_LOCAL: dict[str, Callable[[ServingOptions, ModelEntry, Path, int], ChatModel]] = {
    "transformers": _open_transformers,
    "vllm": _open_vllm,
}
_ENVIRONMENT = {"transformers": "models", "vllm": "vllm"}


def _check_kind(options: ServingOptions, meant: ServedWeights) -> None:
    if options.backend == "vllm" and meant.entry.environment != "vllm":
        cause, remedy = "vLLM does not show it videos", "say backend: transformers, or auto"
        raise ModelUnavailable(meant.entry.name, meant.model_dir, cause, remedy)


def _check_backend(options: ServingOptions, backend: str, meant: ServedWeights) -> None:
    if importlib.util.find_spec(backend) is None:
        remedy = f"install the {_ENVIRONMENT[backend]} extra, or name an endpoint_url"
        raise ModelUnavailable(meant.entry.name, meant.model_dir, f"{backend} is not installed here", remedy)
    if options.fp8 and backend == "transformers":
        cause, remedy = "the transformers backend has no fp8", "leave fp8 out, or use vllm on a GPU"
        raise ModelUnavailable(meant.entry.name, meant.model_dir, cause, remedy)

"""Opening models that write text: which backend, which weights, and whether all of it is there.

Backends are imported where they are opened: the core needs none of their libraries.
"""

# pyright: reportMissingImports=false

import importlib.util

from clipmill.errors import ModelUnavailable
from clipmill.models.captioning.chat import ChatModel
from clipmill.models.captioning.options import Backend, ServedWeights, ServingOptions, weights_meant
from clipmill.models.runtime import num_gpus_here
from clipmill.models.weights.resolve import check_weights, weights_of


def check_model(options: ServingOptions) -> None:
    """ModelUnavailable, with what helps, unless the model could be opened; before any video is decoded."""
    if options.endpoint:
        from clipmill.models.captioning.backends.endpoint import check_endpoint

        check_endpoint(options.endpoint)
    else:
        meant = weights_meant(options)
        if fault := _shows_no_videos(options, meant):
            raise ModelUnavailable(meant.entry.name, meant.model_dir, *fault)
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
    return "vllm" if has_vllm and num_gpus_here() else "transformers"


def open_model(options: ServingOptions, *, num_threads: int) -> ChatModel:
    """The model of a stage, on ``num_threads`` cores. ModelUnavailable with what helps."""
    if options.endpoint:
        from clipmill.models.captioning.backends.endpoint import EndpointModel

        return EndpointModel(options, options.endpoint)
    backend = backend_of(options)
    meant = weights_meant(options)
    if fault := _shows_no_videos(options, meant) or _backend_fault(options, backend):
        raise ModelUnavailable(meant.entry.name, meant.model_dir, *fault)
    folder = weights_of(meant.entry, model_dir=meant.model_dir, revision=options.weights.revision).folder
    if backend == "vllm":
        from clipmill.models.captioning.backends.vllm_backend import open_vllm

        return open_vllm(options, meant.entry, folder)
    from clipmill.models.captioning.backends.transformers_backend import open_transformers

    return open_transformers(options, meant.entry, folder, num_threads=num_threads)


def _shows_no_videos(options: ServingOptions, meant: ServedWeights) -> tuple[str, str] | None:
    """Cause and remedy for a model that vLLM shows pictures only."""
    if options.backend == "vllm" and meant.entry.environment != "vllm":
        return "vLLM does not show it videos", "say backend: transformers, or auto"
    return None


def _backend_fault(options: ServingOptions, backend: str) -> tuple[str, str] | None:
    """Cause and remedy for a backend that is not here, or does not do what is asked."""
    if importlib.util.find_spec(backend) is None:
        extra = {"transformers": "models"}.get(backend, backend)
        return f"{backend} is not installed here", f"install the {extra} extra, or name an endpoint_url"
    if options.fp8 and backend == "transformers":
        return "the transformers backend has no fp8", "leave fp8 out, or use vllm on a GPU"
    return None

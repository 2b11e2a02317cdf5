"""The weights that a stage's options mean: a model of the table, or a hub id, a folder or a URI. Pure."""

from dataclasses import dataclass, replace
from pathlib import PurePath

from clipmill.errors import SpecError
from clipmill.models.captioning.options import ServingOptions
from clipmill.models.registry import MODELS, ModelEntry, ModelKind, entry_of, is_place, model_named

LANGUAGE_MODELS = {"qwen": "qwen_lm", "qwen2.5": "qwen_lm", "qwen3": "qwen3_lm"}
"""Variant of the enhancement -> model of the table."""
SERVED_LIKE: dict[ModelKind, str] = {"caption": "qwen", "language": "qwen_lm"}
"""Whose backend and environment a model has that a stage names by its id."""


@dataclass(frozen=True)
class ServedWeights:
    """An entry of the table of models, the place of its weights, and their revision."""

    entry: ModelEntry
    model_dir: str
    revision: str


def weights_meant(options: ServingOptions) -> ServedWeights:
    """Returns the weights of a variant, or those that the options name themselves.

    SpecError for a variant that the table does not have, or has for something else.
    """
    kind: ModelKind = "caption" if options.vision else "language"
    chosen = options.weights
    if chosen.model is None:
        name = chosen.variant if kind == "caption" else LANGUAGE_MODELS.get(chosen.variant, chosen.variant)
        return _served(_of_kind(_variant(name, kind), kind), chosen.model_dir, chosen.revision)
    like = model_named(SERVED_LIKE[kind])
    if is_place(chosen.model):
        entry = replace(like, name=chosen.model, source=PurePath(chosen.model).name, revision="main")
        return _served(entry, chosen.model, chosen.revision)
    entry = replace(like, name=chosen.model, source=chosen.model, revision="main")
    return _served(entry, chosen.model_dir, chosen.revision)


def worker_environment(options: ServingOptions) -> str:
    """Returns the extra in which a worker finds the backend: ``core`` for an endpoint, vLLM's for GPUs."""
    if options.endpoint:
        return "core"
    is_for_vllm = options.backend != "transformers" and options.device != "cpu"
    return weights_meant(options).entry.environment if is_for_vllm else "models"


def _served(entry: ModelEntry, model_dir: str, revision: str | None) -> ServedWeights:
    return ServedWeights(entry, model_dir, revision or entry.revision)


def _variant(name: str, kind: ModelKind) -> ModelEntry:
    entry = entry_of(name)
    if entry.kind == "own":
        known = ", ".join(one.name for one in MODELS if one.kind == kind)
        raise SpecError(
            f"there is no {kind} model {name!r}; known are {known}; for any other name its id on the hub as "
            "model, or a server that runs it as endpoint_url"
        )
    return entry


def _of_kind(entry: ModelEntry, kind: ModelKind) -> ModelEntry:
    if entry.kind != kind:
        raise SpecError(f"{entry.name} is a model of kind {entry.kind}, not {kind}: name another")
    return entry

"""Mirrors the weights of models into a store; workers then read them there."""

from flytekit import task

from clipmill.models.registry import model_named
from clipmill.models.weights.mirror import mirror
from images import MODELS_IMAGE
from tasks.faults import retried_by_flyte
from tasks.hardware import FETCH


@task(container_image=MODELS_IMAGE, **FETCH)
def fetch_models(names: list[str], store: str, model_dir: str) -> list[str]:
    """Copy each model's weights to the store, from ``model_dir`` or, where that is empty, from the hub."""
    entries = [model_named(name) for name in names]
    with retried_by_flyte():
        return [mirror(entry, into=store, model_dir=model_dir) for entry in entries]

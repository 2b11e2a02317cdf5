"""Video curation: one decode per video, clips, scores, embeddings, previews, deduplication."""

from importlib import import_module
from types import ModuleType

from clipmill import absent

absent.install()


def __getattr__(name: str) -> ModuleType:
    """Imports ``clipmill.dataset`` when it is asked for."""
    if name == "dataset":
        return import_module("clipmill.dataset")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

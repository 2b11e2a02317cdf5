"""Finding the weights of a model: in a folder, in a store, or on the hub."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from clipmill.models.table import ModelEntry


@dataclass(frozen=True)
class Weights:
    """Weights on this machine: their folder, the revision they are of, a digest over all their files."""

    folder: Path
    revision: str
    digest: str


def weights_of(entry: ModelEntry, *, model_dir: str, revision: str | None = None) -> Weights:
    """The weights of ``entry`` on this machine, fetched where they are not there yet.

    ModelUnavailable where they cannot be had or are not what they should be.
    """
    raise NotImplementedError(entry, model_dir, revision)


def check_weights(entries: Iterable[ModelEntry], *, model_dir: str, revision: str | None = None) -> None:
    """ModelUnavailable unless ``weights_of`` would find each; fetches nothing."""
    raise NotImplementedError(entries, model_dir, revision)

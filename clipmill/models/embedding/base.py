"""What an embedder is asked for and gives, and the network that it is built from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np


@dataclass(frozen=True)
class Embedded:
    """Embeddings of a list of clips.

    ``rows`` is float32 ``(n, dimension)``, each row L2-normalised. ``errors`` says why, by the clip's index,
    where a clip could not be embedded; its row is zeros and is not to be written. ``sketches`` has one for
    each clip, as ``dedup.copies.fingerprints`` encodes them, None for one too short, from an embedder that
    makes any.
    """

    rows: np.ndarray
    errors: Mapping[int, str] = field(default_factory=dict[int, str])
    sketches: Sequence[bytes | None] = ()


@dataclass(frozen=True)
class EmbedderOptions:
    """How a learned model embeds.

    ``algorithm`` is its name in the model table; weights of ``revision`` (None: the table's) lie in
    ``model_dir``. ``num_frames`` frames of a clip are taken (None: as many as the model was made for), of at
    most ``batch_size`` clips at once, in numbers of ``dtype``, on ``device``. ``allow_remote_code`` names the
    models whose own code may run.
    """

    algorithm: str
    model_dir: str
    revision: str | None
    num_frames: int | None
    dtype: str
    batch_size: int
    device: str
    allow_remote_code: tuple[str, ...]


Prepared = tuple[np.ndarray, ...]
"""What a network reads of one clip; arrays of the same shapes for every clip."""


class Tower(Protocol):
    """A network with weights, made for ``num_frames`` frames of a clip.

    A row has ``dimension`` numbers and any length. ``scale`` is what cosines are multiplied by before the
    softmax over texts.
    """

    dimension: int
    num_frames: int
    scale: float

    def prepare(self, frames: np.ndarray) -> Prepared:
        """Of one clip's frames, uint8 ``(num_frames, H, W, 3)`` RGB."""
        ...

    def encode(self, batch: Sequence[Prepared]) -> np.ndarray:
        """Float32 ``(n, dimension)``."""
        ...

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        """Float32 ``(n, dimension)``."""
        ...

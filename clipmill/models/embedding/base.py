"""What turns clips, and texts about them, into embeddings."""

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


class Embedder(Protocol):
    """Describes clips by unit vectors."""

    @property
    def algorithm(self) -> str:
        """Name of the embedding in tables and folders."""
        ...

    @property
    def dimension(self) -> int:
        """Length of an embedding."""
        ...

    def embed(self, clips: Sequence[np.ndarray]) -> Embedded:
        """One row per clip; clips are uint8 ``(T, H, W, 3)`` RGB of any size and length."""
        ...


class TextEmbedder(Embedder, Protocol):
    """Also describes texts, in the same space as the clips."""

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        """One L2-normalised float32 row per text, ``(n, dimension)``."""
        ...

    def match(self, embeddings: np.ndarray, texts: Sequence[str]) -> list[tuple[str, float]]:
        """For each row of ``(n, dimension)`` the text that fits best, with its probability among them, 0..1.

        Texts are embedded once, however often they are asked for.
        """
        ...

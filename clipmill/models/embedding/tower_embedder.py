"""Embeddings of clips by a learned model: frames over the whole clip, batches, unit vectors, texts."""

from collections.abc import Sequence

import numpy as np

from clipmill.models.embedding.base import Embedded, EmbedderOptions, Tower
from clipmill.models.runtime import Batches


class TowerEmbedder:
    """Embeds clips, and texts, by the towers of one model."""

    def __init__(self, options: EmbedderOptions, tower: Tower) -> None:
        self.algorithm = options.algorithm
        self.dimension = tower.dimension
        self._tower = tower
        self._num_frames = options.num_frames or tower.num_frames
        self._batches = Batches(options.batch_size)
        self._texts: dict[str, np.ndarray] = {}

    def embed(self, clips: Sequence[np.ndarray]) -> Embedded:
        """One row per clip, uint8 ``(T, H, W, 3)`` RGB; a clip without frames or direction has an error."""
        rows = np.zeros((len(clips), self.dimension), np.float32)
        errors = {index: "the clip has no frames" for index, clip in enumerate(clips) if not len(clip)}
        ready = [index for index in range(len(clips)) if index not in errors]
        if ready:
            raw = self._batches.run([clips[index] for index in ready], self._encode)
            rows[ready], without_direction = unit_rows(raw)
            for index in without_direction:
                errors[ready[index]] = f"{self.algorithm} gave no finite vector for the clip"
        return Embedded(rows, errors)

    def _encode(self, clips: Sequence[np.ndarray]) -> np.ndarray:
        spread_frames = [clip[spread(len(clip), self._num_frames)] for clip in clips]
        return self._tower.encode([self._tower.prepare(frames) for frames in spread_frames])

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        """One unit row per text. ValueError naming a text of which the model makes no vector."""
        new = [text for text in dict.fromkeys(texts) if text not in self._texts]
        if new:
            rows, bad = unit_rows(self._batches.run(new, self._tower.encode_texts))
            if bad:
                raise ValueError(f"{self.algorithm} gave no finite vector for the text {new[bad[0]]!r}")
            self._texts.update(zip(new, rows, strict=True))
        found = [self._texts[text] for text in texts]
        return np.stack(found) if found else np.zeros((0, self.dimension), np.float32)

    def match(self, embeddings: np.ndarray, texts: Sequence[str]) -> list[tuple[str, float]]:
        """For each row ``(n, dimension)`` the text that fits best, with its probability among them, 0 to 1.

        Texts are embedded once, however often they are asked for.
        """
        return best_texts(embeddings, self.embed_texts(texts), texts, scale=self._tower.scale)


def unit_rows(rows: np.ndarray) -> tuple[np.ndarray, list[int]]:
    """Float32 rows ``(n, D)`` of length 1, and the indices of those that have no direction, as zeros.

    A row has none that holds NaN or infinity, or is zero.
    """
    with np.errstate(all="ignore"):
        lengths = np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True)
        units = (rows / lengths).astype(np.float32)
    is_bad = ~np.isfinite(units).all(axis=1) | ~np.isfinite(lengths[:, 0])
    units[is_bad] = 0
    return units, np.flatnonzero(is_bad).tolist()


def best_texts(
    embeddings: np.ndarray, text_embeddings: np.ndarray, texts: Sequence[str], *, scale: float
) -> list[tuple[str, float]]:
    """For each row of ``(n, D)`` the text that fits best, and its probability among all, to 6 digits.

    ``text_embeddings`` is ``(num_texts, D)``, both of unit rows; probabilities are the softmax over ``scale``
    times the cosines.
    """
    logits = scale * embeddings.astype(np.float64) @ text_embeddings.T.astype(np.float64)
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities = odds / odds.sum(axis=1, keepdims=True)
    best: list[int] = probabilities.argmax(axis=1).tolist()
    sure: list[float] = probabilities.max(axis=1).tolist()
    return [(texts[index], round(share, 6)) for index, share in zip(best, sure, strict=True)]


def spread(num_frames: int, wanted: int) -> np.ndarray:
    """Indices of ``wanted`` of ``num_frames`` frames: the middle one of each of as many equal stretches.

    They reach over the whole clip; where there are fewer frames than wanted, neighbours repeat.
    """
    return ((np.arange(wanted) + 0.5) * num_frames / wanted).astype(np.int64)

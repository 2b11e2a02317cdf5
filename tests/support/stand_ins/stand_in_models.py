"""Models made of a few lines: they answer by brightness or by what they are told, and count what they saw."""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from clipmill.errors import EngineDied
from clipmill.models import preflight
from clipmill.models.captioning import shared_model
from clipmill.models.captioning.chat import Caption, ChatModel, ChatRequest
from clipmill.models.captioning.options import ServingOptions
from clipmill.models.embedding.base import Embedded
from clipmill.models.weights import stage_weights

Answer = Callable[[ChatRequest], Caption | None]
"""None kills the model."""


@dataclass
class Seen:
    """What the models of a test were asked, and how often one was opened and closed.

    ``prompts`` and ``frames`` are of requests with frames, ``texts`` of those without. ``sizes`` are of the
    frames that were scored or embedded.
    """

    prompts: list[str] = field(default_factory=list[str])
    frames: list[tuple[int, ...]] = field(default_factory=list[tuple[int, ...]])
    texts: list[str] = field(default_factory=list[str])
    sizes: set[tuple[int, ...]] = field(default_factory=set[tuple[int, ...]])
    num_scored: int = 0
    num_embedded: int = 0
    num_opened: int = 0
    num_closed: int = 0


@dataclass
class Scorer:
    """Scores a frame by its mean level, 0 to 10."""

    seen: Seen

    def score(self, clips: Sequence[np.ndarray]) -> list[np.ndarray]:
        self.seen.num_scored += len(clips)
        self.seen.sizes |= {frames.shape[1:3] for frames in clips}
        return [(frames.mean(axis=(1, 2, 3)) / 25.5).astype(np.float32) for frames in clips]


@dataclass
class Embedder:
    """Embeds a clip by its mean colour; of texts the first fits best."""

    seen: Seen
    algorithm = "siglip2"
    dimension = 4

    def embed(self, clips: Sequence[np.ndarray]) -> Embedded:
        self.seen.num_embedded += len(clips)
        self.seen.sizes |= {frames.shape[1:3] for frames in clips}
        rows = [np.append(frames.mean(axis=(0, 1, 2)), 1.0) for frames in clips]
        return Embedded(np.stack([row / np.linalg.norm(row) for row in rows]).astype(np.float32))

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        return np.eye(4, dtype=np.float32)[: len(texts)]

    def match(self, embeddings: np.ndarray, texts: Sequence[str]) -> list[tuple[str, float]]:
        return [(texts[0], 0.75)] * len(embeddings)


def told(request: ChatRequest) -> Caption:
    """A caption with the prompt in it; a text of which the last word is louder."""
    said = f"{request.text}!" if request.frames is not None else request.text.upper()
    return Caption(request.window_id, said, "success", input_tokens=7, output_tokens=2)


@dataclass
class Chat:
    """Answers in reverse order: no answer may count on another one."""

    seen: Seen
    answers: Answer

    def answer(self, requests: Iterable[ChatRequest]) -> Iterator[Caption]:
        for request in reversed(list(requests)):
            if request.frames is None:
                self.seen.texts.append(request.text)
            else:
                self.seen.prompts.append(request.text)
                self.seen.frames.append(request.frames.shape)
            answer = self.answers(request)
            if answer is None:
                raise EngineDied("stand-in", "it was told to")
            yield answer

    def close(self) -> None:
        self.seen.num_closed += 1


def use_stand_ins(patch: pytest.MonkeyPatch, seen: Seen, *, answer: Answer = told) -> None:
    """Puts stand-ins in the place of all models, until ``patch`` is undone; no weights are looked for."""

    def opened(options: ServingOptions, *, num_threads: int) -> ChatModel:
        del options, num_threads
        seen.num_opened += 1
        return Chat(seen, answer)

    scorers = SimpleNamespace(load_aesthetic_scorer=lambda *_args, **_kwargs: Scorer(seen))
    embedders = SimpleNamespace(load_embedder=lambda *_args, **_kwargs: Embedder(seen))
    patch.setitem(sys.modules, "clipmill.models.aesthetic", scorers)  # the real ones import torch
    patch.setitem(sys.modules, "clipmill.models.embedding.open", embedders)
    patch.setattr(shared_model, "open_model", opened)
    patch.setattr(preflight, "check_models", lambda *_args, **_kwargs: None)
    patch.setattr(stage_weights, "folder_of", lambda _ref: Path())

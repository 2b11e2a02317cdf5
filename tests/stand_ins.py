"""Models made of a few lines: they answer by brightness or by what they are told, and count what they saw."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from clipmill.errors import EngineDied
from clipmill.models.captioner import Caption, CaptionRequest
from clipmill.models.embedder import Embedded
from clipmill.models.language_model import TextRequest
from clipmill.plan import RunPlan
from clipmill.streaming.makers import Makers


@dataclass
class Seen:
    """What the models of a test were asked, and how often one was made."""

    prompts: list[str] = field(default_factory=list[str])
    frames: list[tuple[int, ...]] = field(default_factory=list[tuple[int, ...]])
    texts: list[str] = field(default_factory=list[str])
    num_scored: int = 0
    num_embedded: int = 0
    num_captioners: int = 0
    num_captioners_closed: int = 0


@dataclass
class Scorer:
    """Scores a frame by its mean level, 0 to 10."""

    seen: Seen

    def score(self, clips: Sequence[np.ndarray]) -> list[np.ndarray]:
        self.seen.num_scored += len(clips)
        return [(frames.mean(axis=(1, 2, 3)) / 25.5).astype(np.float32) for frames in clips]


@dataclass
class Embedder:
    """Embeds a clip by its mean colour; of texts the first fits best."""

    seen: Seen
    algorithm = "siglip2"
    dimension = 4

    def embed(self, clips: Sequence[np.ndarray]) -> Embedded:
        self.seen.num_embedded += len(clips)
        rows = [np.append(frames.mean(axis=(0, 1, 2)), 1.0) for frames in clips]
        return Embedded(np.stack([row / np.linalg.norm(row) for row in rows]).astype(np.float32))

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        return np.eye(4, dtype=np.float32)[: len(texts)]

    def match(self, embeddings: np.ndarray, texts: Sequence[str]) -> list[tuple[str, float]]:
        return [(texts[0], 0.75)] * len(embeddings)


Answer = Callable[[CaptionRequest], Caption]


def told(request: CaptionRequest) -> Caption:
    """A caption with the prompt in it."""
    return Caption(request.window_id, f"{request.prompt}!", "success", input_tokens=7, output_tokens=2)


@dataclass
class Captioner:
    """Answers in reverse order: nobody may count on another one. ``answer`` None kills the engine."""

    seen: Seen
    answer: Callable[[CaptionRequest], Caption | None]
    model = "stand-in"
    revision = "r1"

    def caption(self, requests: Iterable[CaptionRequest]) -> Iterator[Caption]:
        for request in reversed(list(requests)):
            self.seen.prompts.append(request.prompt)
            self.seen.frames.append(request.frames.shape)
            answer = self.answer(request)
            if answer is None:
                raise EngineDied("stand-in", "it was told to")
            yield answer

    def close(self) -> None:
        self.seen.num_captioners_closed += 1


@dataclass
class Shouter:
    """Makes captions louder."""

    seen: Seen
    model = "shouter"
    revision = "r2"

    def complete(self, requests: Iterable[TextRequest]) -> Iterator[Caption]:
        for request in requests:
            self.seen.texts.append(request.text)
            yield Caption(request.window_id, request.text.upper(), "success")

    def close(self) -> None:
        pass


def stand_ins(seen: Seen, *, answer: Callable[[CaptionRequest], Caption | None] = told) -> Makers:
    """Makers of all of them; a stage that is off has none."""

    def captioner(plan: RunPlan) -> Captioner:
        seen.num_captioners += 1
        return Captioner(seen, answer)

    return Makers(
        embedder=lambda plan: Embedder(seen) if plan.embedding else None,
        scorer=lambda plan: Scorer(seen) if plan.aesthetics else None,
        captioner=captioner,
        questioner=captioner,
        language_model=lambda plan: Shouter(seen),
    )

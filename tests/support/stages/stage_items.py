"""Items, siblings and a model for tests of stages without an engine."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TypeVar

import numpy as np

from clipmill.errors import EngineDied
from clipmill.models.captioning.chat import Caption, ChatModel, ChatRequest
from clipmill.models.captioning.options import ServingOptions
from clipmill.models.captioning.shared_model import OPENER
from clipmill.records import ClipSpan, FrameSpan, VideoFacts
from clipmill.stages.base import Item, Stage
from tests.support.stages.stage_context import PlainContext

S = TypeVar("S", bound=Stage)
FACTS = VideoFacts(
    "mp4", "h264", "yuv420p", 64, 48, 0, Fraction(1), Fraction(30), Fraction(1, 30), 10.0, 300, 0
)


@dataclass(frozen=True)
class Siblings:
    """The stages of a run, as ``bind`` sees them."""

    stages: Sequence[Stage] = ()

    def find(self, kind: type[S]) -> S | None:
        return next((stage for stage in self.stages if isinstance(stage, kind)), None)


def window_item(
    name: str = "w", window: FrameSpan | None = None, *, num_frames: int = 60, num_samples: int = 4
) -> Item:
    """A clip of 30 frames a second from frame 100 on; its samples are grey, brighter from one to the next."""
    greys = np.arange(num_samples, dtype=np.uint8)[:, None, None, None]
    frames = FrameSpan(100, 100 + num_frames)
    return Item(
        name,
        ClipSpan("clip", frames, 0, 0, 100 / 30, (100 + num_frames) / 30),
        FACTS,
        source_uri="films/a.mp4",
        window=window,
        frames=np.broadcast_to(greys, (num_samples, 48, 64, 3)).copy(),
        frame_numbers=np.arange(num_samples) * num_frames // num_samples,
        frame_times_s=np.arange(num_samples) / 2,
    )


def says(text: str) -> Callable[[ChatRequest], Caption]:
    return lambda request: Caption(request.window_id, text, "success", 7, 3)


@dataclass
class FakeChat:
    """Answers requests one by one; ``log`` says in which order they were taken and answered."""

    answers: Callable[[ChatRequest], Caption | None]
    requests: list[ChatRequest] = field(default_factory=list[ChatRequest])
    log: list[str] = field(default_factory=list[str])
    num_closed: int = 0

    def answer(self, requests: Iterable[ChatRequest]) -> Iterator[Caption]:
        for request in requests:
            self.requests.append(request)
            self.log.append(f"take {request.window_id}")
            said = self.answers(request)
            if said is None:
                raise EngineDied("fake", "it was told to")
            self.log.append(f"answer {request.window_id}")
            yield said

    def close(self) -> None:
        self.num_closed += 1


@dataclass
class FakeModels:
    """Opens a ``FakeChat`` whenever a model is opened."""

    answers: Callable[[ChatRequest], Caption | None]
    opened: list[FakeChat] = field(default_factory=list[FakeChat])
    options: list[ServingOptions] = field(default_factory=list[ServingOptions])

    def __call__(self, options: ServingOptions, *, num_threads: int) -> ChatModel:
        del num_threads
        self.opened.append(FakeChat(self.answers))
        self.options.append(options)
        return self.opened[-1]

    @property
    def context(self) -> PlainContext:
        """A worker's context in which models are these."""
        context = PlainContext()
        context.shared(OPENER, lambda: self)
        return context


def with_columns(item: Item, **columns: object) -> Item:
    return replace(item, columns={name.replace("__", ":"): value for name, value in columns.items()})

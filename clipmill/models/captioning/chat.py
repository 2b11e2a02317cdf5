"""What a captioner or a language model is asked, what it answers, and how answers are put right."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, replace
from itertools import islice
from typing import Literal, Protocol

import numpy as np

from clipmill.models.captioning.prompts import is_refusal, refinement_prompt, without_thoughts

CaptionStatus = Literal["success", "truncated", "blocked", "error", "skipped"]
"""``truncated``: at the most tokens; ``blocked``: by the model's server; ``skipped``: no model was asked."""


@dataclass(frozen=True)
class ChatRequest:
    """One message to a model: ``text``, after ``system``, about ``frames``, uint8 ``(T, H, W, 3)``, if any.

    ``fps`` says how many of the frames make a second. ``max_output_tokens`` replaces the model's own.
    """

    window_id: str
    text: str
    system: str = ""
    frames: np.ndarray | None = None
    fps: float = 0.0
    max_output_tokens: int | None = None

    def __post_init__(self) -> None:
        if self.frames is None:
            return
        if self.frames.ndim != 4 or self.frames.shape[-1] != 3 or self.frames.dtype != np.uint8:
            raise ValueError(
                f"frames must be uint8 (T, H, W, 3), got {self.frames.dtype} {self.frames.shape}"
            )
        if len(self.frames) == 0 or self.fps <= 0:
            raise ValueError(f"{len(self.frames)} frames at {self.fps} a second show nothing")


@dataclass(frozen=True)
class Caption:
    """The answer of one window: text when ``success``, mostly when ``truncated``; else ``message`` says why.

    Tokens are None where they were not counted. An error ``is_retryable`` when it does not follow from
    what was asked: the server, the engine or the memory failed. ``is_remote`` says that it was a server.
    """

    window_id: str
    text: str
    status: CaptionStatus
    input_tokens: int | None = None
    output_tokens: int | None = None
    message: str = ""
    is_retryable: bool = False
    is_remote: bool = False


class ChatModel(Protocol):
    """Answers messages; may be asked again while an earlier iteration is still under way."""

    def answer(self, requests: Iterable[ChatRequest]) -> Iterator[Caption]:
        """Answers each request exactly once, in the order they are done; requests are taken as there is room.

        A request that fails is an answer with status ``error``. ``EngineDied`` when the model is gone for
        good; what was not answered by then was not done.
        """
        ...

    def close(self) -> None:
        """Let go of the model."""
        ...


def answered(
    chat: ChatModel, requests: Iterable[ChatRequest], *, refinement: str | None = None
) -> Iterator[Caption]:
    """One answer per request: an answer to no request is an error, a missing one is made.

    With ``refinement`` the model is asked again, about the same frames and beside its first answer. What a
    model thinks aloud is taken off. ValueError when two requests under way have one id.
    """
    return _answered(chat, requests) if refinement is None else _Refined(chat, refinement).answers(requests)


def failed(window_id: str, message: str, *, is_retryable: bool = False, is_remote: bool = False) -> Caption:
    """The answer of a window that could not be answered."""
    return Caption(window_id, "", "error", message=message, is_retryable=is_retryable, is_remote=is_remote)


def answers_as_done(
    requests: Iterable[ChatRequest], submit: Callable[[ChatRequest], Future[Caption]], *, limit: int
) -> Iterator[Caption]:
    """Answers in the order they are done; at most ``limit`` requests are taken and not yet answered.

    What a future raises is raised here. Requests that have not begun when the iteration ends are cancelled.
    """
    source = iter(requests)
    waiting = set[Future[Caption]]()
    try:
        while True:
            waiting |= {submit(request) for request in islice(source, limit - len(waiting))}
            if not waiting:
                return
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()
    finally:
        for future in waiting:
            future.cancel()


class _Refined:
    """Asks twice: the second questions are made while first answers come in."""

    def __init__(self, chat: ChatModel, refinement: str) -> None:
        self._chat = chat
        self._refinement = refinement
        self._requests: dict[str, ChatRequest] = {}
        self._firsts: dict[str, Caption] = {}
        self._done: list[Caption] = []

    def answers(self, requests: Iterable[ChatRequest]) -> Iterator[Caption]:
        for second in _answered(self._chat, self._second_requests(requests)):
            yield from self._take_done()
            yield _merged(self._firsts.pop(second.window_id), second)
        yield from self._take_done()

    def _second_requests(self, requests: Iterable[ChatRequest]) -> Iterator[ChatRequest]:
        for first in _answered(self._chat, self._remembered(requests)):
            request = self._requests.pop(first.window_id)
            if first.text:
                self._firsts[first.window_id] = first
                yield replace(request, text=refinement_prompt(self._refinement, first.text))
            else:
                self._done.append(first)

    def _remembered(self, requests: Iterable[ChatRequest]) -> Iterator[ChatRequest]:
        for request in requests:
            self._requests[request.window_id] = request
            yield request

    def _take_done(self) -> Iterator[Caption]:
        while self._done:
            yield self._done.pop()


def _answered(chat: ChatModel, requests: Iterable[ChatRequest]) -> Iterator[Caption]:
    waiting = set[str]()
    for caption in chat.answer(_counted(requests, waiting)):
        if caption.window_id not in waiting:
            raise ValueError(
                f"an answer for {caption.window_id!r}, which was not asked or was answered before"
            )
        waiting.remove(caption.window_id)
        yield _spoken(caption)
    for window_id in sorted(waiting):
        yield failed(window_id, "the model gave no answer", is_retryable=True)


def _counted(requests: Iterable[ChatRequest], waiting: set[str]) -> Iterator[ChatRequest]:
    for request in requests:
        if request.window_id in waiting:
            raise ValueError(f"{request.window_id!r} is asked twice")
        waiting.add(request.window_id)
        yield request


def _spoken(caption: Caption) -> Caption:
    """Without thoughts; an answer without words is an error, one in which the model declines is blocked.

    One that was cut before its first word is truncated: more tokens may bring some.
    """
    if caption.status not in {"success", "truncated"}:
        return replace(caption, message=_writable(caption.message))
    text = without_thoughts(_writable(caption.text))
    if is_refusal(text):
        return replace(caption, text="", status="blocked", message=text)
    if text:
        return replace(caption, text=text)
    if caption.status == "truncated":
        return replace(caption, text="", message="cut before the first word of the answer")
    return replace(caption, text="", status="error", message=caption.message or "the answer is empty")


def _writable(text: str) -> str:
    """Without halves of characters, which a cut may leave and no file can hold."""
    return text.encode(errors="ignore").decode()


def _merged(first: Caption, second: Caption) -> Caption:
    """The second answer with the tokens of both; the first one where the second failed."""
    tokens = {
        "input_tokens": _sum(first.input_tokens, second.input_tokens),
        "output_tokens": _sum(first.output_tokens, second.output_tokens),
    }
    if second.text:
        return replace(second, **tokens)
    return replace(first, **tokens, message=f"not refined: {second.message or second.status}")


def _sum(first: int | None, second: int | None) -> int | None:
    return first if second is None else (first or 0) + second

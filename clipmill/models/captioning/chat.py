"""Captioners and language models over one kind of model: it answers messages, with frames or without."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from clipmill.models.captioning.base import Caption, CaptionRequest, TextRequest
from clipmill.models.captioning.prompts import is_refusal, refinement_prompt, without_thoughts


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


class ChatCaptioner:
    """A captioner; with ``refinement`` each window is shown again, beside its first caption.

    ``max_output_tokens`` takes the place of the model's own.
    """

    def __init__(
        self,
        chat: ChatModel,
        *,
        model: str,
        revision: str,
        refinement: str | None = None,
        max_output_tokens: int | None = None,
    ) -> None:
        self._chat = chat
        self._refinement = refinement
        self._max_output_tokens = max_output_tokens
        self.model = model
        self.revision = revision

    def caption(self, requests: Iterable[CaptionRequest]) -> Iterator[Caption]:
        """Answers each request as ``ChatModel.answer`` does."""
        asked = (self._asked(request) for request in requests)
        if self._refinement is None:
            return answered(self._chat, asked)
        return _Refined(self._chat, self._refinement).answers(asked)

    def close(self) -> None:
        """Lets go of the model; nothing can be asked afterwards."""
        self._chat.close()

    def _asked(self, request: CaptionRequest) -> ChatRequest:
        return ChatRequest(
            request.window_id,
            request.prompt,
            frames=request.frames,
            fps=request.fps,
            max_output_tokens=self._max_output_tokens,
        )


class ChatLanguageModel:
    """A language model; ``max_output_tokens`` takes the place of the model's own."""

    def __init__(
        self, chat: ChatModel, *, model: str, revision: str, max_output_tokens: int | None = None
    ) -> None:
        self._chat = chat
        self._max_output_tokens = max_output_tokens
        self.model = model
        self.revision = revision

    def complete(self, requests: Iterable[TextRequest]) -> Iterator[Caption]:
        """Answers each request as ``ChatModel.answer`` does."""
        most = self._max_output_tokens
        return answered(
            self._chat,
            (ChatRequest(one.window_id, one.text, one.system, max_output_tokens=most) for one in requests),
        )

    def close(self) -> None:
        """Lets go of the model; nothing can be asked afterwards."""
        self._chat.close()


class _Refined:
    """Asks twice: the second questions are made while first answers come in."""

    def __init__(self, chat: ChatModel, refinement: str) -> None:
        self._chat = chat
        self._refinement = refinement
        self._requests: dict[str, ChatRequest] = {}
        self._firsts: dict[str, Caption] = {}
        self._done: list[Caption] = []

    def answers(self, requests: Iterable[ChatRequest]) -> Iterator[Caption]:
        for second in answered(self._chat, self._second_requests(requests)):
            yield from self._take_done()
            yield _merged(self._firsts.pop(second.window_id), second)
        yield from self._take_done()

    def _second_requests(self, requests: Iterable[ChatRequest]) -> Iterator[ChatRequest]:
        for first in answered(self._chat, self._remembered(requests)):
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


def answered(chat: ChatModel, requests: Iterable[ChatRequest]) -> Iterator[Caption]:
    """One answer per request: an answer to no request is an error, a missing one is made.

    ValueError when two requests under way have one id. What a model thinks aloud is taken off.
    """
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


def failed(window_id: str, message: str, *, is_retryable: bool = False, is_remote: bool = False) -> Caption:
    """The answer of a window that could not be answered."""
    return Caption(window_id, "", "error", message=message, is_retryable=is_retryable, is_remote=is_remote)


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

"""Models behind any OpenAI-compatible server: a shared vLLM, a hosted model.

Each request is one call of one thread, so that an answer belongs to its window whatever order a server works
in. Frames are made into JPEGs in those threads too.
"""

import base64
import io
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from PIL import Image
from pydantic import JsonValue

from clipmill.errors import EngineDied, ModelUnavailable
from clipmill.models.captioning.backends.endpoint_answer import caption_of, refusal_in
from clipmill.models.captioning.backends.http_client import Endpoint, Refused, endpoint_of
from clipmill.models.captioning.chat import Caption, ChatRequest, answers_as_done, failed
from clipmill.models.captioning.options import EndpointOptions, FramesAs, ServingOptions

_JPEG_QUALITY = 90
MAX_FAILURES_IN_A_ROW = 16
"""Windows that all fail after all their attempts: then it is not they that are at fault."""


class EndpointModel:
    """Asks an endpoint, at most ``concurrency`` requests at once over everything that is asked of it."""

    def __init__(self, options: ServingOptions, endpoint: EndpointOptions) -> None:
        """ModelUnavailable when the endpoint's key is not there."""
        self._endpoint = endpoint_of(endpoint)
        self._sampling = options.sampling
        self._frames_as: FramesAs = options.vision.endpoint_frames if options.vision else "video_url"
        self._pool = ThreadPoolExecutor(endpoint.concurrency, thread_name_prefix="endpoint")
        self._failures = _FailuresInARow()

    def answer(self, requests: Iterable[ChatRequest]) -> Iterator[Caption]:
        """See ``ChatModel``. EngineDied when the server is gone, or many windows in a row fail."""
        return answers_as_done(requests, self._submit, limit=self._endpoint.options.concurrency)

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _submit(self, request: ChatRequest) -> Future[Caption]:
        return self._pool.submit(self._caption, request)

    def _caption(self, request: ChatRequest) -> Caption:
        if self._failures.are_too_many:
            raise EngineDied(self._endpoint.options.model, self._failures.last, is_remote=True)
        started = time.monotonic()
        try:
            answer = self._endpoint.complete(self._body(request), request_id=request.window_id)
        except Refused as error:
            if why := refusal_in(error.answer):
                self._failures.reset()
                return Caption(request.window_id, "", "blocked", message=why)
            if not error.is_final and not is_there(self._endpoint):
                raise EngineDied(self._endpoint.options.model, str(error), is_remote=True) from error
            self._failures.count(str(error), is_final=error.is_final)
            message = f"{error} after {time.monotonic() - started:.0f} s"
            return failed(request.window_id, message, is_retryable=not error.is_of_request, is_remote=True)
        self._failures.reset()
        return caption_of(request.window_id, answer)

    def _body(self, request: ChatRequest) -> dict[str, JsonValue]:
        body: dict[str, JsonValue] = {
            "model": self._endpoint.options.model,
            "messages": _messages(request, self._frames_as),
            "max_tokens": request.max_output_tokens or self._sampling.max_output_tokens,
            "temperature": self._sampling.temperature,
            "top_p": self._sampling.top_p,
        }
        if self._sampling.repetition_penalty != 1:
            body["repetition_penalty"] = self._sampling.repetition_penalty
        return {
            name: value for name, value in {**body, **self._endpoint.options.extra}.items() if value != ""
        }


class _FailuresInARow:
    """Counts windows that failed with no success between."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._num = 0
        self.last = ""

    @property
    def are_too_many(self) -> bool:
        return self._num >= MAX_FAILURES_IN_A_ROW

    def count(self, cause: str, *, is_final: bool) -> None:
        """A request that the server understood and refused says nothing about the next one."""
        with self._lock:
            self._num = 0 if is_final else self._num + 1
            self.last = cause

    def reset(self) -> None:
        with self._lock:
            self._num = 0


def _messages(request: ChatRequest, frames_as: FramesAs) -> list[JsonValue]:
    system: list[JsonValue] = [{"role": "system", "content": request.system}] if request.system else []
    if request.frames is None:
        return [*system, {"role": "user", "content": request.text}]
    pictures = _pictures([_jpeg(frame) for frame in request.frames], frames_as)
    return [*system, {"role": "user", "content": [*pictures, {"type": "text", "text": request.text}]}]


def _pictures(jpegs: list[str], frames_as: FramesAs) -> list[JsonValue]:
    """Frames before the text: a second question about them finds them in a server's prefix cache."""
    if frames_as == "image_url":
        return [{"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{one}"}} for one in jpegs]
    return [{"type": "video_url", "video_url": {"url": f"data:video/jpeg;base64,{','.join(jpegs)}"}}]


def _jpeg(frame: np.ndarray) -> str:
    data = io.BytesIO()
    Image.fromarray(frame).save(data, "JPEG", quality=_JPEG_QUALITY)
    return base64.b64encode(data.getvalue()).decode()


_TIMEOUT_S = 10.0
_HAS_NO_LIST = ("HTTP 404", "HTTP 405", "HTTP 501")


def check_endpoint(options: EndpointOptions) -> None:
    """ModelUnavailable unless the endpoint answers and, where it lists its models, lists this one."""
    endpoint = endpoint_of(options)
    try:
        listed = _ids(endpoint.models(_TIMEOUT_S))
    except Refused as error:
        if not str(error).startswith(_HAS_NO_LIST):
            raise ModelUnavailable(options.model, options.url, str(error), _remedy(str(error))) from error
        return
    if listed and options.model not in listed:
        known = ", ".join(sorted(listed)[:5])
        raise ModelUnavailable(
            options.model, options.url, f"it serves {known}", "name one of them in endpoint_model"
        )


def is_there(endpoint: Endpoint) -> bool:
    """Whether a server still answers there, be it with a refusal."""
    try:
        endpoint.models(_TIMEOUT_S)
    except Refused as error:
        return error.is_final
    return True


def _remedy(cause: str) -> str:
    if cause.startswith(("HTTP 401", "HTTP 403")):
        return "say in endpoint_key_variable which environment variable holds its key"
    return "start the server, or correct endpoint_url"


def _ids(answer: JsonValue) -> set[str]:
    data = answer.get("data") if isinstance(answer, dict) else None
    records = [one for one in data if isinstance(one, dict)] if isinstance(data, list) else []
    return {str(one.get("id")) for one in records}

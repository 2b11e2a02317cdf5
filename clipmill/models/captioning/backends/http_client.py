"""One request to a model server: its deadline, and further attempts when the server throttles or drops it."""

import email.utils
import json
import logging
import os
import random
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpx
from pydantic import JsonValue

from clipmill.errors import ModelUnavailable, one_line
from clipmill.models.captioning.backends.endpoint_answer import error_in, joined_events, json_of
from clipmill.models.captioning.options import EndpointOptions

logger = logging.getLogger(__name__)

FIRST_DELAY_S = 0.5
MAX_DELAY_S = 30.0
MAX_RETRY_AFTER_S = 300.0
OUTAGE_S = 10.0
"""Without any answer, over all threads: from then on each request has one attempt."""
_WORTH_ANOTHER_TRY = frozenset({408, 425, 429, 500, 502, 503, 504, 529})
_THROTTLED = frozenset({408, 425, 429})
_OF_THE_REQUEST = frozenset({400, 413, 415, 422})
_START_CHARACTERS = 60
_MAX_ANSWER_BYTES = 16 << 20
_STARTS_OF_EVENTS = ("data:", "event:", "id:", ": ")
"""How a stream of events may begin."""


class Refused(Exception):
    """A request that was not answered; ``is_final`` when the server understood it and said no.

    ``is_of_request`` when it said no to what was asked, not to the key or the model's name. ``answer`` is
    what it said where that is JSON.
    """

    def __init__(
        self, message: str, *, is_final: bool, is_of_request: bool = False, answer: JsonValue = None
    ) -> None:
        super().__init__(message)
        self.is_final = is_final
        self.is_of_request = is_of_request
        self.answer = answer


class _TryAgain(Exception):
    """An attempt that may go better the next time, not before ``retry_after_s`` where the server says so."""

    def __init__(self, cause: str, retry_after_s: float | None = None, *, is_down: bool = True) -> None:
        super().__init__(cause)
        self.retry_after_s = retry_after_s
        self.is_down = is_down
        """False for a server that only asks to wait."""


@dataclass
class _Pause:
    """Holds back every thread once the server said how long to wait."""

    until: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def extend(self, delay_s: float) -> None:
        with self.lock:
            self.until = max(self.until, time.monotonic() + delay_s)

    def wait(self) -> None:
        """Threads go on one after the other, not all in the same moment."""
        while (left := self.until - time.monotonic()) > 0:
            time.sleep(left * random.uniform(1.0, 1.1))


def _pool() -> httpx.Client:
    """Connections that stay open between requests; as many as there are threads that ask."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    return httpx.Client(limits=limits, follow_redirects=True)


@dataclass
class _Outage:
    """How long a server has answered nothing, over every thread that asks it."""

    since: float | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answered(self) -> None:
        with self.lock:
            self.since = None

    def failed(self) -> bool:
        """Notes a failed attempt; returns True once there was no answer for too long."""
        with self.lock:
            self.since = self.since or time.monotonic()
            return time.monotonic() - self.since > OUTAGE_S


@dataclass(frozen=True)
class Endpoint:
    """An OpenAI-compatible server, up to and with ``/v1``. The key never enters a message or a log.

    Proxies and certificates come from the usual variables (``HTTPS_PROXY``, ``SSL_CERT_FILE``).
    """

    options: EndpointOptions
    key: str = field(default="", repr=False)
    _pause: _Pause = field(default_factory=_Pause, repr=False)
    _client: httpx.Client = field(default_factory=_pool, repr=False)
    _outage: _Outage = field(default_factory=_Outage, repr=False)

    def complete(self, body: dict[str, JsonValue], *, request_id: str) -> JsonValue:
        """The answer to a chat request. Refused when there is none after all attempts."""
        data = json.dumps(body).encode()
        for number in range(1, self.options.max_attempts + 1):
            self._pause.wait()
            try:
                answer = self._attempt("/chat/completions", data, request_id, self.options.timeout_s)
                self._outage.answered()
                return answer
            except Refused:
                self._outage.answered()
                raise
            except _TryAgain as error:
                is_down = error.is_down and self._outage.failed()
                if number == self.options.max_attempts or is_down:
                    raise Refused(f"{error}, {number} times", is_final=False) from error
                self._wait(error, number, request_id)
        raise AssertionError("an endpoint has at least one attempt")

    def models(self, timeout_s: float) -> JsonValue:
        """What the server lists, after one attempt of at most ``timeout_s``."""
        try:
            return self._attempt("/models", None, "models", min(timeout_s, self.options.timeout_s))
        except _TryAgain as error:
            raise Refused(str(error), is_final=False) from error

    def _wait(self, error: _TryAgain, number: int, request_id: str) -> None:
        if error.retry_after_s:
            self._pause.extend(error.retry_after_s)
            return
        pause_s = delay_s(number) * random.uniform(0.5, 1.0)
        logger.debug("request %s: %s; again in %.1f s", request_id, error, pause_s)
        time.sleep(pause_s)

    def _attempt(self, path: str, data: bytes | None, request_id: str, timeout_s: float) -> JsonValue:
        headers = {"Content-Type": "application/json", "X-Request-Id": request_id}
        if self.key:  # the client takes it off where another server is redirected to
            headers["Authorization"] = f"Bearer {self.key}"
        method, url = ("GET" if data is None else "POST"), self.options.url.rstrip("/") + path
        deadline = time.monotonic() + timeout_s
        try:
            with self._client.stream(
                method, url, content=data, headers=headers, timeout=timeout_s
            ) as response:
                text = _read(response, deadline)
        except httpx.HTTPError as error:
            raise _TryAgain(_cause(error)) from error
        except httpx.InvalidURL as error:
            raise Refused(f"{self.options.url} is no URL: {error}", is_final=True) from error
        if response.is_error:
            raise _refusal(response, text)
        return _parsed(text)


def delay_s(attempt: int) -> float:
    """Longest pause after the n-th failed attempt, n from 1: doubled each time, up to ``MAX_DELAY_S``."""
    return min(MAX_DELAY_S, FIRST_DELAY_S * 2 ** (attempt - 1))


def retry_after_s(value: str | None, now: datetime) -> float | None:
    """Seconds that a ``Retry-After`` header asks for, given as such or as a date; None for anything else."""
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            moment = email.utils.parsedate_to_datetime(value)
        except ValueError:
            return None
        # Python gives a date without a zone, or of -0000, no zone: both are UTC.
        seconds = (moment.replace(tzinfo=moment.tzinfo or UTC) - now).total_seconds()
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_S) if seconds == seconds else None


def endpoint_of(options: EndpointOptions) -> Endpoint:
    """The endpoint a stage names, with its key. ModelUnavailable when the key is not in the environment."""
    variable = options.key_variable
    key = os.environ.get(variable, "") if variable else ""
    if variable and not key:
        remedy = f"put the endpoint's key into {variable}"
        raise ModelUnavailable(options.model, options.url, f"{variable} is not set", remedy)
    return Endpoint(options, key)


def _read(response: httpx.Response, deadline: float) -> bytes:
    """The whole body; a server that drips it past the deadline, or does not end, is dropped."""
    chunks, num_bytes = list[bytes](), 0
    for chunk in response.iter_bytes():
        chunks.append(chunk)
        num_bytes += len(chunk)
        if num_bytes > _MAX_ANSWER_BYTES:
            raise httpx.ReadError(f"the answer has more than {_MAX_ANSWER_BYTES >> 20} MiB")
        if time.monotonic() > deadline:
            raise httpx.ReadTimeout("the answer did not end in time")
    return b"".join(chunks)


def _refusal(response: httpx.Response, said: bytes) -> Exception:
    code, text = response.status_code, said.decode(errors="replace")
    answer = json_of(text)
    cause = f"HTTP {code}: {one_line(error_in(answer) or text)}"
    if code in _WORTH_ANOTHER_TRY:
        wait_s = _wait_asked_s(response.headers)
        return _TryAgain(cause, wait_s, is_down=wait_s is None and code not in _THROTTLED)
    return Refused(cause, is_final=True, is_of_request=code in _OF_THE_REQUEST, answer=answer)


def _wait_asked_s(headers: httpx.Headers) -> float | None:
    """The seconds that a server asks to wait, in its own milliseconds where it gives them."""
    if (milliseconds := retry_after_s(headers.get("retry-after-ms"), datetime.now(UTC))) is not None:
        return milliseconds / 1000
    return retry_after_s(headers.get("Retry-After"), datetime.now(UTC))


def _cause(error: httpx.HTTPError) -> str:
    if isinstance(error, httpx.TimeoutException):
        return "no answer in time"
    return one_line(error)


def _parsed(text: bytes) -> JsonValue:
    said = text.decode(errors="replace").lstrip()
    if said.startswith(_STARTS_OF_EVENTS):
        if (answer := joined_events(said)) is None:
            raise _TryAgain("the answer's stream ended early")
        return answer
    if (answer := json_of(said)) is None:
        raise _TryAgain(f"the answer is no JSON: {one_line(said, _START_CHARACTERS)}")
    return answer

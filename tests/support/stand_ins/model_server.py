"""An OpenAI-compatible server on this machine that misbehaves as it is told."""

import contextlib
import hashlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Reply:
    """What one attempt at a request gets; without text the connection is dropped."""

    text: str | None = "a caption"
    status: int = 200
    finish_reason: str = "stop"
    refusal: str | None = None
    delay_s: float = 0.0
    retry_after: str | None = None
    is_cut_short: bool = False
    raw: bytes | None = None


@dataclass
class ModelServer:
    """``plan`` maps a request id to the replies of its attempts, the last one repeated."""

    url: str
    plan: dict[str, list[Reply]] = field(default_factory=dict)
    otherwise: Reply = Reply()
    speaks: Callable[[dict], "str | Reply"] | None = None
    """What is said to a request that no plan names, by its body."""
    key: str = ""
    models: tuple[str, ...] | None = ("tiny",)
    is_gone: bool = False
    bodies: list[dict] = field(default_factory=list)
    attempts: dict[str, int] = field(default_factory=dict)
    times_s: dict[str, list[float]] = field(default_factory=dict)
    most_at_once: int = 0
    num_now: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def reply_to(self, request_id: str, body: dict) -> Reply:
        said = self.speaks(body) if self.speaks else self.otherwise
        otherwise = said if isinstance(said, Reply) else Reply(text=said)
        replies = self.plan.get(request_id, [otherwise])
        number = self.attempts.get(request_id, 0)
        self.attempts[request_id] = number + 1
        self.times_s.setdefault(request_id, []).append(time.monotonic())
        return replies[min(number, len(replies) - 1)]


def completion(reply: Reply) -> bytes:
    message = {"role": "assistant", "content": reply.text, "refusal": reply.refusal}
    choice = {"index": 0, "message": message, "finish_reason": reply.finish_reason}
    usage = {"prompt_tokens": 7, "completion_tokens": 3}
    return reply.raw or json.dumps({"id": "x", "choices": [choice], "usage": usage}).encode()


class _Handler(BaseHTTPRequestHandler):
    """Answers as ``told``."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else a body waits 40 ms for the header to be confirmed
    told: ModelServer

    def do_GET(self) -> None:
        if self.told.is_gone:
            self._send(502, b"{}")
        elif self.told.models is None:
            self._send(404, b"{}")
        elif not self._is_known():
            self._send(401, b'{"error": {"message": "no such key"}}')
        else:
            listed = {"data": [{"id": name} for name in self.told.models]}
            self._send(200, json.dumps(listed).encode())

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.told.lock:
            self.told.num_now += 1
            self.told.most_at_once = max(self.told.most_at_once, self.told.num_now)
            self.told.bodies.append(body)
            reply = self.told.reply_to(self.headers["X-Request-Id"], body)
        time.sleep(reply.delay_s)
        with self.told.lock:
            self.told.num_now -= 1
        self._answer(reply)

    def _answer(self, reply: Reply) -> None:
        if not self._is_known():
            self._send(401, b'{"error": {"message": "no such key"}}')
        elif reply.status != 200:
            refusal = reply.raw or b'{"error": {"message": "not now"}}'
            self._send(reply.status, refusal, retry_after=reply.retry_after)
        elif reply.text is None and reply.raw is None and reply.refusal is None:
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
        else:
            self._send(200, completion(reply), is_cut_short=reply.is_cut_short)

    def _is_known(self) -> bool:
        return not self.told.key or self.headers.get("Authorization") == f"Bearer {self.told.key}"

    def _send(
        self, status: int, data: bytes, *, retry_after: str | None = None, is_cut_short: bool = False
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Connection", "close")
        if retry_after:
            self.send_header("Retry-After", retry_after)
        self.end_headers()
        self.wfile.write(data[:20] if is_cut_short else data)
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        pass

    def handle(self) -> None:
        with contextlib.suppress(OSError):  # the client had enough
            super().handle()


def hashes_frames(body: dict) -> str:
    """A caption that is another one for any other byte of a frame or a prompt."""
    return hashlib.sha256(json.dumps(body["messages"]).encode()).hexdigest()


@contextmanager
def model_server() -> Iterator[ModelServer]:
    """A server until the block ends."""
    handler = type("Handler", (_Handler,), {})
    http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    http.daemon_threads = True
    handler.told = server = ModelServer(f"http://127.0.0.1:{http.server_port}/v1")
    thread = threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()

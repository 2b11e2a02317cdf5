"""A proxy in front of a server that speaks HTTP, which answers some requests badly, late or not at all."""

import contextlib
import http.client
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}
SERVER_S = 60.0


@dataclass(frozen=True)
class Status:
    """The proxy answers by itself."""

    number: int = 503


@dataclass(frozen=True)
class Reset:
    """The connection is reset, after a number of bytes of the true answer's body."""

    after_bytes: int = 0


@dataclass(frozen=True)
class Slow:
    """The true answer comes in pieces with a pause before each."""

    pause_s: float
    piece_bytes: int = 1 << 30


@dataclass(frozen=True)
class Outage:
    """Every request is reset for a while, whatever it asks for."""

    seconds: float


@dataclass
class Rule:
    """What happens at the matching requests ``first`` to ``last``, counted from 1.

    A request matches by its method and by a part of its path with the query; empty ones match all.
    """

    does: Status | Reset | Slow | Outage
    path: str = ""
    method: str = ""
    first: int = 1
    last: int = 1 << 30
    num_seen: int = 0
    num_done: int = 0

    def comes(self, method: str, path: str) -> bool:
        """Counts a request; returns True if the rule is for it."""
        if self.path not in path or self.method not in ("", method):
            return False
        self.num_seen += 1
        is_meant = self.first <= self.num_seen <= self.last
        self.num_done += is_meant
        return is_meant


@dataclass
class Proxy:
    """Forwards to ``server_url``. ``rules`` may be set at any time; the first that matches counts."""

    url: str
    server_url: str
    rules: list[Rule] = field(default_factory=list[Rule])
    requests: list[str] = field(default_factory=list[str])
    out_until_s: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def fault_of(self, method: str, path: str) -> Status | Reset | Slow | None:
        """Returns what happens to a request."""
        with self.lock:
            self.requests.append(f"{method} {path}")
            if time.monotonic() < self.out_until_s:
                return Reset()
            rule = next((rule for rule in self.rules if rule.comes(method, path)), None)
            if rule is None or not isinstance(rule.does, Outage):
                return rule.does if rule else None
            self.out_until_s = time.monotonic() + rule.does.seconds
            return Reset()

    def unused(self) -> list[Rule]:
        """Returns the rules that no request met: they tested nothing."""
        return [rule for rule in self.rules if not rule.num_done]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else a body waits 40 ms for the header to be confirmed
    proxy: Proxy

    def _forward(self) -> None:
        body = self._body()
        fault = self.proxy.fault_of(self.command, self.path)
        if isinstance(fault, Status):
            self._answer(fault.number, {}, b"<Error><Code>SlowDown</Code></Error>", None)
        elif isinstance(fault, Reset) and not fault.after_bytes:
            self._reset()
        else:
            self._pass_on(body, fault)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _forward  # noqa: N815 - names of the base class

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts: list[bytes] = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _pass_on(self, body: bytes, fault: Reset | Slow | None) -> None:
        server = http.client.HTTPConnection(urlsplit(self.proxy.server_url).netloc, timeout=SERVER_S)
        with contextlib.closing(server):
            headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
            server.request(self.command, self.path, body, {**headers, "Content-Length": str(len(body))})
            reply = server.getresponse()
            data = reply.read()
            sent = {name: value for name, value in reply.headers.items() if name.lower() not in HOP_BY_HOP}
            if self.command == "HEAD":
                sent["Content-Length"] = reply.headers.get("Content-Length", "0")
            self._answer(reply.status, sent, data, fault)

    def _answer(self, status: int, headers: dict[str, str], data: bytes, fault: Reset | Slow | None) -> None:
        self.send_response_only(status)
        for name, value in {"Content-Length": str(len(data)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        if isinstance(fault, Reset):
            self.wfile.write(data[: fault.after_bytes])
            self._reset()
        elif isinstance(fault, Slow):
            for start in range(0, max(1, len(data)), fault.piece_bytes):
                time.sleep(fault.pause_s)
                self.wfile.write(data[start : start + fault.piece_bytes])
        else:
            self.wfile.write(data)

    def _reset(self) -> None:
        """Ends the connection with a reset: lingering for no time drops what was not sent."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.wfile.flush()
        self.connection.close()
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        pass

    def handle(self) -> None:
        with contextlib.suppress(OSError, ValueError):  # the client had enough, or the connection was reset
            super().handle()

    def finish(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            super().finish()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def shutdown_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
        with contextlib.suppress(OSError):
            super().shutdown_request(request)


@contextmanager
def proxy_of(server_url: str) -> Iterator[Proxy]:
    """A proxy in front of a server until the block ends."""
    handler = type("Handler", (_Handler,), {})
    server = _Server(("127.0.0.1", 0), handler)
    handler.proxy = proxy = Proxy(f"http://127.0.0.1:{server.server_port}", server_url)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

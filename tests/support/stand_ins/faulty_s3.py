"""An S3 server that can be made to answer 503: a proxy before the stand-in, for clients that soon give up."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import urlsplit

import pytest
from s3fs import S3FileSystem

from tests.support.stand_ins.object_store import s3_server

LOCALHOST = "127.0.0.1"
_OWN_HEADERS = ("content-length", "transfer-encoding", "connection", "date", "server")
_BUSY = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"


class FaultySwitch:
    """``is_down`` says which requests, by method and path, get a 503; ``num_refused`` counts them."""

    def __init__(self) -> None:
        self.is_down: Callable[[str, str], bool] = lambda method, path: False
        self.num_refused = 0


@contextmanager
def faulty_s3(bucket: str) -> Iterator[FaultySwitch]:
    """A switch of a server with an empty ``bucket``; the environment names the server meanwhile."""
    switch = FaultySwitch()
    with s3_server(bucket) as url, pytest.MonkeyPatch.context() as patch:
        server = ThreadingHTTPServer((LOCALHOST, 0), _handler(urlsplit(url).netloc, switch))
        Thread(target=server.serve_forever, daemon=True).start()
        patch.setenv("AWS_ENDPOINT_URL", f"http://{LOCALHOST}:{server.server_port}")
        patch.setenv("AWS_MAX_ATTEMPTS", "1")  # botocore's own
        patch.setattr(S3FileSystem, "retries", 2)  # it asks five times within two seconds
        yield switch
        server.shutdown()
        server.server_close()


def _handler(netloc: str, switch: FaultySwitch) -> type[BaseHTTPRequestHandler]:
    return type("Handler", (_Handler,), {"netloc": netloc, "switch": switch})


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else a body waits 40 ms for the header to be confirmed
    netloc: str
    switch: FaultySwitch

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.switch.is_down(self.command, self.path):
            self.switch.num_refused += 1
            self._send(503, {"Content-Type": "application/xml"}, _BUSY)
            return
        upstream = HTTPConnection(self.netloc, timeout=30)
        headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
        upstream.request(self.command, self.path, body, headers)
        answer = upstream.getresponse()
        self._send(answer.status, dict(answer.getheaders()), answer.read())
        upstream.close()

    def _send(self, status: int, headers: dict[str, str], data: bytes) -> None:
        self.send_response(status)
        is_head = self.command == "HEAD"
        for name, value in headers.items():
            if name.lower() not in _OWN_HEADERS:
                self.send_header(name, value)
        self.send_header("Content-Length", headers.get("Content-Length", "0") if is_head else str(len(data)))
        self.end_headers()
        if not is_head:
            self.wfile.write(data)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _answer  # noqa: N815 - names of the library

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""

"""A web server on this machine that behaves as a test says."""

import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


@dataclass
class Site:
    """What the server holds, and how it answers.

    ``refusals`` are statuses of the next answers; the next ``num_cut`` connections end after ``cut_after``
    bytes of a body.
    """

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    etags: dict[str, str] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    has_ranges: bool = True
    says_length: bool = True
    length_is_off_by: int = 0
    refusals: list[int] = field(default_factory=list)
    cut_after: int = 0
    num_cut: int = 0
    delay_s: float = 0.0
    query: str = ""
    """What a request has to end in, as a signature does."""
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Path and range of each request."""
    before: Callable[[int], None] | None = None
    """Called with the number of each request, before it is answered."""

    @property
    def whole_reads(self) -> int:
        return sum(not wanted for _, wanted in self.asked)


@contextmanager
def web_server(tls: ssl.SSLContext | None = None) -> Iterator[Site]:
    site = Site()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"site": site}))
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    site.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield site
    server.shutdown()
    server.server_close()


class _Handler(BaseHTTPRequestHandler):
    site: Site
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else a body waits 40 ms for the header to be confirmed

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: tests read their own output."""

    def do_GET(self) -> None:
        site, parts = self.site, urlsplit(self.path)
        wanted = self.headers.get("Range", "")
        site.asked.append((parts.path, wanted))
        if site.before is not None:
            site.before(len(site.asked))
        time.sleep(site.delay_s)
        if refusal := self._refusal(parts.path, parts.query):
            self._say(refusal, b"", {"Location": site.redirects.get(parts.path, "")})
        else:
            self._send(parts.path, site.files[parts.path], wanted)

    def _refusal(self, path: str, query: str) -> int:
        """The status of an answer without a file; 0 where there is one."""
        if self.site.refusals:
            return self.site.refusals.pop(0)
        if path in self.site.redirects:
            return 302
        if self.site.query and query != self.site.query:
            return 403
        return 0 if path in self.site.files else 404

    def _send(self, path: str, data: bytes, wanted: str) -> None:
        site = self.site
        headers = {"ETag": site.etags[path]} if path in site.etags else {}
        condition = self.headers.get("If-Match")
        if condition is not None and condition != headers.get("ETag"):
            self._say(412, b"another one")
            return
        if not wanted or not site.has_ranges:
            self._say(200, data, headers)
            return
        first, last = (int(number) for number in wanted.removeprefix("bytes=").split("-"))
        if first >= len(data):
            self._say(416, b"", {**headers, "Content-Range": f"bytes */{len(data)}"})
            return
        part = data[first : last + 1]
        place = f"bytes {first}-{first + len(part) - 1}/{len(data)}"
        self._say(206, part, {**headers, "Content-Range": place})

    def _say(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        site = self.site
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if site.says_length:
            self.send_header("Content-Length", str(len(body) + site.length_is_off_by))
        else:
            self.send_header("Connection", "close")
        self.end_headers()
        is_cut = site.num_cut > 0 and len(body) > site.cut_after
        if is_cut:
            site.num_cut -= 1
            body = body[: site.cut_after]
        try:
            self.wfile.write(body)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        self.close_connection |= is_cut or not site.says_length or bool(site.length_is_off_by)

"""A model hub on this machine: the answers that downloads need, from folders of files."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit


@dataclass
class Hub:
    """``models`` maps a model's id to a folder; ``requests`` are those that were answered."""

    url: str
    models: dict[str, Path]
    commit: str = "32bd64288804d66eefd0ccbe215aa642df71cc41"
    requests: list[str] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    cuts: list[int] = field(default_factory=list)
    """Bytes after which the connection breaks, for each of the next files of weights."""

    def answer(self, path: str) -> tuple[int, bytes, dict[str, str]]:
        """Status, body and headers."""
        for source, folder in self.models.items():
            if path.startswith(f"/api/models/{source}/revision/"):
                return self._revision(source, folder, path)
            if path.startswith(f"/api/models/{source}/tree/"):
                files = [{"type": "file", "path": name, **facts} for name, facts in _files(folder)]
                return 200, json.dumps(files).encode(), {}
            if path.startswith(f"/{source}/resolve/"):
                return self._file(folder, path.split("/", 5)[5])
        return 404, b"{}", {"X-Error-Code": "RepoNotFound"}

    def _revision(self, source: str, folder: Path, path: str) -> tuple[int, bytes, dict[str, str]]:
        revision = path.rsplit("/", 1)[1]
        if revision != "main" and not self.commit.startswith(revision):
            return 404, b"{}", {"X-Error-Code": "RevisionNotFound"}
        siblings = [{"rfilename": name, **facts} for name, facts in _files(folder)]
        return 200, json.dumps({"id": source, "sha": self.commit, "siblings": siblings}).encode(), {}

    def _file(self, folder: Path, name: str) -> tuple[int, bytes, dict[str, str]]:
        data = (folder / name).read_bytes()
        etag = hashlib.sha256(data).hexdigest()
        return 200, data, {"X-Repo-Commit": self.commit, "ETag": f'"{etag}"', "Accept-Ranges": "bytes"}


def _files(folder: Path) -> Iterator[tuple[str, dict[str, object]]]:
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        data = path.read_bytes()
        facts: dict[str, object] = {"size": len(data), "oid": "0" * 40, "blobId": "0" * 40}
        if path.suffix == ".safetensors":
            digest = hashlib.sha256(data).hexdigest()
            facts["lfs"] = {"sha256": digest, "oid": digest, "size": len(data), "pointerSize": 130}
        yield path.relative_to(folder).as_posix(), facts


class _Server(ThreadingHTTPServer):
    hub: Hub


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else a body waits 40 ms for the header to be confirmed
    server: _Server

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        data, hub = self._answer(), self.server.hub
        if hub.cuts and self.path.endswith(".safetensors"):
            data = data[: hub.cuts.pop(0)]
            self.close_connection = True
        self.wfile.write(data)

    def _answer(self) -> bytes:
        """Send status and headers; the body that goes with them."""
        hub, path = self.server.hub, urlsplit(self.path).path
        status, data, headers = hub.answer(path)
        asked = self.headers.get("Range") or ""
        hub.tokens.add((self.headers.get("Authorization") or "").removeprefix("Bearer "))
        hub.requests.append(f"{self.command} {path} {asked}".strip())
        if asked and self.command == "GET":
            start = int(asked.removeprefix("bytes=").split("-")[0])
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
            status, data = 206, data[start:]
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        return data

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def hub_of(models: dict[str, Path]) -> Iterator[Hub]:
    """A hub that serves these models until the block ends."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.hub = Hub(f"http://127.0.0.1:{server.server_port}", models)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server.hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

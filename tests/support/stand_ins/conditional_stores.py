"""Servers that speak as much of Google Cloud Storage and Azure Blob Storage as conditional writes need."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

import fsspec
import pytest

HTTP_DATE = "Sun, 29 Nov 2026 21:00:00 GMT"


class _Objects:
    """Name -> generation and content, changed by one request at a time."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.by_name: dict[str, tuple[int, bytes]] = {}
        self._last = 1000

    def put(self, name: str, data: bytes) -> int:
        self._last += 1
        self.by_name[name] = (self._last, data)
        return self._last


class _Handler(BaseHTTPRequestHandler):
    objects: _Objects
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else a body waits 40 ms for the header to be confirmed

    def log_message(self, format: str, *args: object) -> None:
        pass

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))


class _Google(_Handler):
    """Objects by the JSON API: a generation for each write, ``ifGenerationMatch`` on uploads."""

    def do_POST(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        name, data = query["name"][0], self.body()
        with self.objects.lock:
            stands = self.objects.by_name.get(name, (0, b""))[0]
            if int(query["ifGenerationMatch"][0]) != stands:
                self.answer(412, b'{"error": {"code": 412, "message": "conditionNotMet"}}')
                return
            generation = self.objects.put(name, data)
        self.answer(200, json.dumps({"name": name, "generation": str(generation)}).encode())

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        name = unquote(url.path.rpartition("/o/")[2]) if "/o/" in url.path else ""
        found = self.objects.by_name.get(name)
        if url.path.endswith("/o"):  # a listing: nothing lies below
            self.answer(200, b'{"kind": "storage#objects"}')
        elif found is None:
            self.answer(404, b'{"error": {"code": 404, "message": "Not Found"}}')
        elif "media" in parse_qs(url.query).get("alt", []):
            self.answer(200, found[1])
        else:
            facts = {"name": name, "bucket": "films", "size": str(len(found[1])), "generation": str(found[0])}
            self.answer(200, json.dumps(facts).encode(), Content_Type="application/json")


class _Azure(_Handler):
    """Blobs with ETags; ``If-Match`` and ``If-None-Match`` on uploads."""

    def do_PUT(self) -> None:
        name, data = urlsplit(self.path).path, self.body()
        with self.objects.lock:
            stands = self.objects.by_name.get(name)
            wanted = self.headers.get("If-Match")
            if self.headers.get("If-None-Match") == "*" and stands is not None:
                self.answer(409, x_ms_error_code="BlobAlreadyExists")
            elif wanted is not None and (stands is None or wanted != _etag(stands[0])):
                self.answer(412, x_ms_error_code="ConditionNotMet")
            else:
                generation = self.objects.put(name, data)
                self.answer(201, ETag=_etag(generation), Last_Modified=HTTP_DATE)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        found = self.objects.by_name.get(url.path)
        if "comp=list" in url.query:
            nothing = b'<?xml version="1.0"?><EnumerationResults><Blobs/><NextMarker/></EnumerationResults>'
            self.answer(200, nothing, Content_Type="application/xml")
        elif found is None:
            self.answer(404, x_ms_error_code="BlobNotFound")
        else:
            size = str(len(found[1]))
            self.answer(
                206 if self.headers.get("x-ms-range") else 200, found[1], ETag=_etag(found[0]),
                Last_Modified=HTTP_DATE, x_ms_blob_type="BlockBlob",
                Content_Range=f"bytes 0-{len(found[1]) - 1}/{size}", Content_Type="application/octet-stream",
            )  # fmt: skip


def _etag(generation: int) -> str:
    return f'"0x{generation:X}"'


@contextmanager
def google_server() -> Iterator[None]:
    """A server for ``gs://``; the environment names it meanwhile."""
    with _served(_Google) as url, pytest.MonkeyPatch.context() as patch:
        patch.setenv("STORAGE_EMULATOR_HOST", url)
        yield
        fsspec.get_filesystem_class("gs").clear_instance_cache()


@contextmanager
def azure_server() -> Iterator[None]:
    """A server for ``az://``; the environment names it meanwhile."""
    with _served(_Azure) as url, pytest.MonkeyPatch.context() as patch:
        connection = (
            f"DefaultEndpointsProtocol=http;AccountName=films;AccountKey=Zg==;BlobEndpoint={url}/films;"
        )
        patch.setenv("AZURE_STORAGE_CONNECTION_STRING", connection)
        yield
        fsspec.get_filesystem_class("az").clear_instance_cache()


@contextmanager
def _served(kind: type[_Handler]) -> Iterator[str]:
    handler = type("Handler", (kind,), {"objects": _Objects()})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()

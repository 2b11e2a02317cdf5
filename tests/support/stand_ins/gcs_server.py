"""A store that answers the few calls of Google's JSON protocol that reading takes."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qs, unquote, urlsplit

import fsspec
import gcsfs
import pytest
from gcsfs.extended_gcsfs import BucketType

Objects = dict[str, tuple[int, bytes]]
"""Key in the bucket -> generation and content."""


@contextmanager
def gcs_server(bucket: str) -> Iterator[Objects]:
    """The objects of ``bucket``, served; ``gs://`` leads there meanwhile."""
    objects: Objects = {}
    handler = type("Handler", (_Handler,), {"objects": objects, "bucket": bucket})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    known = {"token": "anon", "endpoint_url": f"http://127.0.0.1:{server.server_port}"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(fsspec.config.conf, "gs", known)
        patch.setattr(gcsfs.GCSFileSystem, "_lookup_bucket_type", _flat)
        yield objects
    server.shutdown()
    server.server_close()


async def _flat(*arguments: object) -> BucketType:
    """The kind of a bucket is asked for by another protocol, of Google itself."""
    return BucketType.NON_HIERARCHICAL


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else a body waits 40 ms for the header to be confirmed
    objects: Objects
    bucket: str

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: tests read their own output."""

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        place = f"/storage/v1/b/{self.bucket}"
        path = parts.path.removeprefix("/download")
        if path == f"{place}/o":
            prefix = query.get("prefix", "")
            found = [self._facts(key) for key in sorted(self.objects) if key.startswith(prefix)]
            self._say(200, json.dumps({"items": found}).encode())
            return
        key = unquote(path.removeprefix(f"{place}/o/"))
        wanted = query.get("generation")
        if key not in self.objects or wanted not in (None, str(self.objects[key][0])):
            self._say(404, b'{"error": {"message": "no such object"}}')
        elif query.get("alt") == "media":
            first, last = self.headers["Range"].removeprefix("bytes=").split("-")
            self._say(206, self.objects[key][1][int(first) : int(last) + 1])
        else:
            self._say(200, json.dumps(self._facts(key)).encode())

    def _facts(self, key: str) -> dict[str, str]:
        generation, data = self.objects[key]
        size = str(len(data))
        return {"name": key, "bucket": self.bucket, "size": size, "generation": str(generation), "etag": "e"}

    def _say(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

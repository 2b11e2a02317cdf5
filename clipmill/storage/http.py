"""Files on web servers: what one look says of a file, parts of it, all of it.

A look asks for the first byte, for a signed address may allow nothing but GET. Answers are compared with what
the look said: ETag, date and size. Requests are bounded in time and tried again where that may help. No fault
here names the address, which may be secret; it names the status.
"""

import asyncio
import errno
import re
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import BinaryIO, TypeVar, cast

import aiohttp
from fsspec import asyn
from fsspec.implementations.http import HTTPFileSystem

from clipmill.storage.faults import ChangedFile, is_transient
from clipmill.storage.filesystems import filesystem_of

_RESULT = TypeVar("_RESULT")

TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=20.0, sock_read=30.0)
RANGE_S = 120.0
"""Limit for a part of a file; parts have a megabyte at most."""
WAITS_S = (0.2, 0.8)
"""Between tries."""
SLOWEST_BYTES_PER_S = 16 << 10
SLOW_AFTER_S = 60.0
"""A whole file that comes slower, once this long has passed, is a fault."""
PIECE_BYTES = 1 << 20

_CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)")
_GONE = frozenset({404, 410})
_FORBIDDEN = frozenset({401, 403, 407})


class TooLarge(OSError):
    """A file has more bytes than may be read."""


@dataclass(frozen=True)
class HttpFile:
    """What one look says of a file; an empty ``etag`` and ``date`` say that no change can be seen."""

    size_bytes: int | None
    etag: str
    date: str
    has_ranges: bool

    @property
    def version(self) -> str:
        """What names the bytes: the ETag, else the date of the last change; empty for neither."""
        return self.etag.strip('"') or self.date

    def differs(self, other: "HttpFile") -> bool:
        """Whether an answer is about another file; what a server leaves out says nothing."""
        pairs = (self.etag, other.etag), (self.date, other.date), (self.size_bytes, other.size_bytes)
        return any(first != second for first, second in pairs if first and second)


def look(url: str) -> HttpFile:
    """Asks a server about a file."""
    return _tried(url, lambda files: _look(files, url))


def read_range(url: str, start: int, end: int, *, known: HttpFile) -> bytes:
    """Bytes ``[start, end)``; ChangedFile where the answer is not about the file that ``known`` is."""
    return _tried(url, lambda files: _read_range(files, url, start, end, known))


def read_all(
    url: str, file: BinaryIO, *, known: HttpFile, max_bytes: int, progress: Callable[[], None]
) -> int:
    """Copies all of a file into ``file``; the number of bytes. TooLarge beyond ``max_bytes``."""
    return _tried(url, lambda files: _read_all(files, url, file, known, max_bytes, progress))


def read_bytes(url: str) -> bytes:
    """All of a small file."""

    async def read(files: HTTPFileSystem) -> bytes:
        async with _answered(files, url, {}) as answer:
            return await asyncio.wait_for(answer.read(), RANGE_S)

    return _tried(url, read)


def _tried(url: str, work: Callable[[HTTPFileSystem], Awaitable[_RESULT]]) -> _RESULT:
    """The result of a coroutine of the file system, begun again after a passing fault."""
    files = cast(HTTPFileSystem, filesystem_of(url))
    for wait_s in (*WAITS_S, None):
        try:
            return cast(_RESULT, asyn.sync(files.loop, work, files))
        except aiohttp.TooManyRedirects:
            raise OSError("the server redirects without end") from None
        except aiohttp.ClientResponseError as error:  # its text holds the address
            raise OSError(f"the server answers {error.status} {error.message}") from None
        except aiohttp.ClientConnectorCertificateError as error:
            why = getattr(error.certificate_error, "verify_message", "") or str(error.certificate_error)
            remedy = "SSL_CERT_FILE names the file of an authority that is"
            raise ConnectionError(f"the server's certificate is not trusted ({why}): {remedy}") from None
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError):
            raise OSError("this is no address of a web server") from None
        except (OSError, aiohttp.ClientError) as error:
            if wait_s is None or not is_transient(error) or isinstance(error, ChangedFile):
                raise
            time.sleep(wait_s)
    raise AssertionError("the last try returns or raises")


async def _look(files: HTTPFileSystem, url: str) -> HttpFile:
    async with _answered(files, url, {"Range": "bytes=0-0"}) as answer:
        return _facts(answer)


async def _read_range(files: HTTPFileSystem, url: str, start: int, end: int, known: HttpFile) -> bytes:
    headers = {"Range": f"bytes={start}-{end - 1}"}
    if known.etag and not known.etag.startswith("W/"):
        headers["If-Match"] = known.etag
    async with _answered(files, url, headers) as answer:
        facts = _facts(answer)
        if known.differs(facts):
            raise ChangedFile("the server has another file there by now")
        if answer.status != 206:
            raise OSError(errno.EREMOTEIO, f"asked for a range, the server answers {answer.status}")
        data = await asyncio.wait_for(answer.read(), RANGE_S)
        if len(data) != end - start:
            raise OSError(errno.EREMOTEIO, f"asked for bytes {start} to {end}, got {len(data)} bytes")
        return data


async def _read_all(
    files: HTTPFileSystem,
    url: str,
    file: BinaryIO,
    known: HttpFile,
    max_bytes: int,
    progress: Callable[[], None],
) -> int:
    file.seek(0)
    file.truncate()
    began_s, num_bytes = time.monotonic(), 0
    async with _answered(files, url, {}) as answer:
        if known.differs(_facts(answer)):
            raise ChangedFile("the server has another file there by now")
        async for piece in answer.content.iter_chunked(PIECE_BYTES):
            num_bytes += len(piece)
            if num_bytes > max_bytes:
                raise TooLarge(errno.EFBIG, f"it has more than {max_bytes} bytes")
            _check_speed(num_bytes, time.monotonic() - began_s)
            file.write(piece)
            progress()
    file.flush()
    return num_bytes


def _check_speed(num_bytes: int, passed_s: float) -> None:
    if passed_s > SLOW_AFTER_S and num_bytes < passed_s * SLOWEST_BYTES_PER_S:
        raise TimeoutError(f"{num_bytes} bytes came in {passed_s:.0f} s")


@asynccontextmanager
async def _answered(
    files: HTTPFileSystem, url: str, headers: Mapping[str, str]
) -> AsyncGenerator[aiohttp.ClientResponse]:
    """An answer that is none of an error; what is not read of it is dropped with its connection."""
    session = cast(aiohttp.ClientSession, await files.set_session())
    options = cast(dict[str, object], {"timeout": TIMEOUT, **files.kwargs})
    named = cast(dict[str, str], options.pop("headers", {}))
    headers = {"Accept-Encoding": "identity", **named, **headers}
    async with session.get(files.encode_url(url), headers=headers, **options) as answer:  # pyright: ignore[reportArgumentType] by fsspec's word
        _check(answer)
        yield answer


def _check(answer: aiohttp.ClientResponse) -> None:
    status = answer.status
    if status in (200, 206, 416):
        return
    said = f"the server answers {status} {answer.reason or ''}".rstrip()
    if status == 412:
        raise ChangedFile("the server has another file there by now")
    if status in _GONE:
        raise FileNotFoundError(errno.ENOENT, said)
    if status in _FORBIDDEN:
        raise PermissionError(errno.EACCES, said)
    passing = status in (408, 425, 429) or status >= 500
    raise OSError(errno.EREMOTEIO if passing else errno.EINVAL, said)


def _facts(answer: aiohttp.ClientResponse) -> HttpFile:
    """What the headers of an answer say of the file."""
    headers = answer.headers
    etag, date = headers.get("ETag", ""), headers.get("Last-Modified", "")
    is_plain = headers.get("Content-Encoding", "identity") in ("", "identity")
    found = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", "").strip())
    if answer.status == 416:
        return HttpFile(int(found[3]) if found and found[3] != "*" else 0, etag, date, has_ranges=True)
    if answer.status == 206 and found and found[3] != "*" and is_plain:
        return HttpFile(int(found[3]), etag, date, has_ranges=True)
    length = headers.get("Content-Length", "") if answer.status == 200 and is_plain else ""
    return HttpFile(int(length) if length.isdigit() else None, etag, date, has_ranges=False)

"""From what stores raise to the store errors: worth another try, not, or another file than was listed.

No client of a store is imported for its errors: one that is not loaded raises none.
"""

import errno
import sys
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import cast

from clipmill.errors import TRANSIENT_ERRNOS, SourceChanged, StoreError, TransientStoreError

_CLIENTS = (
    ("botocore.exceptions", "BotoCoreError"),
    ("botocore.exceptions", "ClientError"),
    ("aiohttp", "ClientError"),
    ("gcsfs.retry", "HttpError"),
    ("google.auth.exceptions", "GoogleAuthError"),
    ("azure.core.exceptions", "AzureError"),
)
_PASSING_KINDS = {
    "HTTPClientError", "ConnectionError", "ClientConnectionError", "ClientPayloadError", "ProxyError",
    "ServiceRequestError", "ServiceResponseError", "TransportError",
}  # fmt: skip
"""Names of the clients' errors about a connection rather than an answer."""
_REMEDIES = {
    "NoCredentialsError": ": set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE",
    "NoRegionError": ": set AWS_DEFAULT_REGION",
}
_PASSING_STATUS = frozenset({408, 425, 429})


class ChangedFile(OSError):
    """A file that is opened is not the one that was listed; ``named_faults`` makes it a SourceChanged."""

    def __init__(self, cause: str) -> None:
        super().__init__(errno.ESTALE, cause)


@contextmanager
def named_faults(uri: str, *, also: tuple[type[Exception], ...] = ()) -> Generator[None]:
    """Raise what the store raises inside as StoreError, or the kind of it that fits, naming ``uri``.

    ``also`` are more errors that a store may raise for what is wrong with a request.
    """
    started_s = time.monotonic()
    try:
        yield
    except StoreError:
        raise
    except (OSError, *_client_errors(), *also) as error:
        raise _named(error, uri, tried_s=time.monotonic() - started_s) from error


def is_transient(error: Exception) -> bool:
    """Whether a fault of a store is worth another try: throttling, a 5xx, a connection that is gone."""
    if isinstance(error, (TimeoutError, ConnectionError)):
        return True
    if isinstance(error, OSError) and error.errno in TRANSIENT_ERRNOS:
        return True
    status = status_of(error)
    if status in _PASSING_STATUS or status >= 500:
        return True
    return not _PASSING_KINDS.isdisjoint(kind.__name__ for kind in type(error).__mro__)


def is_missing(error: StoreError) -> bool:
    """Whether a file was not there."""
    return isinstance(error.__cause__, FileNotFoundError)


def status_of(error: BaseException) -> int:
    """Returns the HTTP status behind a fault; 0 where there is none."""
    for name in ("status", "status_code", "code"):
        status = getattr(error, name, None)
        if isinstance(status, int):
            return status
    answer = cast(object, getattr(error, "response", None))
    if isinstance(answer, Mapping):
        facts = cast("Mapping[str, Mapping[str, object]]", answer).get("ResponseMetadata", {})
        return int(str(facts.get("HTTPStatusCode", 0)))
    if isinstance(status := getattr(answer, "status_code", None), int):
        return status
    return status_of(error.__cause__) if error.__cause__ is not None else 0


def _named(error: Exception, uri: str, *, tried_s: float) -> StoreError:
    cause = _cause(error, uri=uri)
    if isinstance(error, ChangedFile):
        return SourceChanged(uri, cause)
    return TransientStoreError(uri, cause, tried_s) if is_transient(error) else StoreError(uri, cause)


def _client_errors() -> tuple[type[Exception], ...]:
    return tuple(getattr(sys.modules[module], name) for module, name in _CLIENTS if module in sys.modules)


def _cause(error: Exception, *, uri: str) -> str:
    if not isinstance(error, OSError) or not error.strerror:
        return f"{error}{_REMEDIES.get(type(error).__name__, '')}" if str(error) else type(error).__name__
    below = str(error.filename).startswith(f"{uri.rstrip('/')}/")
    return f"{error.strerror}: {error.filename}" if below else error.strerror

"""From what file systems raise to the two store errors: worth another try, or not."""

from collections.abc import Generator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NoConnection

from clipmill.errors import TRANSIENT_ERRNOS, StoreError, TransientStoreError


@contextmanager
def named_faults(uri: str) -> Generator[None]:
    """Raise what the store raises inside as StoreError or TransientStoreError naming ``uri``."""
    try:
        yield
    except (OSError, BotoCoreError, ClientError) as error:
        kind = TransientStoreError if _is_transient(error) else StoreError
        raise kind(uri, _cause(error, uri=uri)) from error


def _is_transient(error: Exception) -> bool:
    if isinstance(error, OSError):
        return isinstance(error, (TimeoutError, ConnectionError)) or error.errno in TRANSIENT_ERRNOS
    return isinstance(error, (HTTPClientError, NoConnection))


def _cause(error: Exception, *, uri: str) -> str:
    if not isinstance(error, OSError) or not error.strerror:
        return str(error) or type(error).__name__
    below = str(error.filename).startswith(f"{uri.rstrip('/')}/")
    return f"{error.strerror}: {error.filename}" if below else error.strerror

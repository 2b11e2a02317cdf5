"""Faults that Flyte retries: only those that a task calls recoverable."""

from collections.abc import Generator
from contextlib import contextmanager

from flytekit.exceptions.user import FlyteRecoverableException

from clipmill.errors import TransientStoreError


@contextmanager
def retried_by_flyte() -> Generator[None]:
    """Turn a store's passing faults into the one exception that the backend retries."""
    try:
        yield
    except TransientStoreError as error:
        raise FlyteRecoverableException(str(error)) from error

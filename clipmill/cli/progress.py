"""Progress on standard error."""

import logging
import sys
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def shown_progress() -> Generator[None]:
    """Shows what the library logs at INFO, one line each."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    logger = logging.getLogger("clipmill")
    logger.addHandler(handler)
    before, propagates = logger.level, logger.propagate
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield
    finally:
        logger.setLevel(before)
        logger.propagate = propagates
        logger.removeHandler(handler)

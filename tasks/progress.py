"""Progress on standard error: the library logs, and its caller decides what is shown."""

import logging
import sys


def show_progress() -> None:
    """Show what clipmill logs from INFO on, once per process, whatever called it before."""
    logger = logging.getLogger("clipmill")
    if logger.handlers:
        return
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", datefmt="%H:%M:%S"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False

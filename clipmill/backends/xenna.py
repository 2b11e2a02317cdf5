"""``XennaExecutor`` at its documented path."""

from clipmill.backends.base import BaseExecutor


class XennaExecutor(BaseExecutor):
    """Stands for the engine ``ray``."""

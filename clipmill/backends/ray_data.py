"""``RayDataExecutor`` at its documented path."""

from clipmill.backends.base import BaseExecutor


class RayDataExecutor(BaseExecutor):
    """Stands for the engine ``ray``."""

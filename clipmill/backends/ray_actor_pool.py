"""``RayActorPoolExecutor`` at its documented path."""

from clipmill.backends.base import BaseExecutor


class RayActorPoolExecutor(BaseExecutor):
    """Stands for the engine ``ray``."""

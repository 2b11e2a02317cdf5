"""Executors by NeMo Curator's names: ``Pipeline.run`` takes them and runs one of the project's engines."""

from clipmill.backends.base import BaseExecutor

__all__ = ["BaseExecutor"]

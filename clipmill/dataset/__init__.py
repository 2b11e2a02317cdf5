"""What is published: tables, exports, the manifest. ``clipmill.dataset(output)`` reads it."""

import sys
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clipmill.dataset.reading import PublishedDataset


class _CallableModule(ModuleType):
    """A package that is a function too."""

    def __call__(self, output: str, snapshot: str = "") -> "PublishedDataset":
        """Returns a published output, as ``clipmill.dataset.reading.open_dataset`` does."""
        from clipmill.dataset.reading import open_dataset  # importing the package reads no tables

        return open_dataset(output, snapshot)


sys.modules[__name__].__class__ = _CallableModule

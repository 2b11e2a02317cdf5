"""Numbers of all frames of a video, as they come, in a file instead of memory."""

from tempfile import TemporaryFile

import numpy as np


class TimesFile:
    """An array ``(N,)`` that grows. Of what is looked at the system keeps in memory what it has room for.

    ``values`` is mapped read-only and goes on to be right after an ``append``, which replaces it by a longer
    one. The file has no name: it goes with the last who holds one of them.
    """

    def __init__(self, dtype: type[np.generic]) -> None:
        self._file = TemporaryFile(prefix="clipmill-times-")  # noqa: SIM115 - open for as long as this is
        self._dtype = dtype
        self.values = np.empty(0, dtype)

    def append(self, values: np.ndarray) -> None:
        """The next ones."""
        if not len(values):
            return
        self._file.write(np.asarray(values, self._dtype).tobytes())
        self._file.flush()
        self.values = np.asarray(np.memmap(self._file, self._dtype, "r"))

"""How processes share the tests: file by file, what starts Ray in one of them, and what registers as well."""

from collections.abc import Sequence

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling


class ByFile(LoadFileScheduling):
    """Fixtures of a file are made once; files of a folder named in ``together`` never run at once."""

    def __init__(self, config: pytest.Config, log: Producer, *, together: Sequence[str]) -> None:
        config.option.loadscopereorder = False  # by the number of tests, which says little of their time
        super().__init__(config, log)
        self._together = together

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return next((folder for folder in self._together if f"/{folder}/" in file), file)

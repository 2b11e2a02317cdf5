"""How processes share the tests: file by file, and what starts Ray in one of them."""

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling


class ByFile(LoadFileScheduling):
    """Fixtures of a file are made once; files of folders named ``apart`` never run at once."""

    def __init__(self, config: pytest.Config, log: Producer, *, apart: str) -> None:
        config.option.loadscopereorder = False  # by the number of tests, which says little of their time
        super().__init__(config, log)
        self._apart = apart

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return self._apart if f"/{self._apart}/" in file else file

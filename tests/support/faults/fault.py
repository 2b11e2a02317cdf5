"""A fault: a named point of the code, the call at which it comes, and what happens then."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, Self

SITE = Path(__file__).parent / "site"
FAULTS, FOLDER = "CLIPMILL_FAULTS", "CLIPMILL_FAULTS_FOLDER"
"""Names of the environment variables that processes of a run inherit."""

EVERY = 1 << 30

Action = Literal[
    "note",  # nothing: the calls are counted
    "kill",  # SIGKILL to this process
    "kill_parent",
    "stop",  # SIGSTOP to this process
    "errno",  # OSError with the number `value`
    "error",  # an exception that nothing expects
    "sleep",  # `value` seconds
    "later",  # the time that the point returns is `value` seconds later
    "swap",  # `path` is replaced by `other`, a new file of that name
    "overwrite",  # `path` gets the bytes of `other`, and stays the same file
    "truncate",  # `path` keeps its first half
    "grow",  # `path` gets the bytes of `other` at its end
    "remove",  # `path`
    "meet",  # waits until the file `path` is there, after making `other`
]


@dataclass(frozen=True)
class Fault:
    """At the calls ``first`` to ``last`` of ``point``, counted from 1 over all processes of a run.

    ``point`` is ``package.module:function`` or ``package.module:Class.method``. Only calls count that have
    ``match`` in one of their texts or URIs, that come from ``within``, a function of that form, and that
    come later than the first call of ``since``, the point of another fault of the run.
    """

    point: str
    action: Action
    first: int = 1
    last: int = 0
    """0 stands for ``first``."""
    when: Literal["before", "after"] = "before"
    match: str = ""
    within: str = ""
    since: str = ""
    path: str = ""
    other: str = ""
    value: float = 0.0

    @property
    def module(self) -> str:
        """The module that is imported when the fault is put in place."""
        return self.point.split(":")[0]

    def comes_at(self, call: int) -> bool:
        """Returns True if the fault comes at this call."""
        return self.first <= call <= (self.last or self.first)


@dataclass(frozen=True)
class FaultFolder:
    """The faults of one run, and a folder in which its processes count calls and note what happened."""

    folder: Path
    faults: tuple[Fault, ...]

    @classmethod
    def from_environment(cls) -> Self:
        """Returns what ``environment`` gave to a process."""
        given = json.loads(os.environ[FAULTS])
        return cls(Path(os.environ[FOLDER]), tuple(Fault(**one) for one in given))

    def environment(self, root: Path) -> dict[str, str]:
        """Returns the variables that put the faults in place in every Python process that inherits them."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return {
            FAULTS: json.dumps([asdict(fault) for fault in self.faults]),
            FOLDER: str(self.folder),
            "PYTHONPATH": f"{SITE}:{root}",
        }

    def count_path(self, index: int) -> Path:
        """The file whose length is the number of calls of a fault's point."""
        return self.folder / f"calls-{index}"

    def was_reached(self, point: str) -> bool:
        """Returns True if the point of one of the faults was called."""
        indices = (index for index, fault in enumerate(self.faults) if fault.point == point)
        return any(self.count_path(index).exists() for index in indices)

    def calls(self) -> list[int]:
        """Returns how often the point of each fault was called."""
        paths = [self.count_path(index) for index in range(len(self.faults))]
        return [path.stat().st_size if path.exists() else 0 for path in paths]

    def came(self) -> list[int]:
        """Returns the index of each fault that came, in order."""
        return [int(line) for line in self._lines("came")]

    def missing(self) -> list[str]:
        """Returns the points that the code does not have."""
        return self._lines("missing")

    def note(self, name: Literal["came", "missing"], line: str) -> None:
        """Adds a line to a record of the run."""
        with (self.folder / name).open("a") as file:
            file.write(f"{line}\n")

    def _lines(self, name: str) -> list[str]:
        path = self.folder / name
        return path.read_text().splitlines() if path.exists() else []


def points(faults: Sequence[Fault]) -> list[str]:
    """Returns the points of faults, each once."""
    return list(dict.fromkeys(fault.point for fault in faults))

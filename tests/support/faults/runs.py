"""Runs in processes of their own, with faults, and how they ended."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from clipmill.cli.exits import DONE, FAILURES_LEFT, MISUSE, STOPPED
from tests.support.faults.driver import Request, as_json
from tests.support.faults.fault import Fault, FaultFolder
from tests.support.runs.curation import ROOT, environment

RUN_S = 120.0
"""Longest time of a small run, also on Ray and on a machine that has other work."""


@dataclass(frozen=True)
class Ended:
    """How a run ended. ``kind`` is the class of the error that it ended with, empty where it published."""

    status: int
    kind: str
    message: str
    log: str
    faults: FaultFolder

    @property
    def was_killed(self) -> bool:
        """Whether it ended by SIGKILL."""
        return self.status == -signal.SIGKILL

    @property
    def has_end(self) -> bool:
        """Whether it ended by itself, with a result or an error of clipmill's; a traceback is no end."""
        return self.status in (DONE, MISUSE, FAILURES_LEFT, STOPPED)

    def check(self) -> Self:
        """Returns itself; AssertionError if a fault did not come, for then nothing was tested."""
        assert self.faults.missing() == [], "the code has no such point"
        expected = {index for index, fault in enumerate(self.faults.faults) if fault.action != "note"}
        assert expected <= set(self.faults.came()), f"a fault did not come: {self.faults.calls()}\n{self.log}"
        return self


class Started:
    """A run that is on its way, in a process group of its own."""

    def __init__(
        self, request: Request, faults: Sequence[Fault], scratch: Path, before: Sequence[str] = ()
    ) -> None:
        self.faults = FaultFolder(scratch / f"faults-{uuid.uuid4().hex[:8]}", tuple(faults))
        variables = self.faults.environment(ROOT)
        self._log = (self.faults.folder / "log").open("w+")
        self._process = subprocess.Popen(
            [*before, sys.executable, "-m", "tests.support.faults.driver", as_json(request)],
            cwd=ROOT,
            env=environment(**variables),
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            start_new_session=True,
        )

    def signal(self, number: int) -> None:
        """Sends a signal to the run's process, not to those that it started."""
        self._process.send_signal(number)

    def wait_until(self, is_there: Callable[[], bool]) -> None:
        """Waits until a fault brought the run to a halt, or it has ended."""
        until_s = time.monotonic() + RUN_S
        while not is_there() and self._process.poll() is None:
            assert time.monotonic() < until_s, "the run came to no halt"
            time.sleep(0.05)

    def is_stopped(self) -> bool:
        """Returns True if the run's process was stopped by a signal."""
        return Path(f"/proc/{self._process.pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "T"

    def end(self, *, within_s: float = RUN_S) -> Ended:
        """Waits for the end, kills what is left of the group, and returns how it ended."""
        try:
            output, _ = self._process.communicate(timeout=within_s)
        finally:
            self.kill_all()
        self._log.seek(0)
        lines = output.splitlines()
        said = json.loads(lines[-1]) if lines and lines[-1].startswith("{") else {"kind": "", "message": ""}
        ended = Ended(self._process.returncode, said["kind"], said["message"], self._log.read(), self.faults)
        self._log.close()
        return ended

    def kill_all(self) -> None:
        """Ends every process of the group; those that are stopped too."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def run(request: Request, *faults: Fault, scratch: Path, before: Sequence[str] = ()) -> Ended:
    """Carries out a run with faults, each of which must come. ``before`` is a command to run it under."""
    return Started(request, faults, scratch, before).end().check()

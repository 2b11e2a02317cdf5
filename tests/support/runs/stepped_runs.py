"""``python -m tests.support.runs.stepped_runs``: runs on demand, in a process that is ready before they are.

Each line on standard input is a JSON list of source, output and spec. Each run ends with a line on standard
output: its exit code as the command line has it, and what it said. Where a line has a fourth entry, a name
of a file, the process stops itself (SIGSTOP) before it writes the first such file, and the lease lasts
``STOPPED_TERM_S``.
"""

import fcntl
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import BinaryIO

from clipmill.cli.exits import DONE, exit_code
from clipmill.curation.run import RunOptions, run_curation
from clipmill.errors import ClipmillError
from clipmill.planning.from_spec import plan_of_spec
from clipmill.specs import CurateSpec
from clipmill.storage import local
from tests.support.runs.curation import ROOT, environment
from tests.support.runs.one_codec import one_codec_process

STOPPED_TERM_S = 0.6


class RunProcess:
    """The process, seen from the test."""

    def __init__(self, **variables: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.runs.stepped_runs"],
            cwd=ROOT,
            env=environment(**variables),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._said() == "ready"

    def start(self, source: object, output: object, spec: CurateSpec, stop_at: str = "") -> None:
        """Starts a run and returns at once."""
        assert self._process.stdin is not None
        line = [str(source), str(output), spec.model_dump_json(), stop_at]
        self._process.stdin.write(json.dumps(line) + "\n")
        self._process.stdin.flush()

    def wait_until_stopped(self) -> None:
        """Waits until the process has stopped itself."""
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WNOWAIT)

    def resume(self) -> None:
        """Lets the process go on."""
        self._process.send_signal(signal.SIGCONT)

    def terminate(self) -> str:
        """Sends SIGTERM, also to a process that stopped itself; returns what it said on standard error."""
        self._process.terminate()
        self.resume()
        return self._process.communicate(timeout=60)[1]

    def ended(self) -> tuple[int, str]:
        """Exit code of the run, and its error."""
        code, said = json.loads(self._said())
        return code, said

    def close(self) -> None:
        """Ends the process."""
        self._process.kill()
        self._process.communicate()

    def _said(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


def _stop_before(name: str) -> None:
    whole, is_left = local.replace, [True]

    def replace(path: str, write: Callable[[BinaryIO], object]) -> None:
        if is_left[0] and name in path:
            is_left[0] = False
            _wait_for_lock(path.partition(name)[0])
            os.kill(os.getpid(), signal.SIGSTOP)
        whole(path, write)

    local.replace = replace


def _wait_for_lock(folder: str) -> None:
    """Waits until no thread renews the lease: a process that stops in the middle keeps the folder locked."""
    descriptor = os.open(folder, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    os.close(descriptor)


def _run(source: str, output: str, spec_json: str, stop_at: str) -> tuple[int, str]:
    spec = CurateSpec.model_validate_json(spec_json)
    plan = plan_of_spec(spec, source=source, output=output)
    options = RunOptions(sharding=spec.sharding, dedup=spec.dedup)
    if stop_at:
        _stop_before(stop_at)
        options = RunOptions(sharding=spec.sharding, dedup=spec.dedup, lease_term_s=STOPPED_TERM_S)
    try:
        run_curation(plan, options)
    except ClipmillError as error:
        return exit_code(error), str(error)
    return DONE, ""


if __name__ == "__main__":
    print("ready", flush=True)
    with one_codec_process():
        for line in sys.stdin:
            print(json.dumps(_run(*json.loads(line))), flush=True)

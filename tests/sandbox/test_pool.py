import os
import threading
import time
from pathlib import Path

import pytest

from clipmill.errors import CodecChildDied
from clipmill.sandbox.pool import PooledProcess, kept_processes

pytestmark = pytest.mark.integration


LIMIT_BYTES = 1 << 30
LONG_S = 30.0
CLOCKS = {"timeout_s": LONG_S, "stall_s": LONG_S}


def process_id() -> int:
    return os.getpid()


def leave() -> None:
    os._exit(7)


def meet(folder: Path, own: str, other: str) -> int:
    """The process's id, once the other one has come."""
    (folder / own).touch()
    until_s = time.monotonic() + LONG_S
    while not (folder / other).exists() and time.monotonic() < until_s:
        time.sleep(0.01)
    return os.getpid()


def sleep_long(started: Path) -> None:
    started.touch()
    time.sleep(LONG_S)


def lent() -> PooledProcess:
    return PooledProcess(memory_limit_bytes=LIMIT_BYTES)


def is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def test_calls_that_follow_each_other_share_a_process() -> None:
    first, second = lent(), lent()
    assert first.run(process_id, **CLOCKS) == second.run(process_id, **CLOCKS)


def test_calls_at_the_same_time_have_a_process_each(tmp_path: Path) -> None:
    found: list[int] = []
    calls = [
        threading.Thread(
            target=lambda names=names: found.append(lent().run(meet, tmp_path, *names, **CLOCKS))
        )
        for names in (("one", "two"), ("two", "one"))
    ]
    with kept_processes(memory_limit_bytes=LIMIT_BYTES):
        for call in calls:
            call.start()
        for call in calls:
            call.join()
    assert len(set(found)) == 2


def test_another_limit_is_another_process() -> None:
    first, second = lent(), PooledProcess(memory_limit_bytes=LIMIT_BYTES + 1)
    assert first.run(process_id, **CLOCKS) != second.run(process_id, **CLOCKS)


def test_processes_end_with_the_last_who_may_want_one() -> None:
    child = lent()
    pid = child.run(process_id, **CLOCKS)
    assert is_alive(pid)
    del child
    assert not is_alive(pid)


def test_processes_are_kept_between_runs_while_asked_for() -> None:
    with kept_processes(memory_limit_bytes=LIMIT_BYTES):
        assert lent().run(process_id, **CLOCKS) == lent().run(process_id, **CLOCKS)


def test_time_is_counted_by_who_asked_for_it() -> None:
    first, second = lent(), lent()
    first.run(sum, range(3_000_000), **CLOCKS)
    spent_s = first.cpu_s
    second.run(sum, range(3_000_000), **CLOCKS)
    assert first.cpu_s == spent_s > 0
    assert second.cpu_s > 0


def test_one_that_died_is_replaced_for_the_next() -> None:
    first, second = lent(), lent()
    with pytest.raises(CodecChildDied):
        first.run(leave, **CLOCKS)
    assert second.run(process_id, **CLOCKS) > 0


def test_a_kill_ends_the_call_that_runs(tmp_path: Path) -> None:
    child, started = lent(), tmp_path / "started"

    def kill() -> None:
        while not started.exists():
            time.sleep(0.01)
        child.kill()

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(CodecChildDied):
        child.run(sleep_long, started, **CLOCKS)
    killer.join()


def test_a_kill_between_calls_ends_nobody() -> None:
    first, second = lent(), lent()
    pid = first.run(process_id, **CLOCKS)
    first.kill()
    assert second.run(process_id, **CLOCKS) == pid

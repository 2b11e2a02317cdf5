import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import pytest

from clipmill.errors import CodecChildDied, CodecChildError, CodecChildTimeout, UnreadableVideo
from clipmill.media.encode.availability import trial
from clipmill.sandbox.heartbeat import beat
from clipmill.sandbox.process import CodecChild

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]  # each child imports this module: none of it may take long
LIMIT_BYTES = 1 << 30
LONG_S = 30.0


def add(a: int, b: int) -> int:
    return a + b


def process_id() -> int:
    return os.getpid()


def loaded_modules() -> set[str]:
    return set(sys.modules)


def crash() -> None:
    ctypes.string_at(0)


def leave() -> None:
    os._exit(7)


def sleep_silently(length_s: float) -> str:
    time.sleep(length_s)
    return "awake"


def sleep_counting(length_s: float, step: int) -> str:
    end_s = time.monotonic() + length_s
    progress = 0
    while time.monotonic() < end_s:
        progress += step
        beat(progress)
        time.sleep(0.02)
    return "awake"


def hold_interpreter(length_s: int) -> None:
    ctypes.PyDLL(None).sleep(length_s)


def allocate(num_bytes: int) -> int:
    return len(bytearray(num_bytes))


def leave_holes(num_blocks: int) -> None:
    """Allocate blocks of 64 KiB and let go of all but the last, which keeps the heap from shrinking."""
    blocks = [ctypes.create_string_buffer(1 << 16) for _ in range(num_blocks)]
    _KEPT.append(blocks[-1])


_KEPT: list[ctypes.Array[ctypes.c_char]] = []


def zeros(num_bytes: int) -> bytes:
    return bytes(num_bytes)


def size_of(data: bytes) -> int:
    return len(data)


def fail(error: Exception) -> None:
    raise error


class UnpicklableError(ValueError):
    def __init__(self, first: str, second: str) -> None:
        super().__init__(f"{first} and {second}")


def fail_unpicklable() -> None:
    raise UnpicklableError("this", "that")


def print_noise() -> str:
    print("noise")
    os.write(1, b"more noise\n")
    return "heard"


def priorities_while_encoding() -> set[int]:
    """The policies of all threads of this process, and of this one afterwards."""
    encode_av1()
    return {os.sched_getscheduler(int(thread)) for thread in os.listdir("/proc/self/task")}


def encode_av1() -> None:
    """Encodes a few frames; as root, SVT-AV1 asks for real-time priority."""
    _KEPT_ENCODERS.append(context := av.CodecContext.create("libsvtav1", "w"))
    context.width, context.height, context.pix_fmt = 64, 64, "yuv420p"
    context.time_base = Fraction(1, 25)
    context.open()


_KEPT_ENCODERS: list[av.VideoCodecContext] = []


@pytest.fixture(scope="module")
def shared_child() -> Iterator[CodecChild]:
    with CodecChild(memory_limit_bytes=LIMIT_BYTES) as child:
        yield child


@pytest.fixture
def child() -> Iterator[CodecChild]:
    with CodecChild(memory_limit_bytes=LIMIT_BYTES) as child:
        yield child


def test_result_comes_back(shared_child: CodecChild) -> None:
    assert shared_child.run(add, 2, b=3, timeout_s=LONG_S, stall_s=LONG_S) == 5


def test_child_is_another_process_and_is_reused(shared_child: CodecChild) -> None:
    first = shared_child.run(process_id, timeout_s=LONG_S, stall_s=LONG_S)
    assert first != os.getpid()
    assert shared_child.run(process_id, timeout_s=LONG_S, stall_s=LONG_S) == first


def test_an_encoder_gets_no_real_time_priority(child: CodecChild) -> None:
    assert child.run(priorities_while_encoding, timeout_s=LONG_S, stall_s=LONG_S) == {os.SCHED_OTHER}
    trial.cache_clear()
    assert trial("libsvtav1") == ""
    assert os.sched_getscheduler(0) == os.SCHED_OTHER


def test_child_starts_with_the_first_call() -> None:
    assert CodecChild(memory_limit_bytes=LIMIT_BYTES).pid is None


def modules_after(imports: str) -> str:
    program = f"import {imports}, sys; print(sorted(sys.modules))"
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout


def test_child_imports_only_what_a_call_needs() -> None:
    modules = modules_after("clipmill.sandbox.child_main")
    assert "'clipmill.errors'" in modules
    assert not any(f"'{heavy}'" in modules for heavy in ("av", "numpy", "ray", "pydantic", "fsspec"))


def test_calls_over_local_files_need_few_libraries() -> None:
    modules = modules_after("clipmill.media.io.probe, clipmill.media.cut.single_pass, clipmill.media.cut.cut")
    assert "'av'" in modules
    assert not any(f"'{heavy}'" in modules for heavy in ("asyncio", "pydantic", "fsspec", "pyarrow", "scipy"))


def test_segmentation_fault_is_an_error_and_the_next_call_works(child: CodecChild) -> None:
    with pytest.raises(CodecChildDied, match="signal 11") as caught:
        child.run(crash, timeout_s=LONG_S, stall_s=LONG_S)
    assert caught.value.exit_code == -signal.SIGSEGV
    assert child.run(add, 1, 1, timeout_s=LONG_S, stall_s=LONG_S) == 2


def test_exit_is_an_error(child: CodecChild) -> None:
    with pytest.raises(CodecChildDied, match="exit code 7"):
        child.run(leave, timeout_s=LONG_S, stall_s=LONG_S)


def test_hang_is_killed_in_time(child: CodecChild) -> None:
    child.run(add, 1, 1, timeout_s=LONG_S, stall_s=LONG_S)
    pid, start_s = child.pid, time.monotonic()
    with pytest.raises(CodecChildTimeout):
        child.run(sleep_silently, 60.0, timeout_s=0.3, stall_s=LONG_S)
    assert time.monotonic() - start_s < 5
    assert not is_running(pid)


def test_who_waits_sees_that_another_thread_killed_the_child(child: CodecChild) -> None:
    child.run(add, 1, 1, timeout_s=LONG_S, stall_s=LONG_S)
    threading.Timer(0.1, child.kill).start()
    with pytest.raises(CodecChildDied, match="signal 9"):
        child.run(sleep_silently, 60.0, timeout_s=LONG_S, stall_s=LONG_S)
    child.kill()
    assert child.run(add, 1, 1, timeout_s=LONG_S, stall_s=LONG_S) == 2


def test_hang_that_holds_the_interpreter_is_killed(child: CodecChild) -> None:
    with pytest.raises(CodecChildTimeout):
        child.run(hold_interpreter, 60, timeout_s=1.0, stall_s=LONG_S)


def test_stall_is_killed(shared_child: CodecChild) -> None:
    with pytest.raises(CodecChildTimeout):
        shared_child.run(sleep_silently, 60.0, timeout_s=LONG_S, stall_s=0.3)


def test_progress_prevents_a_stall(shared_child: CodecChild) -> None:
    assert shared_child.run(sleep_counting, 1.5, 1, timeout_s=LONG_S, stall_s=0.9) == "awake"


def test_beats_without_progress_are_a_stall(shared_child: CodecChild) -> None:
    with pytest.raises(CodecChildTimeout):
        shared_child.run(sleep_counting, 60.0, 0, timeout_s=LONG_S, stall_s=0.9)


def test_memory_beyond_the_limit_is_an_error_and_the_next_call_works(child: CodecChild) -> None:
    with pytest.raises(CodecChildDied, match="memory limit"):
        child.run(allocate, 2 * LIMIT_BYTES, timeout_s=LONG_S, stall_s=LONG_S)
    assert child.run(add, 1, 1, timeout_s=LONG_S, stall_s=LONG_S) == 2


def test_memory_within_the_limit_is_granted(shared_child: CodecChild) -> None:
    assert shared_child.run(allocate, LIMIT_BYTES // 4, timeout_s=LONG_S, stall_s=LONG_S) == LIMIT_BYTES // 4


def test_memory_that_a_call_let_go_of_is_given_back(child: CodecChild) -> None:
    child.run(add, 1, 2, timeout_s=LONG_S, stall_s=LONG_S)
    before_bytes = resident_bytes(child.pid)
    child.run(leave_holes, 4000, timeout_s=LONG_S, stall_s=LONG_S)
    child.run(add, 1, 2, timeout_s=LONG_S, stall_s=LONG_S)
    assert resident_bytes(child.pid) - before_bytes < 100 << 16


def test_large_results_and_arguments_pass(shared_child: CodecChild) -> None:
    assert len(shared_child.run(zeros, 30 << 20, timeout_s=LONG_S, stall_s=LONG_S)) == 30 << 20
    assert shared_child.run(size_of, bytes(30 << 20), timeout_s=LONG_S, stall_s=LONG_S) == 30 << 20


def test_our_errors_come_back_as_themselves(shared_child: CodecChild) -> None:
    error = UnreadableVideo("s3://films/a.mp4", "unreadable", "no index")
    with pytest.raises(UnreadableVideo, match="no index") as caught:
        shared_child.run(fail, error, timeout_s=LONG_S, stall_s=LONG_S)
    assert caught.value.video_uri == "s3://films/a.mp4"


def test_unexpected_errors_come_back_with_their_trace(shared_child: CodecChild) -> None:
    with pytest.raises(ZeroDivisionError, match="by nothing") as caught:
        shared_child.run(fail, ZeroDivisionError("by nothing"), timeout_s=LONG_S, stall_s=LONG_S)
    assert "in fail" in caught.value.__notes__[0]


def test_errors_that_do_not_pickle_come_back_readable(shared_child: CodecChild) -> None:
    with pytest.raises(CodecChildError, match="UnpicklableError in the codec process: this and that"):
        shared_child.run(fail_unpicklable, timeout_s=LONG_S, stall_s=LONG_S)


def test_functions_without_a_name_are_refused(shared_child: CodecChild) -> None:
    with pytest.raises((AttributeError, TypeError, ValueError), match="pickle"):
        shared_child.run(lambda: 1, timeout_s=LONG_S, stall_s=LONG_S)


def test_printing_does_not_break_the_protocol(shared_child: CodecChild) -> None:
    assert shared_child.run(print_noise, timeout_s=LONG_S, stall_s=LONG_S) == "heard"


def test_child_dies_with_its_parent(tmp_path: Path) -> None:
    program = (
        "import sys, os, threading, time; sys.path.insert(0, sys.argv[1]);"
        "import tests.sandbox.test_process as t;"
        "child = t.CodecChild(memory_limit_bytes=t.LIMIT_BYTES);"
        "print(child.run(t.process_id, timeout_s=30, stall_s=30), flush=True);"
        "child.run(t.sleep_silently, 60.0, timeout_s=60, stall_s=60)"
    )
    command = [sys.executable, "-c", program, str(ROOT)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=tmp_path, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
    wait_until_gone(pid)


def test_child_survives_the_thread_that_started_it() -> None:
    with CodecChild(memory_limit_bytes=LIMIT_BYTES) as child:
        pids: list[int] = []
        starter = threading.Thread(
            target=lambda: pids.append(child.run(process_id, timeout_s=LONG_S, stall_s=LONG_S))
        )
        starter.start()
        starter.join()
        assert child.run(process_id, timeout_s=LONG_S, stall_s=LONG_S) == pids[0]


def resident_bytes(pid: int | None) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def is_running(pid: int | None) -> bool:
    status = Path(f"/proc/{pid}/status")
    return status.exists() and "State:\tZ" not in status.read_text()


def wait_until_gone(pid: int) -> None:
    end_s = time.monotonic() + 10
    while is_running(pid):
        assert time.monotonic() < end_s, f"process {pid} outlives its parent"
        time.sleep(0.02)


def burn(length_s: float) -> None:
    start_s = time.process_time()
    while time.process_time() - start_s < length_s:
        pass


def test_cpu_time_of_calls_adds_up_over_processes() -> None:
    with CodecChild(memory_limit_bytes=LIMIT_BYTES) as child:
        child.run(burn, 0.2, timeout_s=LONG_S, stall_s=LONG_S)
        first_s = child.cpu_s
        child.close()
        child.run(burn, 0.2, timeout_s=LONG_S, stall_s=LONG_S)
        assert first_s >= 0.2
        assert child.cpu_s >= first_s + 0.2

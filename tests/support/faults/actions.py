"""What happens when a fault comes."""

import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

from tests.support.faults.fault import Action, Fault

MEETING_S = 60.0
"""Longest wait for another process."""


def act(fault: Fault) -> None:
    """Does what a fault does."""
    _ACTIONS[fault.action](fault)


def _kill(fault: Fault) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _kill_parent(fault: Fault) -> None:
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(MEETING_S)  # a codec process ends when its parent does


def _stop(fault: Fault) -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def _errno(fault: Fault) -> None:
    raise OSError(int(fault.value), os.strerror(int(fault.value)))


def _error(fault: Fault) -> None:
    raise RuntimeError(f"nothing expects this at {fault.point}")


def _sleep(fault: Fault) -> None:
    time.sleep(fault.value)


def _swap(fault: Fault) -> None:
    new = Path(fault.other).read_bytes()
    if _is_remote(fault.path):
        _put(fault.path, new)
        return
    beside = Path(f"{fault.path}.new")
    beside.write_bytes(new)
    beside.replace(fault.path)


def _overwrite(fault: Fault) -> None:
    with open(fault.path, "r+b") as file:
        file.truncate(file.write(Path(fault.other).read_bytes()))


def _truncate(fault: Fault) -> None:
    if _is_remote(fault.path):
        data = _get(fault.path)
        _put(fault.path, data[: len(data) // 2])
    else:
        os.truncate(fault.path, Path(fault.path).stat().st_size // 2)


def _grow(fault: Fault) -> None:
    more = Path(fault.other).read_bytes()
    if _is_remote(fault.path):
        _put(fault.path, _get(fault.path) + more)
    else:
        with open(fault.path, "ab") as file:
            file.write(more)


def _remove(fault: Fault) -> None:
    if _is_remote(fault.path):
        bucket, key = _place(fault.path)
        _client().delete_object(Bucket=bucket, Key=key)
    elif Path(fault.path).is_dir():
        shutil.rmtree(fault.path)
    else:
        Path(fault.path).unlink()


def _meet(fault: Fault) -> None:
    Path(fault.other).touch()
    until_s = time.monotonic() + MEETING_S
    while not Path(fault.path).exists() and time.monotonic() < until_s:
        time.sleep(0.01)


def _is_remote(path: str) -> bool:
    return path.startswith("s3://")


def _place(uri: str) -> tuple[str, str]:
    bucket, key = uri.removeprefix("s3://").split("/", 1)
    return bucket, key


def _get(uri: str) -> bytes:
    bucket, key = _place(uri)
    return _client().get_object(Bucket=bucket, Key=key)["Body"].read()


def _put(uri: str, data: bytes) -> None:
    bucket, key = _place(uri)
    _client().put_object(Bucket=bucket, Key=key, Body=data)


def _client():  # noqa: ANN202 - boto3 makes its classes when it runs
    import boto3  # only faults in an object store need it

    return boto3.client("s3")


def _nothing(fault: Fault) -> None:
    """The call was counted; what it returns is changed elsewhere."""


_ACTIONS: dict[Action, Callable[[Fault], None]] = {
    "note": _nothing,
    "later": _nothing,
    "kill": _kill,
    "kill_parent": _kill_parent,
    "stop": _stop,
    "errno": _errno,
    "error": _error,
    "sleep": _sleep,
    "swap": _swap,
    "overwrite": _overwrite,
    "truncate": _truncate,
    "grow": _grow,
    "remove": _remove,
    "meet": _meet,
}

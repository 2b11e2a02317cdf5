"""Puts faults in place in this process: functions are wrapped as soon as their module is imported."""

import fcntl
import functools
import os
import sys
from collections.abc import Callable, Sequence
from datetime import timedelta
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import FrameType, ModuleType

from tests.support.faults.fault import Fault, FaultFolder, points


def install() -> None:
    """Wraps the points of the environment's faults, in modules that are there and in those that come."""
    folder = FaultFolder.from_environment()
    for name in {fault.module for fault in folder.faults} & sys.modules.keys():
        _wrap_all(sys.modules[name], folder)
    sys.meta_path.insert(0, _Finder(folder))


class _Finder(MetaPathFinder):
    """Finds modules as Python does, and wraps the points of those that have any."""

    def __init__(self, folder: FaultFolder) -> None:
        self._folder = folder
        self._modules = {fault.module for fault in folder.faults}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None, /
    ) -> ModuleSpec | None:
        if fullname not in self._modules:
            return None
        others = (finder for finder in sys.meta_path if finder is not self)
        found = next((spec for one in others if (spec := one.find_spec(fullname, path, target))), None)
        if found is not None and found.loader is not None:
            self._wrap_when_run(found.loader)
        return found

    def _wrap_when_run(self, loader: Loader) -> None:
        run = loader.exec_module

        def run_and_wrap(module: ModuleType) -> None:
            run(module)
            _wrap_all(module, self._folder)

        loader.exec_module = run_and_wrap  # type: ignore[method-assign] - the loader is this module's alone


def _wrap_all(module: ModuleType, folder: FaultFolder) -> None:
    mine = [fault for fault in folder.faults if fault.module == module.__name__]
    for point in points(mine):
        *classes, name = point.split(":")[1].split(".")
        owner = functools.reduce(lambda place, one: getattr(place, one, None), classes, module)
        if not callable(getattr(owner, name, None)):
            folder.note("missing", point)
            continue
        setattr(owner, name, _wrapped(getattr(owner, name), point, folder))


def _wrapped(whole: Callable[..., object], point: str, folder: FaultFolder) -> Callable[..., object]:
    at_point = [(index, fault) for index, fault in enumerate(folder.faults) if fault.point == point]

    @functools.wraps(whole)
    def faulty(*args: object, **kwargs: object) -> object:
        coming = [fault for index, fault in at_point if _comes(index, fault, args, folder)]
        _do(coming, "before")
        result = whole(*args, **kwargs)
        _do(coming, "after")
        shifts = [timedelta(seconds=fault.value) for fault in coming if fault.action == "later"]
        return sum(shifts, result) if shifts else result

    return faulty


def _comes(index: int, fault: Fault, args: Sequence[object], folder: FaultFolder) -> bool:
    """Counts a call; returns True and notes it if the fault comes at it."""
    if fault.match and not any(fault.match in _text(arg) for arg in args):
        return False
    if fault.within and not _is_within(fault.within, sys._getframe(2)):
        return False
    if fault.since and not folder.was_reached(fault.since):
        return False
    comes = fault.comes_at(_count(folder, index))
    if comes:
        folder.note("came", str(index))
    return comes


def _do(faults: Sequence[Fault], when: str) -> None:
    # What faults do needs libraries that hardly any process of a run would load for its own sake.
    from tests.support.faults.actions import act

    for fault in faults:
        if fault.when == when:
            act(fault)


def _count(folder: FaultFolder, index: int) -> int:
    with folder.count_path(index).open("ab") as calls:
        fcntl.flock(calls, fcntl.LOCK_EX)
        calls.write(b".")
        calls.flush()
        return os.fstat(calls.fileno()).st_size


def _text(value: object) -> str:
    """What a fault's ``match`` is looked for in: a text, or the URI of a source or of what has one."""
    value = getattr(value, "source", value)
    return value if isinstance(value, str) else str(getattr(value, "uri", ""))


def _is_within(function: str, frame: FrameType | None) -> bool:
    while frame is not None:
        if f"{frame.f_globals.get('__name__')}:{frame.f_code.co_qualname}" == function:
            return True
        frame = frame.f_back
    return False

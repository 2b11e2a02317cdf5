"""Real faults in codec processes: a module that Python imports wherever it starts, films that trigger it."""

import ctypes
from pathlib import Path

# What the name of a film says happens to its codec process: SCAN_CRASH.mp4 kills it during the scan.
SABOTEUR = """
import os
import sys

if "clipmill.sandbox.child_main" in sys.orig_argv:
    import ctypes
    import time
    import traceback

    import av

    def idle(reader):
        time.sleep(600)

    def busy(reader):
        from clipmill.sandbox.heartbeat import beat
        for progress in range(1, 100_000):
            beat(progress)
            time.sleep(0.1)

    def falter(reader):
        from clipmill.errors import TransientStoreError
        if open(os.environ["SABOTAGE_LOG"]).read().count("FLAKY") == 1:
            reader.failure = TransientStoreError(reader.uri, "connection reset")
            raise reader.failure

    STAGES = {"inspect_source": "INSPECT", "scan": "SCAN", "cut_clips": "CUT", "see": "CUT"}
    FAULTS = {"CRASH": lambda reader: ctypes.string_at(0), "HANG": idle, "ENDLESS": busy, "FLAKY": falter}
    whole_open = av.open

    def open_or_fail(file, *arguments, **options):
        name = os.path.basename(getattr(file, "uri", ""))
        stages = {STAGES.get(frame.name) for frame in traceback.extract_stack()}
        stage, _, fault = name.removesuffix(".mp4").partition("_")
        if stage in stages and fault in FAULTS:
            with open(os.environ["SABOTAGE_LOG"], "a") as lines:
                lines.write(name + "\\n")
            FAULTS[fault](file)
        return whole_open(file, *arguments, **options)

    av.open = open_or_fail
"""


def lay(folder: Path) -> dict[str, str]:
    """Write the module to a folder of its own; the environment in which codec processes find it."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(SABOTEUR)
    return {"PYTHONPATH": str(folder), "SABOTAGE_LOG": str(folder / "log")}


def attempts(folder: Path, name: str) -> int:
    """How often a film did its harm."""
    return (folder / "log").read_text().splitlines().count(name)


def crash(*arguments: object, **options: object) -> bytes:
    """Stands where any function of a codec process stands."""
    return ctypes.string_at(0)


class NoSuchPicture(Exception):
    """Means nothing outside of its process: it does not survive the way to another one."""

    def __init__(self, number: int) -> None:
        super().__init__(f"no such picture: {number}", number)


def fail(*arguments: object, **options: object) -> bytes:
    """Stands there too, and raises an error of its own."""
    raise NoSuchPicture(1)

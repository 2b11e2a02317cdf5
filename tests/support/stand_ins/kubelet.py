"""Runs container commands of pods as forks of one process that has imported what all of them import.

A script, run in the folder of the unpacked upload: only its code can be imported. Each line on standard input
is an order: arguments, environment, folder of the logs. Each answer is the exit code.
"""

import atexit
import gc
import json
import os
import sys
import traceback
from importlib import import_module
from pathlib import Path

CODE = os.getcwd()
PRELOADED = (
    "botocore.exceptions", "flytekit.bin.entrypoint", "flytekit.clis.sdk_in_container.pyflyte",
    "flytekit.types.file.image", "flytekit.types.numpy", "flytekit.types.structured.basic_dfs",
    "flytekitplugins.ray", "kubernetes.client", "mashumaro.jsonschema", "clipmill.curation.run",
    "clipmill.engine.inline", "clipmill.export.spec", "clipmill.intake.sealed_shards",
    "clipmill.models.captioning.backends.http_client", "clipmill.spec_file",
)  # fmt: skip


def preload() -> None:
    """Imports libraries, and of the upload only what reads no environment: tasks read theirs on import."""
    sys.path[0] = CODE
    for name in PRELOADED:
        import_module(name)
    gc.freeze()  # a fork that looks through all objects copies their pages


def carry_out(arguments: list[str]) -> int:
    """Runs a command of flytekit's to its end; returns its exit code."""
    from flytekit.bin import entrypoint

    commands = {
        "pyflyte-execute": entrypoint.execute_task_cmd,
        "pyflyte-map-execute": entrypoint.map_execute_task_cmd,
    }
    try:
        commands[arguments[0]].main(args=arguments[1:], standalone_mode=False)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    except BaseException:  # noqa: BLE001 - the fork must not go on as its parent
        traceback.print_exc()
        return 1
    return 0


def become_pod(order: dict[str, object]) -> None:
    """In the fork: the pod's environment, its logs, its command. Does not return."""
    log = os.open(str(Path(str(order["logs"]), "log.txt")), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(log, stream)
    os.environ.clear()
    os.environ.update(order["env"])
    code = carry_out(order["arguments"])
    atexit._run_exitfuncs()
    sys.stdout.flush()
    os._exit(code)


def main() -> None:
    """Answers orders until standard input ends."""
    preload()
    print("ready", flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            become_pod(order)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()

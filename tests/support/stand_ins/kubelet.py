"""Runs container commands of pods as forks of one process that has imported what all of them import.

A script, run in the folder of the unpacked upload: only its code can be imported. Each line on standard input
is an order: arguments, environment, folder of the logs. Each answer is the exit code.
"""

import atexit
import json
import os
import sys
import traceback
from pathlib import Path

CODE = os.getcwd()


def preload() -> None:
    """Imports libraries, and of the upload only what reads no environment: tasks read theirs on import."""
    sys.path[0] = CODE
    import flytekit.bin.entrypoint  # noqa: F401 - loaded once, before pods are forked
    import flytekitplugins.ray  # noqa: F401 - loaded once, before pods are forked
    import kubernetes.client  # noqa: F401 - loaded once, before pods are forked

    import clipmill.curation.run
    import clipmill.intake.sealed_shards  # noqa: F401 - loaded once, before pods are forked


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

"""``python -m tests.support.faults.driver REQUEST``: one run of a spec in a process of its own.

REQUEST is JSON with the fields of ``Request``. The last line of the output says as JSON how the run ended.
"""

import json
import resource
import sys
import traceback
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Literal

from clipmill.cli.exits import BUG, end_code, exit_code
from clipmill.curation.publication import Published
from clipmill.engine import state_writer
from clipmill.errors import ClipmillError
from tests.support.runs.curation import curate_here, small_spec

NUM_CPUS = 2
"""Of the Ray cluster that a run on Ray starts."""


@dataclass(frozen=True)
class Request:
    """What is to be run, and how. ``file_limit_bytes`` bounds each file that the run writes; 0 does not."""

    source: str
    output: str
    spec: dict[str, object] = field(default_factory=dict)
    engine: Literal["inline", "ray"] = "inline"
    file_limit_bytes: int = 0


def carry_out(request: Request) -> Published:
    """Curates as the workflow does; every chunk's rows are written at once."""
    # A small run would write all of its state at its end.
    state_writer.FLUSH_EVERY_CHUNKS = 1
    if request.file_limit_bytes:
        resource.setrlimit(resource.RLIMIT_FSIZE, (request.file_limit_bytes, resource.RLIM_INFINITY))
    if request.engine == "ray":
        import ray  # it takes seconds to import

        ray.init("local", num_cpus=NUM_CPUS, include_dashboard=False, log_to_driver=False)
    return curate_here(request.source, request.output, small_spec(**request.spec), engine=request.engine)


def main(request: Request) -> int:
    """Prints how a run ended; returns the exit code that the command line would end with."""
    try:
        end = carry_out(request).end
    except Exception as error:  # noqa: BLE001 - a test asks which error nothing caught
        print(json.dumps({"kind": type(error).__name__, "message": str(error)}))
        with suppress(OSError):  # the log is a file, too, which the limit of a file's size bounds
            traceback.print_exc()
        return exit_code(error) if isinstance(error, ClipmillError) else BUG
    print(json.dumps({"kind": "", "message": end.sentence()}))
    return end_code(end)


def as_json(request: Request) -> str:
    """Returns the argument that ``main`` is called with."""
    return json.dumps(asdict(request))


if __name__ == "__main__":
    sys.exit(main(Request(**json.loads(sys.argv[1]))))

"""The command line: says in one line what is wrong with the arguments, else is ``pyflyte run``."""

import argparse
import sys
from collections.abc import Sequence
from contextlib import chdir
from pathlib import Path

from flytekit.clis.sdk_in_container.pyflyte import main as pyflyte

from clipmill.cli.exits import DONE, end_code, exit_code
from clipmill.curation.run import planned_run
from clipmill.dataset.run_record import end_of_record, latest_run
from clipmill.errors import ClipmillError
from clipmill.outcomes.run_end import RunEnd
from clipmill.spec_file import load_spec
from tasks.hardware import DEFAULT_ENGINE, Engine

WORKFLOW = Path(__file__).parent / "curate.py"
ROOT = WORKFLOW.parent.parent


def main(argv: Sequence[str] | None = None) -> int:
    """Check source, output and spec before anything starts, then run the workflow; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m workflows.curate", description="Curate a folder of videos."
    )
    parser.add_argument("--source", required=True, help="folder, file or URI of the videos")
    parser.add_argument("--output", required=True, help="folder or URI of the results")
    parser.add_argument("--spec", default="", help="inline JSON, or a YAML or JSON file")
    engines = [engine.value for engine in Engine]
    parser.add_argument("--engine", choices=engines, default=DEFAULT_ENGINE.value, help="Ray, or plain pods")
    options = parser.parse_args(argv)
    try:
        spec = load_spec(options.spec)
        planned_run(spec, source=options.source, output=options.output, engine="inline")
    except ClipmillError as error:
        print(f"clipmill: {error}", file=sys.stderr)
        return exit_code(error)
    before = latest_run(options.output)
    given = spec.model_dump_json(exclude_unset=True)
    places = ("--source", options.source, "--output", options.output)
    code = _run_workflow(*places, "--engine", options.engine, "--spec", given)
    run = latest_run(options.output)
    return code if run == before else exit_of(end_of_record(run), code)


def exit_of(end: RunEnd, code: int) -> int:
    """Returns the exit code for the end of a run whose workflow ended with ``code``."""
    return end_code(end) if code == DONE or end.kind == "stopped" else code


def _run_workflow(*arguments: str) -> int:
    """Run it in this process, which has imported by now what another would have to import again."""
    with chdir(ROOT):
        try:
            pyflyte(["run", str(WORKFLOW.relative_to(ROOT)), "curate", *arguments])
        except SystemExit as end:
            return end.code if isinstance(end.code, int) else int(end.code is not None)
    raise AssertionError("pyflyte always exits")

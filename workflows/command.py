"""The command line: says in one line what is wrong with the arguments, else is ``pyflyte run``."""

import argparse
import io
import os
import sys
from collections.abc import Sequence
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path

import click
from flytekit.clis.sdk_in_container.pyflyte import main as pyflyte

from clipmill.cli import STOPPED, let_verbs_stop
from clipmill.cli.exits import DONE, FAILURES_LEFT, end_code, exit_code
from clipmill.cli.progress import STDERR, shown
from clipmill.curation.publication import last_published
from clipmill.curation.run import planned_run
from clipmill.dataset.run_record import latest_run
from clipmill.errors import ClipmillError
from clipmill.outcomes.run_end import RunEnd
from clipmill.runs.termination import stoppable
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
    let_verbs_stop()
    try:
        spec = load_spec(options.spec)
        planned_run(spec, source=options.source, output=options.output, engine="inline")
    except ClipmillError as error:
        print(f"clipmill: {error}", file=sys.stderr)
        return exit_code(error)
    before = latest_run(options.output)
    given = spec.model_dump_json(exclude_unset=True)
    places = ("--source", _absolute(options.source), "--output", _absolute(options.output))
    code, said = _run_workflow(*places, "--engine", options.engine, "--spec", given)
    is_published = latest_run(options.output) != before
    if is_published:
        published = last_published(options.output)
        print(published.summary())
        code = exit_of(published.end, code)
    if code not in (DONE, FAILURES_LEFT):
        print(_errors(said), file=sys.stderr)
    return code


def _absolute(place: str) -> str:
    """Returns a path that means the same in the root of the repository, where the workflow runs."""
    return place if "://" in place else os.path.abspath(place)


def exit_of(end: RunEnd, code: int) -> int:
    """Returns the exit code for the end of a run whose workflow ended with ``code``."""
    return end_code(end) if code == DONE or end.kind == "stopped" else code


def _run_workflow(*arguments: str) -> tuple[int, str]:
    """Run it in this process, which has imported by now what another would have to import again.

    Returns the exit code and what pyflyte said, which goes to the file of logs, too.
    """
    said = io.StringIO()
    with chdir(ROOT), stoppable(), shown("log"):
        with redirect_stdout(said), redirect_stderr(said):
            code = _pyflyte("run", str(WORKFLOW.relative_to(ROOT)), "curate", *arguments)
        os.write(STDERR, said.getvalue().encode(errors="replace"))
    return code, said.getvalue()


def _pyflyte(*arguments: str) -> int:
    try:
        pyflyte(arguments, standalone_mode=False)
    except click.Abort:
        print("clipmill: stopped; what is done is kept")
        return STOPPED
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return DONE


def _errors(said: str) -> str:
    """Returns the lines that clipmill wrote about errors; without one, all that was said."""
    own = [line for line in said.splitlines() if line.startswith("clipmill: ")]
    return "\n".join(own) or said.strip()

"""The ``clipmill`` command: its verbs, and how they end."""

import importlib
import logging
import os
import re
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import metadata
from inspect import cleandoc
from typing import Annotated

import typer
from typer.core import TyperCommand, TyperGroup

from clipmill.cli import STOPPED, let_verbs_stop
from clipmill.cli.exits import BUG, DONE, MISUSE, exit_code
from clipmill.errors import DISK_ERRNOS, ClipmillError, SpecError


@dataclass(frozen=True)
class Verb:
    """A verb: what it does, and the module that has it, of this package where the name has no dots.

    The module has a function of the verb's name, or an ``app`` with verbs of its own.
    """

    help: str
    module: str


VERBS = {
    "curate": Verb("Curate videos into clips, tables and a report.", "curate"),
    "report": Verb("Print the summary of the last run again, and where its report is.", "outputs"),
    "search": Verb("Find clips of an output by a text, or by a clip.", "search"),
    "split": Verb("Part the kept clips into train, val and test without leaks.", "split"),
    "export": Verb("Write the kept clips as a trainer reads them.", "export"),
    "dedup": Verb("Find duplicates among embeddings of your own.", "dedup"),
    "stages": Verb("List the stages, or show one.", "stages"),
    "spec": Verb("Write, check or show a spec.", "spec"),
    "models": Verb("List the models, or fetch weights.", "models"),
    "verify": Verb("Compare an output with its manifest, and let lost files be made again.", "outputs"),
    "retry": Verb("Try failures again that were given up.", "outputs"),
    "snapshots": Verb("List, show and prune the snapshots of an output.", "snapshots"),
    "compact": Verb("Join many small parts of the state into few.", "outputs"),
    "unlock": Verb("Say which run holds an output, and break its hold.", "outputs"),
    "nemo-split": Verb("Curate videos by the flags of NeMo Curator's script.", "clipmill.nemo.split"),
    "nemo-dedup": Verb(
        "Find duplicates by the parameters of NeMo Curator's workflow.", "clipmill.nemo.dedup"
    ),
}
"""Each is imported when it is asked for."""

_OWN_LOGS = logging.Filter("clipmill")
"""Lets through what clipmill logs: the error of a verb says what a library's traceback would."""
TRACEBACK = "--traceback"
FIRST_STEPS = """
First steps:

  clipmill curate films curated        cut, score and deduplicate the videos of a folder
  clipmill report curated              what became of them, and where the page with all clips is
  clipmill spec template > spec.yaml   a spec to change, for clipmill curate --spec spec.yaml
  clipmill curate --help               every option
"""


class _Verbs(TyperGroup):
    """The verbs, each imported when it runs: help and completion do not wait for libraries."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # pyright: ignore[reportIncompatibleMethodOverride] typer's click is its own
        return list(VERBS)

    def get_command(self, ctx: typer.Context, cmd_name: str) -> TyperCommand | None:  # pyright: ignore[reportIncompatibleMethodOverride] typer's click is its own
        """Returns what help shows of a verb."""
        return TyperCommand(cmd_name, help=VERBS[cmd_name].help) if cmd_name in VERBS else None

    def resolve_command(  # pyright: ignore[reportIncompatibleMethodOverride] typer's click is its own
        self, ctx: typer.Context, args: list[str]
    ) -> tuple[str, TyperCommand, list[str]]:
        """Returns the verb that the arguments begin with, and the rest of them."""
        name, *rest = args
        if name not in VERBS:
            close = get_close_matches(name, VERBS, n=1)
            hint = f"did you mean {close[0]}?" if close else "see clipmill --help"
            raise SpecError(f"there is no verb {name}; {hint}")
        command = _command(name)
        let_verbs_stop()
        return name, command, rest  # pyright: ignore[reportReturnType] typer's click is its own

    def invoke(self, ctx: typer.Context) -> object:  # pyright: ignore[reportIncompatibleMethodOverride] typer's click is its own
        """Runs the verb. Typer would end the process at an interrupt or a closed pipe, with its own codes."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise typer.Abort from None
        except BrokenPipeError:  # the reader of a pipe has seen enough
            _close_output()
            return DONE


def _command(name: str) -> TyperCommand:
    where = VERBS[name].module
    module = importlib.import_module(where if "." in where else f"clipmill.cli.{where}")
    app: typer.Typer | None = getattr(module, "app", None)
    if app is None:
        app = typer.Typer(add_completion=False)
        app.command()(getattr(module, name))
    command = typer.main.get_command(app)
    command.name = name
    command.help = _unwrapped(command.help or VERBS[name].help)
    return command  # pyright: ignore[reportReturnType] typer's click is its own


def _unwrapped(text: str) -> str:
    """Returns each paragraph as one line: terminals break lines by their own width."""
    return re.sub(r"(?<!\n)\n(?!\n)", " ", cleandoc(text))


app = typer.Typer(
    name="clipmill",
    cls=_Verbs,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def clipmill(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="print the version and stop")] = False,
) -> None:
    """Curate video into clips with scores, embeddings, captions and previews."""
    if version:
        print(metadata.version("clipmill"))
        raise typer.Exit(DONE)
    if context.invoked_subcommand is None:
        print(context.get_help())
        print(FIRST_STEPS)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one verb; returns the exit code.

    An error is one line; ``--traceback`` anywhere shows where it was raised, too.
    """
    if logging.lastResort is not None:
        logging.lastResort.addFilter(_OWN_LOGS)
    arguments = list(sys.argv[1:] if argv is None else argv)
    is_traced = TRACEBACK in arguments
    arguments = [one for one in arguments if one != TRACEBACK]
    is_run = arguments[:1] == ["curate"]
    try:
        ended = app(arguments, prog_name="clipmill", standalone_mode=False)
    except typer.Abort:
        return _ended("stopped; what is done is kept", STOPPED, is_traced=is_traced)
    except typer.TyperException as error:
        return _ended(_misuse(error), MISUSE, is_traced=is_traced)
    except ClipmillError as error:
        return _ended(str(error), exit_code(error, is_run=is_run), is_traced=is_traced)
    except SystemExit:  # so rich ends the process where the reader of a pipe has seen enough
        return _flushed(DONE)
    except Exception as error:  # noqa: BLE001 - whatever is left is a bug, and says where
        if isinstance(error, OSError) and (error.filename or error.errno in DISK_ERRNOS):
            said = f"{error.filename or 'a file'}: {error.strerror}"
            return _ended(said, STOPPED if is_run else MISUSE, is_traced=is_traced)
        traceback.print_exc()
        return BUG
    return _flushed(ended if isinstance(ended, int) else DONE)


def _misuse(error: typer.TyperException) -> str:
    """Returns what is wrong with the arguments, the nearest right word, and where help is; one line."""
    said = error.format_message().replace("Value error, ", "").partition("\n")[0].rstrip(".")
    near: Sequence[str] = getattr(error, "possibilities", None) or ()
    context: typer.Context | None = getattr(error, "ctx", None)
    if near:
        return f"{error.message}; did you mean {near[0]}?"
    if context is None:
        return said
    verbs = list(getattr(context.command, "commands", ()))
    if verbs and not context.invoked_subcommand and "command" in said.lower() and "No such" not in said:
        said = f"{context.command_path} needs one of {', '.join(verbs)}"
    return f"{said}; see {context.command_path} --help"


def _ended(message: str, code: int, *, is_traced: bool) -> int:
    if is_traced:
        traceback.print_exc()
    try:
        print(f"clipmill: {message}", file=sys.stderr)
    except BrokenPipeError:
        _close_output()
    return _flushed(code)


def _flushed(code: int) -> int:
    """Returns the code; a reader that closed its pipe changes nothing of how the verb ended."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _close_output()
    return code


def _close_output() -> None:
    """Lets what is still buffered go nowhere: Python would complain of the closed pipe when it ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(nowhere, stream.fileno())


if __name__ == "__main__":
    raise SystemExit(main())

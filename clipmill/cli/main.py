"""The ``clipmill`` command: its verbs, and how they end."""

import importlib
import sys
import traceback
from collections.abc import Sequence
from difflib import get_close_matches

import typer
from typer.core import TyperCommand, TyperGroup

from clipmill.cli.exits import BUG, DONE, MISUSE, STOPPED, exit_code
from clipmill.errors import ClipmillError, SpecError

VERBS = {
    "curate": "Curate videos into clips, tables and a report.",
    "dedup": "Find duplicates among embeddings of your own.",
    "search": "Find clips of an output by a text.",
    "report": "Draw the report of an output again.",
    "stages": "List the stages, or show one.",
    "spec": "Write, check or show a spec.",
    "models": "List the models, or fetch weights.",
    "unlock": "Say which run holds an output, and break its hold.",
    "verify": "Compare an output with its manifest, and let lost files be made again.",
    "retry": "Try failures again that were given up.",
    "compact": "Join many small parts of the state into few.",
    "snapshots": "List, show and prune the snapshots of an output.",
    "nemo-split": "Curate videos by the flags of NeMo Curator's script.",
    "nemo-dedup": "Find duplicates by the parameters of NeMo Curator's workflow.",
}
"""Verb -> what it does. Each is one module, imported when it is asked for."""

TRACEBACK = "--traceback"
FIRST_STEPS = """
First steps:

  clipmill curate films curated        cut, score and deduplicate the videos of a folder
  clipmill spec template > spec.yaml   a spec to change, for clipmill curate --spec spec.yaml
  clipmill curate --help               every option
"""


class _Verbs(TyperGroup):
    """The verbs, each imported when it runs: help and completion do not wait for libraries."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # pyright: ignore[reportIncompatibleMethodOverride]
        return list(VERBS)

    def get_command(self, ctx: typer.Context, cmd_name: str) -> TyperCommand | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Returns what help shows of a verb."""
        return TyperCommand(cmd_name, help=VERBS[cmd_name]) if cmd_name in VERBS else None

    def resolve_command(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, ctx: typer.Context, args: list[str]
    ) -> tuple[str, TyperCommand, list[str]]:
        """Returns the verb that the arguments begin with, and the rest of them."""
        name, *rest = args
        if name not in VERBS:
            close = get_close_matches(name, VERBS, n=1)
            raise SpecError(f"there is no verb {name}" + (f"; did you mean {close[0]}?" if close else ""))
        command = typer.main.get_command(importlib.import_module(_module_of(name)).app)
        command.name, command.help = name, command.help or VERBS[name]
        return name, command, rest  # pyright: ignore[reportReturnType]


def _module_of(verb: str) -> str:
    package, _, name = verb.rpartition("-")
    return f"clipmill.{package or 'cli'}.{name}"


app = typer.Typer(name="clipmill", cls=_Verbs, pretty_exceptions_enable=False)


@app.callback(invoke_without_command=True)
def clipmill(context: typer.Context) -> None:
    """Curate video into clips with scores, embeddings, captions and previews."""
    if context.invoked_subcommand is None:
        print(context.get_help())
        print(FIRST_STEPS)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one verb; returns the exit code.

    An error is one line; ``--traceback`` anywhere shows where it was raised, too.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    is_traced = TRACEBACK in arguments
    arguments = [one for one in arguments if one != TRACEBACK]
    try:
        ended = app(arguments, prog_name="clipmill", standalone_mode=False)
    except BrokenPipeError:  # the reader of a pipe has seen enough
        sys.stderr.close()
        return DONE
    except (typer.Abort, KeyboardInterrupt):
        print("clipmill: stopped", file=sys.stderr)
        return STOPPED
    except typer.TyperException as error:
        return _ended(str(error), MISUSE, is_traced=is_traced)
    except ClipmillError as error:
        return _ended(str(error), exit_code(error), is_traced=is_traced)
    except Exception:  # noqa: BLE001 - whatever is left is a bug, and says where
        traceback.print_exc()
        return BUG
    return ended if isinstance(ended, int) else DONE


def _ended(message: str, code: int, *, is_traced: bool) -> int:
    if is_traced:
        traceback.print_exc()
    print(f"clipmill: {message}", file=sys.stderr)
    return code


if __name__ == "__main__":
    raise SystemExit(main())

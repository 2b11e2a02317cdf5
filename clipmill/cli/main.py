"""The ``clipmill`` command: its verbs, and how they end."""

import sys
from collections.abc import Sequence

import typer

from clipmill.cli.exits import DONE, MISUSE, exit_code
from clipmill.errors import ClipmillError

app = typer.Typer(name="clipmill", add_completion=True, pretty_exceptions_enable=False)


@app.callback(invoke_without_command=True)
def clipmill(context: typer.Context) -> None:
    """Curate video into clips with scores, embeddings, captions and previews."""
    if context.invoked_subcommand is None:
        print(context.get_help())


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one verb; returns the exit code. An error of clipmill or of the arguments is one line."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        ended = app(arguments, prog_name="clipmill", standalone_mode=False)
    except typer.TyperException as error:
        print(f"clipmill: {error}", file=sys.stderr)
        return MISUSE
    except ClipmillError as error:
        print(f"clipmill: {error}", file=sys.stderr)
        return exit_code(error)
    return ended if isinstance(ended, int) else DONE


if __name__ == "__main__":
    raise SystemExit(main())

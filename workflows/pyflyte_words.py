"""What ``pyflyte`` says of a wrong spec, and of a source or an output that cannot be used: no traceback.

flytekit has no setting for either. A wrong spec is shown like any other option with a wrong value. An error
that clipmill raised on purpose is one line, unless ``-v`` asks for more.
"""

import sys
import textwrap
from collections.abc import Callable

import click
from flytekit.interaction.click_types import JsonParamType

from clipmill.cli.exits import exit_code
from clipmill.errors import ClipmillError, SpecError
from clipmill.spec_file import fields_of
from tasks.specs import is_input, refuse_by

_LONGEST = 110
"""Two lines of a narrow terminal, with what click says before it about the option."""
_BY_FLYTEKIT = ":\n  "
"""Stands behind the name of the task that flytekit puts before a message."""
_COMMANDS = "flytekit.clis.sdk_in_container.utils"

Parse = Callable[[JsonParamType, object, click.Parameter | None], object]


def _bad(message: str) -> click.BadParameter:
    return click.BadParameter(
        textwrap.shorten(message.removeprefix("the spec: "), _LONGEST, placeholder=" ...")
    )


def _with_our_files(parse: Parse) -> Parse:
    """Reads the file of a spec as every command of clipmill does."""

    def parsed(option: JsonParamType, value: object, param: click.Parameter | None) -> object:
        if not isinstance(value, str) or not is_input(option._python_type):
            return parse(option, value, param)
        try:
            return fields_of(value)
        except SpecError as error:
            raise _bad(str(error)) from error

    return parsed


def _in_one_line(show: Callable[..., None]) -> Callable[..., None]:
    def shown(error: Exception, verbosity: int = 1) -> None:
        if verbosity or not isinstance(error, ClipmillError):
            show(error, verbosity)
            return
        said = str(error)
        own = said.partition(_BY_FLYTEKIT)[2] or said
        print(f"clipmill: {own}", file=sys.stderr)
        sys.exit(exit_code(error))

    return shown


refuse_by(_bad)
JsonParamType._parse = _with_our_files(JsonParamType._parse)
if commands := sys.modules.get(_COMMANDS):  # only under pyflyte
    commands.pretty_print_exception = _in_one_line(commands.pretty_print_exception)

"""What ``pyflyte`` says of a wrong spec, and of a source or an output that cannot be used: no traceback.

flytekit has no setting for either. A wrong spec is shown like any other option with a wrong value. An error
that clipmill raised on purpose is one line, unless ``-v`` asks for more.
"""

import sys
import textwrap
import warnings
from collections.abc import Callable

import click
from flytekit.exceptions.user import FlyteEntityNotFoundException
from flytekit.interaction.click_types import JsonParamType

from clipmill.cli.exits import MISUSE, exit_code
from clipmill.errors import ClipmillError, SpecError
from clipmill.spec_file import fields_of
from tasks.specs import is_input, refuse_by

_LONGEST = 110
"""Two lines of a narrow terminal, with what click says before it about the option."""
_BY_FLYTEKIT = ":\n  "
"""Stands behind the name of the task that flytekit puts before a message."""
_COMMANDS = "flytekit.clis.sdk_in_container.utils"
_RUN = "flytekit.clis.sdk_in_container.run"

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
        if not verbosity and isinstance(error, ClipmillError):
            said = str(error)
            own = said.partition(_BY_FLYTEKIT)[2] or said
            print(f"clipmill: {own}", file=sys.stderr)
            sys.exit(exit_code(error))
        if not verbosity and isinstance(error, FlyteEntityNotFoundException):
            print(f"clipmill: {error}; pyflyte run FILE lists those of a file", file=sys.stderr)
            sys.exit(MISUSE)
        show(error, verbosity)

    return shown


def _asks_for_it(make: Callable[..., click.Option]) -> Callable[..., click.Option]:
    """Refuses a run without a required input. With click 8.3 flytekit runs it without, and with None."""

    def made(*args: object, **named: object) -> click.Option:
        option = make(*args, **named)
        convert = option.callback

        def converted(context: click.Context, parameter: click.Parameter, value: object) -> object:
            if value is None and option.required:
                raise click.MissingParameter(ctx=context, param=parameter)
            return convert(context, parameter, value) if convert else value

        option.callback = converted
        return option

    return made


refuse_by(_bad)
JsonParamType._parse = _with_our_files(JsonParamType._parse)
if commands := sys.modules.get(_COMMANDS):  # only under pyflyte
    commands.pretty_print_exception = _in_one_line(commands.pretty_print_exception)
if running := sys.modules.get(_RUN):
    running.to_click_option = _asks_for_it(running.to_click_option)
    warnings.filterwarnings("ignore", "The parameter .* is used more than once")  # every flag of flytekit's

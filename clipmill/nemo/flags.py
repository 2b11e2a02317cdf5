"""A command line as a table of flags, and the parser that reads it."""

import argparse
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import NoReturn

import typer

from clipmill.errors import SpecError

Value = str | int | float | bool | None


@dataclass(frozen=True)
class Flag:
    """One flag: its name, type, default and choices, and the places of the spec that its value goes to.

    A flag of type ``bool`` is a switch. A flag without a place changes the run as a whole, or has no effect;
    ``note`` then says so.
    """

    name: str
    kind: type
    default: Value = None
    choices: tuple[str, ...] = ()
    to: tuple[str, ...] = ()
    is_required: bool = False
    note: str = ""

    @property
    def key(self) -> str:
        """The flag's name as an identifier."""
        return self.name.removeprefix("--").replace("-", "_")

    @property
    def help(self) -> str:
        """What help says of it."""
        says = "required" if self.is_required else "" if self.kind is bool else f"default: {self.default}"
        return "; ".join(part for part in (says, self.note, ", ".join(self.to)) if part)


def parse(
    flags: Sequence[Flag], arguments: Sequence[str], *, prog: str, description: str
) -> Mapping[str, Value]:
    """Returns key -> value of each flag. SpecError in one line for arguments that cannot be read.

    ``--help`` prints the flags and ends the verb.
    """
    _check_names(flags, arguments)
    parser = _Parser(
        prog=prog, description=description, allow_abbrev=False, add_help=False, usage=f"{prog} FLAGS"
    )
    for flag in flags:
        if flag.kind is bool:
            parser.add_argument(flag.name, action="store_true", help=flag.help)
        else:
            parser.add_argument(
                flag.name, type=flag.kind, default=flag.default, choices=flag.choices or None,
                required=flag.is_required, help=flag.help,
            )  # fmt: skip
    if "--help" in arguments:
        print("Usage: " + parser.format_help().removeprefix("usage: "))
        raise typer.Exit
    return vars(parser.parse_args(list(arguments)))


def in_flags(message: str, flags: Sequence[Flag], words: Mapping[str, str]) -> str:
    """Returns a message about a spec as one about the flags that stand for it.

    ``words`` are more replacements: regular expression -> words.
    """
    places = {place: flag.name for flag in flags for place in flag.to}
    for place in sorted(places, key=len, reverse=True):
        message = re.sub(rf"(?<![\w.]){re.escape(place)}(?![\w.])", places[place], message)
    for pattern, said in words.items():
        message = re.sub(pattern, said, message)
    faults: dict[str, str] = {}  # one flag may stand for several places, which have the same fault
    for fault in message.removeprefix("the spec: ").split("; "):
        faults.setdefault(fault.partition(" must be ")[0], fault)
    return "; ".join(faults.values())


def _check_names(flags: Sequence[Flag], arguments: Sequence[str]) -> None:
    names = [*(flag.name for flag in flags), "--help"]
    for argument in arguments:
        name = argument.partition("=")[0]
        if name.startswith("--") and name not in names:
            close = get_close_matches(name, names, n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise SpecError(f"No such option: {name}{hint}")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Raises SpecError in the place of usage and exit."""
        raise SpecError(message)

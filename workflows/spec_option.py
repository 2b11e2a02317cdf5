"""The option ``--spec`` of workflows: what is wrong with one is said as with any other option."""

import textwrap

import click

from tasks.specs import refuse_by

_LONGEST = 110
"""Two lines of a narrow terminal, with what click says before it about the option."""


def _bad(message: str) -> click.BadParameter:
    return click.BadParameter(
        textwrap.shorten(message.removeprefix("the spec: "), _LONGEST, placeholder=" ...")
    )


refuse_by(_bad)

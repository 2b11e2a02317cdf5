"""``clipmill retry``: has failures tried again by the next run."""

from typing import Annotated

import typer

from clipmill.cli.exits import DONE
from clipmill.state.clearing import clear

app = typer.Typer()


@app.command()
def retry(
    output: Annotated[str, typer.Argument(help="folder or URI of the results")],
    stage: Annotated[str, typer.Option(help="key of one stage; all by default")] = "",
    reason: Annotated[str, typer.Option(help="only failures for this reason")] = "",
) -> int:
    """Have failures of an output tried again by the next run, final ones too."""
    cleared = clear(output, stage=stage, reason=reason)
    for one in cleared:
        print(f"{one.stage}, {one.reason}: {one.num_items} to be tried again")
    if not cleared:
        print("there is nothing to try again")
    return DONE

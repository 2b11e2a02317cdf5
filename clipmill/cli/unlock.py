"""``clipmill unlock OUTPUT``: says which run holds an output, and breaks its hold if asked to."""

from typing import Annotated

import typer

from clipmill.cli.exits import DONE, STOPPED
from clipmill.runs.lease import unlock as break_lease
from clipmill.runs.lease_file import read_lease
from clipmill.storage import store

app = typer.Typer()


@app.command()
def unlock(
    output: Annotated[str, typer.Argument(help="folder or URI of the results")],
    yes: Annotated[bool, typer.Option("--yes", help="break the hold; without it nothing changes")] = False,
) -> int:
    """Say which run holds an output, and with --yes let other runs write there.

    A run that still works then ends without publishing. Exit code 0 if the output is free afterwards, 4 if it
    is not.
    """
    output = store.normalise(output)
    record = read_lease(output)
    if record is None or record.is_free():
        print(f"no run holds {output}")
        return DONE
    until = f"{record.expires_at:%Y-%m-%d %H:%M:%S} UTC"
    print(f"run {record.run_id} on {record.host} has held {output} since {record.started}, now until {until}")
    if not yes:
        print("add --yes to break its hold: it will publish nothing")
        return STOPPED
    break_lease(output)
    print("its hold is broken")
    return DONE

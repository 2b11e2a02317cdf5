"""``clipmill compact OUTPUT``: joins the many small parts of an output's state."""

from functools import partial
from typing import Annotated

import typer

from clipmill import layout
from clipmill.cli.exits import DONE
from clipmill.errors import OutputError
from clipmill.runs.lease_file import is_free
from clipmill.state.compaction import compact as compact_state
from clipmill.storage import store

app = typer.Typer()


@app.command()
def compact(output: Annotated[str, typer.Argument(help="folder or URI that a run wrote")]) -> int:
    """Join the small parts of an output's state, so that the next runs start sooner.

    Parts that are replaced are deleted a day later, by the next call, unless a run holds the output.
    """
    if not store.exists(layout.state_dir(output)):
        raise OutputError(f"{output} has no state: no run wrote to it")
    done = compact_state(output, may_delete=partial(is_free, output))
    for one in done:
        name = one.folder.removeprefix(f"{store.normalise(output)}/")
        damaged = f", {one.num_damaged} damaged and set aside" if one.num_damaged else ""
        print(f"{name}: {one.num_before} parts before, {one.num_after} after{damaged}")
    print(f"{sum(one.num_deleted for one in done)} parts deleted that were replaced a day ago or earlier")
    return DONE

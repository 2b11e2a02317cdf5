"""``clipmill snapshots``: what was published into an output, and removing what is no longer needed."""

import json
from typing import Annotated

import typer

from clipmill.cli.exits import DONE
from clipmill.cli.options import Output
from clipmill.dataset.snapshots.prune import ListedSnapshot, list_snapshots, plan_pruning
from clipmill.dataset.snapshots.prune import prune as remove
from clipmill.errors import SpecError
from clipmill.runs.lease import held

app = typer.Typer(add_completion=False)


@app.command("list")
def list_all(output: Output) -> int:
    """List the snapshots: id, when it was published, clips and kept clips; the current one first."""
    for one in list_snapshots(output):
        print(_line(one))
    return DONE


@app.command()
def show(output: Output, snapshot_id: Annotated[str, typer.Argument(help="an id of the list")]) -> int:
    """Print the manifest of one snapshot: its tables and parts, its stages and its funnel."""
    found = [one for one in list_snapshots(output) if one.snapshot.snapshot_id == snapshot_id]
    if not found:
        raise SpecError(f"{output} has no snapshot {snapshot_id}: see clipmill snapshots list {output}")
    print(json.dumps(found[0].snapshot.manifest, indent=2, ensure_ascii=False))
    return DONE


@app.command()
def prune(
    output: Output,
    keep: Annotated[int, typer.Option(min=1, help="snapshots that stay, the current one among them")] = 1,
    yes: Annotated[bool, typer.Option("--yes", help="remove; without it nothing is removed")] = False,
) -> int:
    """Remove earlier snapshots, and files of clips and previews that no kept snapshot names."""
    found = plan_pruning(output, keep=keep)
    verb = "removes" if yes else "would remove"
    print(
        f"{verb} {len(found.removed)} snapshot{'s' * (len(found.removed) != 1)} and {len(found.files)} files "
        f"of clips and previews, {found.num_bytes / 1e6:,.1f} MB; {len(found.kept)} "
        f"{'stays' if len(found.kept) == 1 else 'stay'}"
    )
    for name in found.removed:
        print(f"  {name}")
    if yes:
        with held(output):  # a run writes files before the rows that name them
            num_lost = remove(plan_pruning(output, keep=keep))
        print(f"removed; {num_lost} results are made again where a later run needs them")
    elif found.parts or found.files:
        print("nothing was removed: add --yes")
    return DONE


def _line(one: ListedSnapshot) -> str:
    funnel = one.snapshot.manifest["funnel"]
    notes = [*(["current"] if one.is_current else []), *([] if one.snapshot.is_complete else ["incomplete"])]
    numbers = f"{one.snapshot.num_rows('clips'):>12,} clips {funnel['kept']['items']:>12,} kept"
    time = one.published_at or "unknown"
    return f"{one.snapshot.snapshot_id}  {time:<32}{numbers}  {', '.join(notes)}".rstrip()

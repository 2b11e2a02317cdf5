"""``clipmill verify``: whether an output is what its manifest and rows say."""

from typing import Annotated

import typer

from clipmill.cli.exits import DONE, FAILURES_LEFT
from clipmill.dataset.verify.run import DEFAULT_SAMPLE, let_redo
from clipmill.dataset.verify.run import verify as verified

app = typer.Typer()


@app.command()
def verify(
    output: Annotated[str, typer.Argument(help="folder or URI of a run's results")],
    sample: Annotated[
        int, typer.Option(min=0, help="files to read and compare with their digests")
    ] = DEFAULT_SAMPLE,
    all_files: Annotated[bool, typer.Option("--all", help="read and compare all files")] = False,
    repair: Annotated[
        bool, typer.Option("--repair", help="let the next run redo what is missing or damaged")
    ] = False,
) -> int:
    """Compare files with digests, rows with files, tables with the manifest and JSON with rows.

    Ends with 0 where all is well, with 3 where something is missing or damaged. Files that no row names are
    listed and are no fault.
    """
    published, report = verified(output, sample=None if all_files else sample)
    for key in published.unknown:
        print(f"stage {key}: its class cannot be imported here, its files are not looked at")
    print("\n".join(report.lines()))
    if not report.wrong:
        print("all is well")
        return DONE
    if repair:
        num_results = let_redo(published, output, report.wrong)
        print(f"{len(report.wrong)} faults: the next run makes {num_results} files again")
    else:
        print(f"{len(report.wrong)} faults: --repair lets the next run make up for them")
    return FAILURES_LEFT

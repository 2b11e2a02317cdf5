"""Verbs on an output that stands: ``report``, ``verify``, ``retry``, ``compact``, ``unlock``."""

import webbrowser
from functools import partial
from typing import Annotated

import typer

from clipmill import layout
from clipmill.cli.exits import DONE, FAILURES_LEFT, STOPPED
from clipmill.cli.options import Output
from clipmill.curation.publication import last_published
from clipmill.dataset.verify.run import DEFAULT_SAMPLE, let_redo
from clipmill.dataset.verify.run import verify as verified
from clipmill.errors import OutputError
from clipmill.runs.lease import unlock as break_lease
from clipmill.runs.lease_file import is_free, read_lease
from clipmill.state.clearing import clear
from clipmill.state.compaction import check_state
from clipmill.state.compaction import compact as compact_state
from clipmill.storage import store


def report(
    output: Output,
    *,
    shows: Annotated[bool, typer.Option("--open", help="open the page in a browser")] = False,
) -> int:
    """Print the summary of the last run again, and where its report is."""
    published = last_published(output)
    print(published.summary())
    if shows and store.is_local(output):
        webbrowser.open(f"file://{published.report_uri}")
    return DONE


def verify(
    output: Output,
    sample: Annotated[
        int, typer.Option(min=0, help="files to read and compare with their digests")
    ] = DEFAULT_SAMPLE,
    all_files: Annotated[bool, typer.Option("--all", help="read and compare all files")] = False,
    snapshot: Annotated[
        str, typer.Option(help="id of an earlier snapshot; `clipmill snapshots list` names them")
    ] = "",
    repair: Annotated[
        bool, typer.Option("--repair", help="let the next run redo what is missing or damaged")
    ] = False,
) -> int:
    """Compare files with digests, rows with files, tables with the manifest and JSON with rows.

    Ends with 0 where all is well, with 3 where something is missing or damaged. Files that no row names are
    listed and are no fault.
    """
    published, found = verified(output, sample=None if all_files else sample, snapshot=snapshot)
    for key in published.unknown:
        print(f"stage {key}: its class cannot be imported here, its files are not looked at")
    print("\n".join(found.lines()))
    if not found.wrong:
        print("all is well")
        return DONE
    if repair:
        num_results = let_redo(published, output, found.wrong)
        print(f"{len(found.wrong)} faults: the next run makes {num_results} files again")
    else:
        print(f"{len(found.wrong)} faults: --repair lets the next run make up for them")
    return FAILURES_LEFT


def retry(
    output: Output,
    stage: Annotated[str, typer.Option(help="key of one stage; all by default")] = "",
    reason: Annotated[str, typer.Option(help="only failures for this reason")] = "",
) -> int:
    """Have failures of an output tried again by the next run, final ones too."""
    check_state(output)
    cleared = clear(output, stage=stage, reason=reason)
    for one in cleared:
        print(f"{one.stage}, {one.reason}: {one.num_items} to be tried again")
    if not cleared:
        print("there is nothing to try again")
    return DONE


def compact(output: Output) -> int:
    """Join the small parts of an output's state, so that the next runs start sooner.

    Parts that are replaced are deleted a day later, by the next call, unless a run holds the output.
    """
    check_state(output)
    done = compact_state(output, may_delete=partial(is_free, output))
    for one in done:
        if one.num_before == one.num_after and not one.num_damaged:
            continue
        name = one.folder.removeprefix(f"{store.normalise(output)}/")
        damaged = f", {one.num_damaged} damaged and set aside" if one.num_damaged else ""
        print(f"{name}: {one.num_before} parts before, {one.num_after} after{damaged}")
    print(f"{sum(one.num_deleted for one in done)} parts deleted that were replaced a day ago or earlier")
    return DONE


def unlock(
    output: Output,
    yes: Annotated[bool, typer.Option("--yes", help="break the hold; without it nothing changes")] = False,
) -> int:
    """Say which run holds an output, and with --yes let other runs write there.

    A run that still works then ends without publishing. Exit code 0 if the output is free afterwards, 4 if it
    is not.
    """
    output = store.normalise(output)
    record = read_lease(output)
    if record is None and not store.exists(layout.manifest_path(output)):
        raise OutputError(f"{output} is no output of clipmill: no run wrote to it")
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

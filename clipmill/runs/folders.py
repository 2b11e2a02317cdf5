"""The folders in which the steps of one run hand files to each other: ``work/<run id>``."""

import shutil
from datetime import timedelta

from clipmill import layout
from clipmill.runs.lease_file import now
from clipmill.runs.run_id import is_run_id, started_at
from clipmill.storage import store

MAX_AGE = timedelta(days=1)
"""Of a run that has ended without clearing up; one that still works holds the lease."""


def remove_folder(output: str, run_id: str) -> None:
    """Deletes what a run has handed to itself."""
    folder = layout.run_folder(store.normalise(output), run_id)
    for file in store.find(folder):
        store.delete(file.uri)
    if store.is_local(folder):
        shutil.rmtree(folder, ignore_errors=True)


def sweep_folders(output: str, *, run_id: str) -> None:
    """Deletes the folders of runs that started more than a day ago, but for that of ``run_id``."""
    work = layout.work_dir(store.normalise(output))
    names = {file.uri.removeprefix(f"{work}/").split("/")[0] for file in store.find(work)}
    for name in sorted(filter(is_run_id, names)):
        if name != run_id and now() - started_at(name) > MAX_AGE:
            remove_folder(output, name)

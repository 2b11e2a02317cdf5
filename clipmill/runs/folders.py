"""The folder of a run's results, and the folders ``work/<run id>`` in which its steps hand over files."""

import logging
import shutil
from datetime import timedelta

from clipmill import layout
from clipmill.errors import OutputError
from clipmill.runs.lease_file import now
from clipmill.runs.run_id import is_run_id, started_at
from clipmill.storage import store
from clipmill.storage.skipped_files import is_mark

logger = logging.getLogger(__name__)

SHOWN_NAMES = 3
MAX_AGE = timedelta(days=1)
"""Of a run that has ended without clearing up; one that still works holds the lease."""


def check_first_use(output: str) -> None:
    """Raises OutputError where the first run in a folder would write over files of others."""
    root = store.normalise(output)
    manifest = layout.manifest_path(root)
    if store.exists(manifest) and is_mark(manifest):
        return  # an output whose lease was deleted
    tables = (layout.table_path(root, table) for table in layout.TABLES)
    for uri in (manifest, layout.report_path(root), layout.kept_clips_path(root), *tables):
        if store.exists(uri):
            name = uri.removeprefix(layout.below(root))
            raise OutputError(f"{output} holds {name}, which clipmill did not write: name another folder")


def warn_of_others(output: str) -> None:
    """Warns of files that lie in the folder of a first run."""
    if names := store.names_in(store.normalise(output)):
        shown = ", ".join(names[:SHOWN_NAMES]) + (", ..." if len(names) > SHOWN_NAMES else "")
        logger.warning("%s holds other files (%s): they stay as they are", output, shown)


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

"""Flyte workflows: composition only."""

import os
import sys

from clipmill import cli

IS_COMMAND = sys.argv[:1] == ["-m"]
"""True for ``python -m workflows.curate``: Ctrl-C ends it in one line, also while Python imports flytekit."""
FLYTEKIT_INTERRUPTED = 1
"""With this code flytekit ends a process at Ctrl-C once it is imported, and says nothing."""

if IS_COMMAND:
    cli.stop_at_once()
try:
    import workflows.pyflyte_words  # noqa: F401 - from here on, what is wrong is said in one line
except SystemExit as end:
    if IS_COMMAND and end.code == FLYTEKIT_INTERRUPTED:
        cli.stop()
    raise
if IS_COMMAND:
    cli.stop_at_once()

# The local cache outlives the files that it names. Read when a workflow runs, not when flytekit is imported.
os.environ.setdefault("FLYTE_LOCAL_CACHE_ENABLED", "false")

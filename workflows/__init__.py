"""Flyte workflows: composition only."""

import os

import workflows.pyflyte_words  # noqa: F401 - from here on, what is wrong is said in one line

# The local cache outlives the files that it names. Read when a workflow runs, not when flytekit is imported.
os.environ.setdefault("FLYTE_LOCAL_CACHE_ENABLED", "false")

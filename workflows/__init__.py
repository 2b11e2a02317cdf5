"""Flyte workflows: composition only."""

import os

# The local cache outlives the files that it names. Read when a workflow runs, not when flytekit is imported.
os.environ.setdefault("FLYTE_LOCAL_CACHE_ENABLED", "false")

"""Flyte workflows: composition only."""

import os

import workflows.spec_option  # noqa: F401 - from here on, a wrong spec is an error of click's

# The local cache outlives the files that it names. Read when a workflow runs, not when flytekit is imported.
os.environ.setdefault("FLYTE_LOCAL_CACHE_ENABLED", "false")

"""What ``pyflyte register`` offers to launch: curate, deduplicate, and the run of every night.

What the nightly run curates is said where it is registered:

    CLIPMILL_SOURCE=s3://films CLIPMILL_OUTPUT=s3://curated CLIPMILL_SPEC=nightly.yaml pyflyte register ...

Without source and output the plan is registered too, but not switched on.
"""

import os

from flytekit import CronSchedule, LaunchPlan
from flytekit.models.concurrency import ConcurrencyPolicy

from clipmill.spec_file import load_spec
from workflows.curate import curate
from workflows.dedup import dedup

SOURCE = os.environ.get("CLIPMILL_SOURCE", "")
OUTPUT = os.environ.get("CLIPMILL_OUTPUT", "")
SPEC = load_spec(os.environ.get("CLIPMILL_SPEC", ""))
"""File or inline JSON; read once, here: a plan holds the values."""

EVERY_NIGHT = "0 3 * * *"
MAX_PARALLELISM = 64
"""Nodes of one run that are active at once."""

curate_plan = LaunchPlan.get_or_create(curate, name="curate", max_parallelism=MAX_PARALLELISM)

dedup_plan = LaunchPlan.get_or_create(dedup, name="dedup", max_parallelism=MAX_PARALLELISM)

# The same workflow: where nothing is new it ends after the listing, and starts no cluster.
nightly = LaunchPlan.get_or_create(
    curate,
    name="nightly",
    fixed_inputs={"source": SOURCE, "output": OUTPUT, "spec": SPEC},
    schedule=CronSchedule(schedule=EVERY_NIGHT),
    max_parallelism=MAX_PARALLELISM,
    # A night that is not done by the next one goes on; two runs would do the same work twice.
    concurrency=ConcurrencyPolicy(max_concurrency=1),
    auto_activate=bool(SOURCE and OUTPUT),
)

"""A whole snapshot as one range: its rows, its tables and its counts."""

from collections.abc import Iterable

import pyarrow as pa

from clipmill.dataset.assemble import (
    Tables,
    assemble_range,
    kept_ids,
    repeats_of,
    stopped_clips,
    usable,
    with_repeats,
)
from clipmill.dataset.collect import Collection, collected
from clipmill.planning.plan import Plan
from clipmill.records import SourceFile


def collect(output: str, *, plan: Plan, sources: Iterable[SourceFile]) -> Collection:
    """What the state under ``output`` knows of ``sources``."""
    with collected(output, plan=plan, sources=sources, clips_per_range=1 << 62) as known:
        return next(known.collections())


def assemble(collection: Collection, *, duplicates: pa.Table | None = None) -> Tables:
    """The tables; ``duplicates`` are what semantic deduplication found."""
    found = repeats_of(duplicates)
    stopped = stopped_clips(found) if collection.plan.num_phases > 1 else None
    tables = assemble_range(collection, stopped=stopped)
    return with_repeats(tables, usable(found, kept_ids(tables), tables.compared))

"""The clips that filters and deduplication keep, range by range."""

from collections.abc import Iterable

import numpy as np
import pyarrow as pa

from clipmill import arrow
from clipmill.dataset.assemble import repeats_of, stopped_clips, usable
from clipmill.dataset.collect import Collected, collected
from clipmill.dataset.rows.clip_rows import PlacedClips
from clipmill.dataset.rows.verdicts import judge_clips, lacks_late_stages
from clipmill.dataset.rows.video_fates import video_fates
from clipmill.planning.plan import Plan
from clipmill.records import SourceFile


def kept_clips(
    output: str,
    plan: Plan,
    sources: Iterable[SourceFile],
    *,
    duplicates: pa.Table | None,
    lacking_in_run: str | None = None,
    known: Collected | None = None,
) -> pa.Array:
    """Returns the ids of the clips of curated videos that no stage rejects and that repeat no other clip.

    With ``lacking_in_run`` only those that lack a late stage, and not because it failed in that run itself.
    ``known`` is what the state has of them, where the caller read it.
    """
    repeats = repeats_of(duplicates)
    stopped = stopped_clips(repeats) if plan.num_phases > 1 else None
    found: list[pa.Array] = [pa.array([], pa.string())]
    lacking: list[np.ndarray] = [np.zeros(0, bool)]
    with collected(output, plan=plan, sources=sources, known=known) as here:
        for collection in here.collections():
            verdicts = judge_clips(collection, stopped=stopped)
            places, _ = PlacedClips(collection, verdicts, video_fates(collection, verdicts)).places
            places = places[verdicts.has_passed[places]]
            found.append(verdicts.rows.ids.take(pa.array(places)))
            if lacking_in_run is not None:
                lacking.append(lacks_late_stages(collection, verdicts, lacking_in_run)[places])
    passed = pa.concat_arrays(found)
    repeated = usable(repeats, passed, passed)["clip_id"].combine_chunks()
    chosen = ~arrow.flags(arrow.is_in(passed, repeated))
    if lacking_in_run is not None:
        chosen &= np.concatenate(lacking)
    return passed.filter(pa.array(chosen))

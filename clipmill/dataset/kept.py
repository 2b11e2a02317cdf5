"""The clips that filters and deduplication keep, range by range."""

from collections.abc import Iterable

import pyarrow as pa

from clipmill import arrow
from clipmill.dataset.assemble import repeats_of, stopped_clips, usable
from clipmill.dataset.collect import Collected, collected
from clipmill.dataset.rows.clip_rows import PlacedClips
from clipmill.dataset.rows.verdicts import judge_clips
from clipmill.dataset.rows.video_fates import video_fates
from clipmill.planning.plan import Plan
from clipmill.records import SourceFile


def kept_clips(
    output: str,
    plan: Plan,
    sources: Iterable[SourceFile],
    *,
    duplicates: pa.Table | None,
    known: Collected | None = None,
) -> pa.Array:
    """Returns the ids of the clips of curated videos that no stage rejects and that repeat no other clip.

    ``known`` is what the state has of them, where the caller read it.
    """
    repeats = repeats_of(duplicates)
    stopped = stopped_clips(repeats) if plan.num_phases > 1 else None
    found: list[pa.Array] = [pa.array([], pa.string())]
    with collected(output, plan=plan, sources=sources, known=known) as here:
        for collection in here.collections():
            verdicts = judge_clips(collection, stopped=stopped)
            places, _ = PlacedClips(collection, verdicts, video_fates(collection, verdicts)).places
            found.append(verdicts.rows.ids.take(pa.array(places[verdicts.has_passed[places]])))
    passed = pa.concat_arrays(found)
    repeated = usable(repeats, passed, passed)["clip_id"].combine_chunks()
    return passed.filter(pa.array(~arrow.flags(arrow.is_in(passed, repeated))))

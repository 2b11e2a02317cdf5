"""How a run ended, from the rows of its sources and the records of its streaming tasks."""

from collections.abc import Mapping, Sequence

from pydantic import TypeAdapter

from clipmill.dataset.collect import Collection
from clipmill.outcomes.run_end import RunEnd, Tally, end_of, merged
from clipmill.planning.judgement import RETRYABLE

INSPECT = "inspect"
_TALLIES = TypeAdapter(list[Tally])


def end_of_run(collection: Collection, streams: Sequence[Mapping[str, object]]) -> RunEnd:
    """Returns how a run ended; ``streams`` are the records of its streaming tasks.

    A later phase tries again what an earlier one failed on: the records of the last one count.
    """
    last = max((int(str(one["num_phases"])) for one in streams), default=0)
    of_streams = [
        tally
        for one in streams
        if one["num_phases"] == last
        for tally in _TALLIES.validate_python(one["failures"])
    ]
    tallies = merged([*look_tallies(collection), *of_streams])
    stopped = next((str(one["stopped"]) for one in streams if one["stopped"]), "")
    of_videos = {INSPECT, collection.plan.extractor.key}
    return end_of(
        tallies,
        stopped=stopped or unseen_sources(collection),
        num_failed=sum(one.num_items for one in tallies if one.is_left and one.stage in of_videos),
        num_videos=len(collection.sources),
        max_failed_ratio=collection.plan.limits.max_failed_ratio,
    )


def look_tallies(collection: Collection) -> list[Tally]:
    """Returns the sources that could not be looked at and are looked at again, by reason."""
    rows = (collection.inspections.get(source.source_version) for source in collection.sources)
    return [
        Tally(INSPECT, str(row["reason"]), RETRYABLE, 1)
        for row in rows
        if row is not None and row["outcome"] == RETRYABLE
    ]


def unseen_sources(collection: Collection) -> str:
    """Returns why the inspection ended early; empty where it did not: it leaves out no source otherwise."""
    num = sum(source.source_version not in collection.inspections for source in collection.sources)
    return f"the store of the sources does not answer: {num} sources were not looked at" if num else ""

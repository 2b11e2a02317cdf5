"""How a run ended, from the rows of its sources and the records of its streaming tasks."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import pyarrow as pa
from pydantic import TypeAdapter

from clipmill import arrow
from clipmill.outcomes.run_end import RunEnd, Tally, end_of, merged
from clipmill.planning.judgement import RETRYABLE
from clipmill.planning.plan import Plan, inspect_digest
from clipmill.records import SourceFile
from clipmill.runs.termination import was_cut_short
from clipmill.state.schema import INSPECT, INSPECT_STATE
from clipmill.state.store import ResultStore

INTERRUPTED = "Ctrl-C"
_TALLIES = TypeAdapter(list[Tally])


def end_of_run(
    output: str, plan: Plan, sources: Iterable[SourceFile], streams: Sequence[Mapping[str, object]]
) -> RunEnd:
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
    versions = pa.array([source.source_version for source in sources], pa.string())
    looks = _looks(output, plan, versions)
    tallies = merged([*_look_tallies(looks), *of_streams])
    stopped = next((str(one["stopped"]) for one in streams if one["stopped"]), "")
    of_videos = {INSPECT, plan.extractor.key}
    return end_of(
        tallies,
        stopped=stopped or (INTERRUPTED if was_cut_short() else _unseen_sources(len(versions) - len(looks))),
        num_failed=sum(one.num_items for one in tallies if one.is_left and one.stage in of_videos),
        num_videos=len(versions),
        max_failed_ratio=plan.limits.max_failed_ratio,
    )


def _looks(output: str, plan: Plan, versions: pa.Array) -> pa.Table:
    """What is known of the outcome of looking at the sources that were looked at."""
    digest, columns = inspect_digest(plan.limits), ["id", "outcome", "reason"]
    return ResultStore(output).read(INSPECT, digest, schema=INSPECT_STATE, columns=columns, among=versions)


def _look_tallies(looks: pa.Table) -> list[Tally]:
    """The sources that could not be looked at and are looked at again, by reason."""
    reasons = looks.filter(arrow.equal(looks["outcome"], RETRYABLE))["reason"].to_pylist()
    return [Tally(INSPECT, str(reason), RETRYABLE, num) for reason, num in sorted(Counter(reasons).items())]


def _unseen_sources(num: int) -> str:
    """Why the inspection ended early; empty where it did not: it leaves out no source otherwise."""
    return f"the store of the sources does not answer: {num} sources were not looked at" if num else ""

"""What differs from run to run: the only place for times, hosts and dates."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from pydantic import TypeAdapter

from clipmill import layout
from clipmill.dataset.exports.clip_json import as_json
from clipmill.dataset.snapshots.record import current_snapshot
from clipmill.outcomes.funnel import Funnel
from clipmill.outcomes.run_end import RunEnd
from clipmill.outcomes.summary import Summary, summary_of
from clipmill.storage import store

STREAM_SUFFIX = ".stream.json"
"""How the names of the records of streaming tasks end."""


@dataclass(frozen=True)
class RunRecord:
    """One run. Times are UTC in ISO 8601.

    ``numbers`` are totals of the run (seconds, bytes read, videos decoded); ``stage_metrics`` one record per
    operator and video, or sums of them. ``end`` says how it ended and what the next run will do,
    ``snapshot_id`` what it published.
    """

    run_id: str
    started_at: str
    finished_at: str
    host: str = ""
    num_cpus: int = 0
    numbers: Mapping[str, float] = field(default_factory=dict[str, float])
    stage_metrics: tuple[Mapping[str, str | int | float], ...] = ()
    end: RunEnd = field(default_factory=RunEnd)
    snapshot_id: str = ""


def write_run(output: str, run: RunRecord) -> str:
    """Write ``runs/<run_id>.json``; returns its URI."""
    uri = layout.run_path(output, run.run_id)
    store.put_bytes(uri, as_json(asdict(run)))
    return uri


def end_of_record(uri: str) -> RunEnd:
    """Returns how the run of a record ended."""
    return TypeAdapter(RunEnd).validate_python(json.loads(store.read_bytes(uri))["end"])


def latest_run(output: str) -> str:
    """Returns the URI of the newest record of a whole run; empty where there is none."""
    folder = layout.runs_dir(store.normalise(output))
    names = (entry.uri.removeprefix(f"{folder}/") for entry in store.find(folder, (".json",)))
    found = max((name for name in names if "/" not in name and not name.endswith(STREAM_SUFFIX)), default="")
    return found and layout.join(folder, found)


def published_summary(output: str) -> Summary:
    """Returns the summary of the current snapshot and of the newest run.

    SourceError where nothing is published.
    """
    funnel = TypeAdapter(Funnel).validate_python(current_snapshot(output).manifest["funnel"])
    run = latest_run(output)
    return summary_of(funnel, end_of_record(run) if run else RunEnd())

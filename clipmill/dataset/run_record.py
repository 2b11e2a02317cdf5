"""What differs from run to run: the only place for times, hosts and dates."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from pydantic import TypeAdapter

from clipmill import layout
from clipmill.dataset.exports.clip_json import as_json
from clipmill.outcomes.run_end import RunEnd
from clipmill.storage import store
from clipmill.storage.skipped_files import Skipped

STREAM_SUFFIX = ".stream.json"
"""How the names of the records of streaming tasks end."""


@dataclass(frozen=True)
class RunRecord:
    """One run. Times are UTC in ISO 8601.

    ``numbers`` are totals of the run (seconds, bytes read, videos decoded); ``stage_metrics`` one record per
    operator and video, or sums of them. ``end`` says how it ended and what the next run will do,
    ``skipped`` which files of the source are not curated, ``snapshot_id`` what was published.
    """

    run_id: str
    started_at: str
    finished_at: str
    host: str = ""
    num_cpus: int = 0
    numbers: Mapping[str, float] = field(default_factory=dict[str, float])
    stage_metrics: tuple[Mapping[str, str | int | float], ...] = ()
    end: RunEnd = field(default_factory=RunEnd)
    skipped: Skipped = field(default_factory=Skipped)
    snapshot_id: str = ""


def write_run(output: str, run: RunRecord) -> str:
    """Write ``runs/<run_id>.json``; returns its URI."""
    uri = layout.run_path(output, run.run_id)
    store.put_bytes(uri, as_json(asdict(run)))
    return uri


def read_run(uri: str) -> RunRecord:
    """Returns a record, without the metrics of its stages."""
    return TypeAdapter(RunRecord).validate_python({**store.read_record(uri), "stage_metrics": ()})


def latest_run(output: str) -> str:
    """Returns the URI of the newest record of a whole run; empty where there is none."""
    folder = layout.runs_dir(store.normalise(output))
    names = (entry.uri.removeprefix(f"{folder}/") for entry in store.find(folder, (".json",)))
    found = max((name for name in names if "/" not in name and not name.endswith(STREAM_SUFFIX)), default="")
    return found and layout.join(folder, found)

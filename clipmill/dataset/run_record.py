"""What differs from run to run: the only place for times, hosts and dates."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from clipmill import layout
from clipmill.dataset.exports.clip_json import as_json
from clipmill.storage import store


@dataclass(frozen=True)
class RunRecord:
    """One run. Times are UTC in ISO 8601.

    ``numbers`` are totals of the run (seconds, bytes read, videos decoded); ``stage_metrics`` one record per
    operator and video, or sums of them.
    """

    run_id: str
    started_at: str
    finished_at: str
    host: str = ""
    num_cpus: int = 0
    numbers: Mapping[str, float] = field(default_factory=dict[str, float])
    stage_metrics: tuple[Mapping[str, str | int | float], ...] = ()


def write_run(output: str, run: RunRecord) -> str:
    """Write ``runs/<run_id>.json``; returns its URI."""
    uri = layout.run_path(output, run.run_id)
    store.put_bytes(uri, as_json(asdict(run)))
    return uri

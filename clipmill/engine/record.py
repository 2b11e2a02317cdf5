"""A streaming run that leaves a record of what it took under ``runs/``."""

import json
import logging
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict

from clipmill import layout
from clipmill.engine.chunk import Chunk
from clipmill.engine.machine_check import Engine
from clipmill.engine.run import StreamReport, StreamRun
from clipmill.engine.work import Work
from clipmill.errors import EngineDied, StageBroken, StoreOutage, WorkerDied
from clipmill.machine import ClusterSize, num_cores
from clipmill.planning.plan import Plan
from clipmill.runs.status import Show
from clipmill.state.store import ResultStore
from clipmill.storage import store

logger = logging.getLogger(__name__)


def stream_recorded(
    items: Sequence[Work],
    plan: Plan,
    *,
    output: str,
    engine: Engine,
    run_id: str,
    part: str,
    on_chunk: Callable[[Chunk], None] | None = None,
    show: Show | None = None,
    grows_to: ClusterSize | None = None,
) -> str:
    """Runs the engine over ``items`` into the state of ``output``; returns the URI of its record.

    ``part`` tells the records of one run's parts apart, which may be on several clusters. A stage, a store or
    a server that fails on everything ends it early: the record says ``stopped``, and why, and
    ``is_passing`` where it was a store or a server.
    """
    run = StreamRun(items, plan, engine=engine, state=ResultStore(output), run_id=run_id, grows_to=grows_to)
    stopped, is_passing = "", False
    try:
        run.do(on_chunk, show)
    except (StageBroken, StoreOutage, WorkerDied, EngineDied) as error:
        stopped, is_passing = str(error), isinstance(error, StoreOutage) or _is_server(error)
        logger.error("the run stops: %s", error)
    record = {
        **_record(items, run.report()),
        "num_phases": plan.num_phases,
        "stopped": stopped,
        "is_passing": is_passing,
    }
    uri = layout.run_path(output, f"{run_id}.{part}.stream")
    store.put_bytes(uri, json.dumps(record, indent=1).encode())
    return uri


def _is_server(error: Exception) -> bool:
    """Returns True for a server of models that is gone: it may be there again for another attempt."""
    return isinstance(error, EngineDied) and error.is_remote


def _record(items: Sequence[Work], report: StreamReport) -> Mapping[str, object]:
    return {
        "host": platform.node(),
        "num_cpus": num_cores(),
        "engine": report.engine,
        "num_videos": report.num_videos,
        "num_clips": report.num_clips,
        "video_s": sum(item.facts.duration_s for item in items),
        "wall_s": report.wall_s,
        "cpu_s_by_operator": report.cpu_s_by_operator(),
        "failures": [asdict(tally) for tally in report.tallies],
        "laps": [asdict(metric) for metric in report.metrics],
    }

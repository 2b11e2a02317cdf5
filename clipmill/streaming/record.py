"""A streaming run that leaves a record of what it took under ``runs/``."""

import json
import platform
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict

from clipmill import layout
from clipmill.machine import num_cores
from clipmill.plan import RunPlan
from clipmill.records import WorkItem
from clipmill.storage import store
from clipmill.storage.state import State
from clipmill.streaming.run import Engine, StreamReport, stream
from clipmill.video import VideoTask


def stream_recorded(
    items: Sequence[WorkItem],
    plan: RunPlan,
    *,
    output: str,
    engine: Engine,
    on_task: Callable[[VideoTask], None] | None = None,
) -> str:
    """Run the core over ``items`` into the state of ``output``; return the URI of its metrics."""
    attempt = f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{secrets.token_hex(4)}"
    report = stream(items, plan, engine=engine, state=State(output), attempt=attempt, on_task=on_task)
    uri = layout.run_path(output, f"{attempt}.stream")
    store.put_bytes(uri, json.dumps(_record(items, report), indent=1).encode())
    return uri


def _record(items: Sequence[WorkItem], report: StreamReport) -> dict[str, object]:
    return {
        "host": platform.node(),
        "num_cpus": num_cores(),
        "engine": report.engine,
        "num_videos": report.num_videos,
        "num_clips": report.num_clips,
        "video_s": sum(item.facts.duration_s for item in items),
        "wall_s": report.wall_s,
        "cpu_s_by_operator": report.cpu_s_by_operator(),
        "laps": [asdict(metric) for metric in report.metrics],
    }

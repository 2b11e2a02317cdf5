"""The default curation through Flyte and Ray as a user starts it, beside the same work inline.

Ray's processes have no parent in the end, so their CPU time is the sum of samples: a lower bound.
"""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.process_meter import isolated, watched
from bench.run_cost import RunKind, run_cost
from bench.tables import table

ROOT = Path(__file__).parent.parent
SETTINGS = {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0", "PYTHONPATH": str(ROOT)}


@dataclass(frozen=True)
class FlyteCost:
    """One run of the workflow with everything it starts."""

    wall_s: float
    cpu_s: float
    peak_bytes: int


def flyte_cost(films: Sequence[str]) -> FlyteCost:
    """Curate the films with ``python -m workflows.curate``; CalledProcessError where that fails."""
    with TemporaryDirectory() as folder:
        source = Path(folder) / "source"
        source.mkdir()
        for film in films:
            (source / Path(film).name).symlink_to(Path(film).resolve())
        command = [sys.executable, "-m", "workflows.curate", "--source", str(source)]
        start_s = time.monotonic()
        with (
            subprocess.Popen(
                [*command, "--output", str(Path(folder) / "curated")],
                cwd=ROOT,
                env={**os.environ, **SETTINGS},
                stdout=subprocess.DEVNULL,
            ) as process,
            watched(process.pid) as peak,
        ):
            process.wait()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return FlyteCost(time.monotonic() - start_s, peak.cpu_s, peak.rss_bytes)


def print_flyte(films: Sequence[str], tiny: Sequence[str]) -> None:
    """Tiny films for the start-up, then the films, then the same inline."""
    start_up, whole = flyte_cost(tiny), flyte_cost(films)
    inline, peak = isolated(run_cost, RunKind("libx264", has_previews=True), films, tiny)
    ratio = (whole.wall_s - start_up.wall_s) / inline.wall_s
    cpu_ratio = (whole.cpu_s - start_up.cpu_s) / inline.run_s
    rows = [
        ["inline", f"{inline.wall_s:.1f}", f"{inline.run_s:.1f}", f"{peak.rss_bytes / 1e6:.0f}"],
        ["Flyte and Ray, tiny films", *_cells(start_up)],
        ["Flyte and Ray", *_cells(whole)],
        ["Flyte and Ray beyond the tiny films / inline", f"{ratio:.2f}", f"{cpu_ratio:.2f}", ""],
    ]
    print(table(("libx264, previews on, content", "wall s", "CPU-s (sampled)", "peak MB"), rows), flush=True)


def _cells(cost: FlyteCost) -> list[str]:
    return [f"{cost.wall_s:.1f}", f"{cost.cpu_s:.1f}", f"{cost.peak_bytes / 1e6:.0f}"]

"""Whole runs for tests, and what they leave: the workflow's steps in this process, without Flyte and Ray."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import pyarrow.parquet as pq

from clipmill.curation.publication import Published
from clipmill.curation.run import RunOptions, run_curation
from clipmill.dataset.schemas import TABLES
from clipmill.engine.machine_check import Engine
from clipmill.planning.from_spec import plan_of_spec
from clipmill.specs import CurateSpec

ROOT = Path(__file__).parents[3]
PYFLYTE = "import sys; from flytekit.clis.sdk_in_container.pyflyte import main; sys.exit(main())"
"""The program ``pyflyte``, for ``python -c``."""
Row = dict[str, object]
OF_ONE_RUN = re.compile(r"lease\.json|work/\d{8}T\d{6}\.\d{6}Z-")


def small_spec(**fields: object) -> CurateSpec:
    """The default with small previews; ``fields`` as in a spec file."""
    return CurateSpec.model_validate({"preview": {"target_height": 90}, **fields})


def plain_spec(**fields: object) -> CurateSpec:
    """Clips of a second wherever the shots lie, and no previews: the cheapest whole run."""
    stride = {"clip_len_s": 1.0, "clip_stride_s": 1.0, "min_clip_length_s": 0.5}
    split = {"algorithm": "fixed_stride", "fixed_stride": stride}
    return CurateSpec.model_validate({"split": split, "preview": None, **fields})


def curate_here(
    source: Path | str, output: Path | str, spec: CurateSpec | None = None, *, engine: Engine = "inline"
) -> Published:
    """What the workflow does, in its order."""
    spec = small_spec() if spec is None else spec
    plan = plan_of_spec(spec, source=str(source), output=str(output))
    options = RunOptions(
        engine=engine,
        sharding=spec.sharding,
        dedup=spec.dedup,
        writes_json=spec.write.write_json,
    )
    return run_curation(plan, options)


def rows(output: Path, table: str) -> list[Row]:
    """A published table."""
    assert table in TABLES
    return cast(list[Row], pq.read_table(output / "tables" / f"{table}.parquet").to_pylist())


def videos(output: Path, source: Path) -> dict[str, Row]:
    """Name below the source -> row of a video."""
    return {str(Path(str(row["uri"])).relative_to(source)): row for row in rows(output, "videos")}


def fates(output: Path, source: Path) -> dict[str, str]:
    """Name below the source -> status of a video, or its reason when it was rejected or failed."""
    found = videos(output, source)
    return {name: str(row["reason"] or row["status"]) for name, row in found.items()}


def files(folder: Path) -> dict[str, bytes]:
    """Every file below a folder: relative name -> content."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in _walk(folder)}


def stamps(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file below a folder: relative name -> mtime in ns and inode. A file written anew changes both.

    Without what belongs to one run alone: the lease, and what its steps hand to each other.
    """
    facts = {str(path.relative_to(folder)): path.stat() for path in _walk(folder)}
    facts = {name: fact for name, fact in facts.items() if not OF_ONE_RUN.match(name)}
    return {name: (fact.st_mtime_ns, fact.st_ino) for name, fact in facts.items()}


def published_files(output: Path) -> dict[str, bytes]:
    """What readers see: all but the state, hand-overs, the lease, records of runs and earlier snapshots.

    Hidden files of a writer that was killed do not count: they are removed an hour later.
    """
    inner = ("state/", "work/", "runs/", "lease.json")
    published = {
        name: data
        for name, data in files(output).items()
        if not name.startswith(inner) and not Path(name).name.startswith(".")
    }
    manifest = output / "manifest.json"
    current = json.loads(manifest.read_text())["snapshot_id"] if manifest.exists() else ""
    return {
        name: data
        for name, data in published.items()
        if not name.startswith("snapshots/") or name.startswith(f"snapshots/{current}/")
    }


def laps(output: Path) -> list[Row]:
    """The laps of every streaming run under an output."""
    records = [json.loads(path.read_text()) for path in sorted((output / "runs").glob("*.stream.json"))]
    return [lap for record in records for lap in record["laps"]]


def environment(**more: str) -> dict[str, str]:
    """Environment of a subprocess that runs clipmill: no cache of Flyte's shared with anybody else."""
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "FLYTECTL_CONFIG": str(ROOT / "flyte.config"),
        "RAY_AUTH_MODE": "disabled",
        "RAY_USAGE_STATS_ENABLED": "0",
        **more,
    }


def run_python(
    *arguments: str, env: Mapping[str, str] | None = None, timeout_s: float = 220
) -> subprocess.CompletedProcess[str]:
    """A Python subprocess in the repository's root; its output as text."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=env or environment(),
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


def _walk(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())

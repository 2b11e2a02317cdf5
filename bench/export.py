"""What an export costs beside ``tar``, and how planning and splitting grow: ``python -m bench.export``.

Copies: clips of one size, warm, by turns exported and packed by ``tar``; "durable" ends with ``sync``, as
every shard of an export does. Rows: snapshots of one and ten parts are planned and split in fresh processes.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa

from bench import machine
from bench.process_meter import isolated, timed
from bench.tables import table
from clipmill import identity, layout
from clipmill.dataset.snapshots.record import current_snapshot
from clipmill.export.planner import plan_export
from clipmill.export.run import run_export
from clipmill.export.spec import ExportSpec
from clipmill.partition.run import split_clips
from clipmill.partition.spec import PartitionSpec
from clipmill.storage import parquet, store
from tests.support.published import clip_row, publish_by_hand, write_clip_files

BATCH = 50_000
RATIOS = {"train": 0.98, "val": 0.01, "test": 0.01}
MEGABYTE = 10**6


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description="Measure exports.")
    parser.add_argument("--clips", type=int, default=5000, help="clips of 1 MB")
    parser.add_argument("--s3-clips", type=int, default=200, help="clips of 1 MB for the S3 stand-in")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    options = parser.parse_args(arguments)
    print(*machine.notes(), sep="\n", end="\n\n")
    print(table(("copies", "wall, export", "wall, plain", "ratio", "CPU-s ratio"), copy_rows(options)))
    header = ("rows", "plan s", "CPU-s", "peak MB", "split s", "CPU-s", "peak MB")
    print(table(header, [growth_row(rows) for rows in options.rows]))


def copy_rows(options: argparse.Namespace) -> list[list[str]]:
    """Exports against plain copies, in pairs."""
    from tests.support.stand_ins.object_store import s3_server  # its libraries would count as memory

    rows: list[list[str]] = []
    with TemporaryDirectory() as folder:
        root = Path(folder)
        draw(root / "curated", options.clips)
        rows.append(_pairs("tar, local, durable", root, options.pairs, _export_local, _tar))
        shutil.rmtree(root / "curated")
        draw(root / "curated", options.s3_clips)
        with s3_server("bucket"):
            rows.append(_pairs("upload, S3 stand-in", root, options.pairs, _export_s3, _upload))
    return rows


def draw(output: Path, num_clips: int) -> None:
    """A snapshot whose clips are files of 1 MB."""
    clips = [clip_row(index, video=index // 20, num_bytes=MEGABYTE) for index in range(num_clips)]
    publish_by_hand(str(output), clips, {})
    write_clip_files(output, clips)


def _pairs(
    name: str, root: Path, count: int, export: Callable[[Path], object], plain: Callable[[Path], object]
) -> list[str]:
    """Median wall and CPU seconds of both, by turns; the pages are warm from a first round."""
    plain(root)
    found: list[tuple[list[float], list[float]]] = []
    for _ in range(count):
        with timed() as own:
            export(root)
        with timed() as other:
            plain(root)
        found.append((own, other))
    walls = [statistics.median(pair[side][1] for pair in found) for side in (0, 1)]
    ratios = [statistics.median(own[at] / max(other[at], 1e-9) for own, other in found) for at in (1, 0)]
    return [name, f"{walls[0]:.2f}", f"{walls[1]:.2f}", f"{ratios[0]:.2f}", f"{ratios[1]:.2f}"]


def _export_local(root: Path) -> None:
    shutil.rmtree(root / "export", ignore_errors=True)
    _command(root / "curated", str(root / "export"))
    os.sync()


def _command(output: Path, dest: str) -> None:
    """As users run it: a process of its own, with its start."""
    subprocess.run(
        [sys.executable, "-m", "clipmill.cli.main", "export", str(output), dest],
        check=True, stdout=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": os.getcwd()},
    )  # fmt: skip


def _tar(root: Path) -> None:
    (root / "plain.tar").unlink(missing_ok=True)
    subprocess.run(["tar", "cf", str(root / "plain.tar"), "-C", str(root / "curated"), "clips"], check=True)
    os.sync()


def _export_s3(root: Path) -> None:
    run_export(str(root / "curated"), f"s3://bucket/{time.monotonic_ns()}", ExportSpec(min_shards=4))


def _upload(root: Path) -> None:
    """The same bytes as four objects, at once."""
    clips = sorted((root / "curated" / "clips").iterdir())
    folder = f"s3://bucket/plain-{time.monotonic_ns()}"

    def put(part: int) -> None:
        path = root / f"part-{part}"
        path.write_bytes(b"".join(clip.read_bytes() for clip in clips[part::4]))
        store.put_file(f"{folder}/{part}", str(path))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(put, range(4)))


def growth_row(num_rows: int) -> list[str]:
    """Planning and splitting a snapshot of so many clips, each in a fresh process."""
    with TemporaryDirectory() as folder:
        isolated(publish_rows, folder, num_rows)
        cells = [f"{num_rows:,}"]
        for step in (plan_rows, split_rows):
            (cpu, wall), peak = isolated(step, folder)
            cells += [f"{wall:.1f}", f"{cpu:.1f}", f"{peak.high_water_bytes / MEGABYTE:.0f}"]
        return cells


def publish_rows(output: str, num_rows: int) -> None:
    """A snapshot without files, part by part."""
    publish_by_hand(output, [clip_row(0, video=0)], {}, name="many")
    one = pa.Table.from_pylist([clip_row(0, video=0)])
    parts: list[dict[str, object]] = []
    for first in range(0, num_rows, BATCH):
        rows = _many(one, range(first, min(first + BATCH, num_rows)))
        path = f"snapshots/many/clips/part-{first:09d}.parquet"
        store.put_bytes(layout.join(output, path), parquet.encode(rows))
        parts.append({"path": path, "sha256": "", "rows": len(rows)})
    manifest = current_snapshot(output).manifest
    named = {**manifest, "tables": {"clips": {"rows": num_rows, "parts": parts}}}
    store.put_bytes(layout.manifest_path(output), json.dumps(named).encode())


def _many(one: pa.Table, indices: range) -> pa.Table:
    """The row again and again, each with a clip of its own; 20 clips have one video."""
    rows = one.take(pa.array([0] * len(indices)))
    ids = [identity.clip_id("many", index, index + 1) for index in indices]
    videos = [f"video-{index // 20}" for index in indices]
    rows = rows.set_column(rows.column_names.index("clip_id"), "clip_id", pa.array(ids))
    return rows.set_column(rows.column_names.index("video_id"), "video_id", pa.array(videos))


def plan_rows(output: str) -> tuple[float, float]:
    """CPU and wall seconds of a plan."""
    with timed() as taken, TemporaryDirectory() as dest:
        plan_export(output, dest, ExportSpec())
    return taken[0], taken[1]


def split_rows(output: str) -> tuple[float, float]:
    """CPU and wall seconds of a first split."""
    spec = PartitionSpec(ratios=RATIOS)
    with timed() as taken:
        split_clips(output, current_snapshot(output), spec)
    return taken[0], taken[1]


if __name__ == "__main__":
    main()

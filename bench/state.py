"""``python -m bench.state [--clips N] [--only admit|noop|compact|publish] [--keep DIR]``: the state at scale.

Makes a synthetic state (``bench.state_rows``) and measures, each in a process of its own: admission from
scratch with parts as runs leave them, admission after 1 % new videos, a run with nothing to do, publishing,
and the compaction of a narrow stage. The floor of admission is what DuckDB alone takes to read the ids of
all parts. Ends with a line ``peak_mb=... seconds=...`` of the last step.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from bench.process_meter import isolated
from bench.state_rows import VECTORS_UP_TO, VIDEOS_PER_PART, Synthetic, plan_for, source_of
from clipmill import layout
from clipmill.curation.publication import publish_snapshot
from clipmill.intake.admission import admit
from clipmill.intake.manifests import Sources, get_work, put_sources
from clipmill.intake.shards import not_inspected
from clipmill.runs.lease import held
from clipmill.state.compaction import compact_folder
from clipmill.state.database import MEMORY_MB, PARTS_AT_ONCE
from clipmill.state.part_set import forget_complete
from clipmill.state.store import ResultStore

STEPS = ("admit", "noop", "compact", "publish")


def read_ids(output: str, listing: str) -> str:
    """The floor of admission: the database reads the ids of all parts, and nothing else."""
    del listing
    plan, num_parts = plan_for(output), 0
    with duckdb.connect(config={"memory_limit": f"{MEMORY_MB}MB"}) as connection:
        for node in (plan.extractor, *plan.rowed):
            uris = ResultStore(output).parts(node.key, node.digest).live
            num_parts += len(uris)
            for start in range(0, len(uris), PARTS_AT_ONCE):
                some = [list(uris[start : start + PARTS_AT_ONCE])]
                connection.execute("SELECT bit_xor(hash(id)) FROM read_parquet(?)", some).fetchall()
    return f"{num_parts} parts"


def admit_all(output: str, listing: str) -> str:
    """Admission; how many manifests and bytes of work it found."""
    works = admit(listing, plan_for(output), output=output, num_groups=4)
    num_lines = sum(len(Path(uri).read_bytes().splitlines()) for uri in works)
    return f"{num_lines} videos lack rows"


def look_for_nothing(output: str, listing: str) -> str:
    """What a run with nothing to do does after its listing."""
    unseen = not_inspected(list(Sources(listing)), plan_for(output), output)
    return f"{len(unseen)} to inspect, {admit_all(output, listing)}"


def compact_narrow(output: str, listing: str) -> str:
    """Compaction of one narrow stage."""
    del listing
    node = plan_for(output).by_key["motion"]
    done = compact_folder(layout.join(layout.state_dir(output), node.key, node.digest))
    return f"{done.num_before} parts to {done.num_after}"


def publish_all(output: str, listing: str) -> str:
    """Publishing with all tables, without JSON."""
    with held(output) as lease:
        published = publish_snapshot(listing, plan_for(output), lease=lease, writes_json=False)
    return published.manifest_uri


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="bench.state", description="Memory and time of the state.")
    parser.add_argument("--clips", type=int, default=100_000)
    parser.add_argument("--only", action="append", choices=STEPS, help="may be repeated")
    parser.add_argument("--keep", type=Path, help="folder of the rows: made when it is not there, and kept")
    parser.add_argument("--videos-per-part", type=int, default=VIDEOS_PER_PART, help="of parts that are made")
    options = parser.parse_args(arguments)
    print(f"engine's memory limit: {MEMORY_MB} MB, spill in scratch space", flush=True)
    with TemporaryDirectory() as scratch:
        output = str((options.keep or Path(scratch)) / f"state-{options.clips}")
        has_vectors = options.clips <= VECTORS_UP_TO
        synthetic = Synthetic(output, options.clips, has_vectors, options.videos_per_part)
        listing = _listing(synthetic)
        print("| clips | step | found | s | CPU-s | peak MB |")
        print("|--:|---|---|--:|--:|--:|", flush=True)
        last = ""
        for step in options.only or STEPS:
            last = _measure_step(step, synthetic, listing)
    print(last)
    return 0


def _listing(synthetic: Synthetic) -> str:
    """The listing of a state, which is made where it is not kept from another time."""
    noted = Path(synthetic.output) / "listing"
    if not noted.exists():
        started_s = time.monotonic()
        listing = synthetic.write()
        noted.write_text(listing)
        print(f"rows made in {time.monotonic() - started_s:.0f} s", flush=True)
    return noted.read_text()


def _measure_step(step: str, synthetic: Synthetic, listing: str) -> str:
    output = synthetic.output
    if step == "admit":
        _measure(synthetic, "floor: DuckDB reads the ids", read_ids, listing)
        forget_complete(layout.state_dir(output))
        _measure(synthetic, "admission from scratch", admit_all, listing)
        more = synthetic.num_videos + max(1, synthetic.num_videos // 100)
        synthetic.inspect(more, first=synthetic.num_videos)
        sources = [source_of(index) for index in range(more)]
        return _measure(synthetic, "admission after 1 % new videos", admit_all, put_sources(output, sources))
    if step == "noop":
        return _measure(synthetic, "nothing to do", look_for_nothing, _listing_of_complete(output, listing))
    if step == "compact":
        return _measure(synthetic, "compaction of a narrow stage", compact_narrow, listing)
    return _measure(synthetic, "publish", publish_all, listing)


def _listing_of_complete(output: str, listing: str) -> str:
    """The listing without the sources that lack rows."""
    works = admit(listing, plan_for(output), output=output, num_groups=1)
    lacking = {item.source for uri in works for item in get_work(uri)}
    return put_sources(output, [source for source in Sources(listing) if source not in lacking])


def _measure(synthetic: Synthetic, name: str, step: Callable[[str, str], str], listing: str) -> str:
    (found, seconds, cpu_s), peak = isolated(_timed, step, synthetic.output, listing)
    peak_mb = peak.high_water_bytes / 1e6
    times = f"{seconds:.1f} | {cpu_s:.1f}"
    print(f"| {synthetic.num_clips} | {name} | {found} | {times} | {peak_mb:.0f} |", flush=True)
    return f"peak_mb={peak_mb:.0f} seconds={seconds:.1f}"


def _timed(step: Callable[[str, str], str], output: str, listing: str) -> tuple[str, float, float]:
    started_s, started_cpu_s = time.monotonic(), time.process_time()
    found = step(output, listing)
    return found, time.monotonic() - started_s, time.process_time() - started_cpu_s


if __name__ == "__main__":
    sys.exit(main())

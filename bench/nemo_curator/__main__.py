"""``python -m bench.nemo_curator --python PYTHON --tools FOLDER [--videos DIR] [--rounds N]``: by turns.

``PYTHON`` is the interpreter of NeMo Curator's environment, ``FOLDER`` holds the ``ffmpeg`` and ``ffprobe``
that it calls; README.md of this folder says how to make both. Every figure is of whole processes, start-up
included: CPU seconds of a process and all its children, and the largest sum of their resident memory. Under
Ray, whose daemons outlive their parents, CPU seconds are a lower bound for both sides.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from bench import machine
from bench.films import drawn
from bench.process_meter import watched

REFERENCE = Path(__file__).with_name("reference_run.py")
OUR_MODULE = "bench.nemo_curator.our_run"
FILMS_FOLDER = Path("data/bench")


@dataclass(frozen=True)
class Contender:
    """One way to do the work; ``command`` lacks folder, output, encoder and ``how``."""

    name: str
    command: tuple[str, ...]
    encoder: str
    how: str


@dataclass(frozen=True)
class Cost:
    """What one run took, and how many clips it wrote."""

    cpu_s: float
    wall_s: float
    rss_bytes: int
    num_clips: int


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; 1 when a run failed or wrote no clip."""
    options = _options(arguments)
    folder = (options.videos or _films_folder()).resolve()
    print(*machine.notes(), sep="\n", flush=True)
    contenders = [one for one in _contenders(options) if options.only is None or one.name in options.only]
    costs: dict[Contender, list[Cost]] = {contender: [] for contender in contenders}
    for _ in range(options.rounds):
        for contender in contenders:
            costs[contender].append(_run(contender, folder, environment(options.tools)))
            print(contender.name, costs[contender][-1], file=sys.stderr, flush=True)
    print(f"\n{_table(costs)}\n\nafterwards, {machine.load()}")
    return int(any(not cost.num_clips for each in costs.values() for cost in each))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.nemo_curator", description="Both do the same work.")
    parser.add_argument("--python", type=Path, required=True, help="interpreter with NeMo Curator")
    parser.add_argument("--tools", type=Path, help="folder with its ffmpeg and ffprobe")
    parser.add_argument("--videos", type=Path, help="folder of videos; default: drawn ones")
    parser.add_argument("--encoder", default="libopenh264", help="one that both have")
    parser.add_argument("--only", action="append", help="name of a contender; may be repeated")
    parser.add_argument("--rounds", type=int, default=2)
    return parser.parse_args(arguments)


def _contenders(options: argparse.Namespace) -> list[Contender]:
    theirs, ours = (str(options.python), str(REFERENCE)), (sys.executable, "-m", OUR_MODULE)
    encoder = options.encoder
    return [
        Contender("clipmill inline", ours, encoder, "inline"),
        Contender("clipmill inline, copy", ours, "copy", "inline"),
        Contender("clipmill on Ray", ours, encoder, "ray"),
        Contender("NeMo Curator in process", theirs, encoder, "in-process"),
        Contender("NeMo Curator on Ray Data", theirs, encoder, "ray-data"),
    ]


def _films_folder() -> Path:
    """The drawn films, linked into a folder of their own: the warm-up film lies below theirs."""
    folder = FILMS_FOLDER / "peer"
    folder.mkdir(parents=True, exist_ok=True)
    for film in drawn(FILMS_FOLDER).films:
        link = folder / film.name
        if not link.exists():
            os.link(film, link)
    return folder


def environment(tools: Path | None) -> Mapping[str, str]:
    """Returns this process's variables, with one thread a library and the tools on the path."""
    one_thread = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "RAY_AUTH_MODE": "disabled"}
    path = os.pathsep.join(filter(None, (str(tools.resolve()) if tools else "", os.environ["PATH"])))
    return os.environ | one_thread | {"PATH": path}


def _run(contender: Contender, folder: Path, environment: Mapping[str, str]) -> Cost:
    with TemporaryDirectory() as scratch:
        output = Path(scratch) / "out"
        command = [*contender.command, str(folder), str(output), contender.encoder, contender.how]
        before, started_s = os.times(), time.monotonic()
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
        with watched(process.pid) as peak:
            failed = process.wait() != 0
        after, wall_s = os.times(), time.monotonic() - started_s
        waited_s = sum(after[2:4]) - sum(before[2:4])
        clips = list((output / "clips").glob("*.mp4"))
        num_clips = 0 if failed else len([clip for clip in clips if clip.stat().st_size])
    return Cost(max(waited_s, peak.cpu_s), wall_s, peak.rss_bytes, num_clips)


def _table(costs: Mapping[Contender, Sequence[Cost]]) -> str:
    """Medians, and ratios to the first contender's CPU seconds and memory."""
    lines = [
        "| who | encoder | clips | CPU-s | times ours | wall s | peak memory | times ours |",
        "|---|---|---|---|---|---|---|---|",
    ]
    first = next(iter(costs.values()))
    cpu_s, rss_bytes = median(cost.cpu_s for cost in first), median(cost.rss_bytes for cost in first)
    for contender, each in costs.items():
        cpu, rss = median(cost.cpu_s for cost in each), median(cost.rss_bytes for cost in each)
        wall = median(cost.wall_s for cost in each)
        lines.append(
            f"| {contender.name} | {contender.encoder} | {each[-1].num_clips} | {cpu:.1f} "
            f"| {cpu / cpu_s:.1f} | {wall:.1f} | {rss / 2**30:.2f} GiB | {rss / rss_bytes:.1f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())

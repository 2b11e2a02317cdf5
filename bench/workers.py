"""``python -m bench.workers [--rounds N]``: what a second worker on a second core gives.

A whole run over nine films, the drawn ones repeated to different lengths, in a fresh process that may use
one core and so has one worker of each operator, and in one that may use two. CPU time says what the second
costs and bounds the throughput; wall time needs a machine that does nothing else.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from bench import machine
from bench.films import drawn
from bench.process_meter import isolated
from bench.repeated_film import repeat
from bench.run_cost import RunCost, RunKind, run_cost
from bench.tables import spread, table

FILMS_FOLDER = Path("data/bench")
KINDS = (RunKind("copy", has_previews=False), RunKind("libx264", has_previews=False))
NUM_REPEATS = (1, 2, 3)
"""Films of many lengths, the longest first: workers end at about the same time."""
GOAL = 1.85


@dataclass(frozen=True)
class Pair:
    """One round: the same run by one worker and by two."""

    one: RunCost
    two: RunCost

    @property
    def throughput(self) -> float:
        """Of two workers, over that of one, by the clock."""
        return self.one.wall_s / self.two.wall_s

    @property
    def bound(self) -> float:
        """The same where both cores are busy throughout: what the CPU time allows."""
        return 2 * self.one.run_s / self.two.run_s


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; 1 where two workers cannot reach the goal."""
    parser = argparse.ArgumentParser(prog="bench.workers", description="One worker and two.")
    parser.add_argument("--rounds", type=int, default=3, help="how often everything is measured")
    options = parser.parse_args(arguments)
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        print("two workers need two cores", file=sys.stderr)
        return 1
    print(*machine.notes(), sep="\n", flush=True)
    corpus = drawn(FILMS_FOLDER)
    with TemporaryDirectory() as folder:
        films = _repeated(corpus.films, Path(folder))
        pairs = {
            kind: [_pair(kind, films, list(map(str, corpus.tiny)), cores) for _ in range(options.rounds)]
            for kind in KINDS
        }
    print(f"\n{workers_table(pairs)}\n\nafterwards, {machine.load()}")
    return int(any(median(pair.bound for pair in each) < GOAL for each in pairs.values()))


def workers_table(pairs: dict[RunKind, list[Pair]]) -> str:
    """One row per kind of run."""
    header = (
        "whole run", "CPU-s, one worker", "two", "wall s, one worker", "two",
        "throughput: median (min to max)", "by CPU time at most",
    )  # fmt: skip
    return table(header, [_row(kind, each) for kind, each in pairs.items()])


def _row(kind: RunKind, pairs: Sequence[Pair]) -> list[str]:
    return [
        kind.name,
        f"{median(pair.one.run_s for pair in pairs):.1f}",
        f"{median(pair.two.run_s for pair in pairs):.1f}",
        f"{median(pair.one.wall_s for pair in pairs):.1f}",
        f"{median(pair.two.wall_s for pair in pairs):.1f}",
        spread([pair.throughput for pair in pairs]),
        spread([pair.bound for pair in pairs]),
    ]


def _repeated(films: Sequence[Path], folder: Path) -> list[str]:
    return [
        str(repeat(film, folder / f"{film.stem}_{times}.mp4", num_times=times))
        for times in reversed(NUM_REPEATS)
        for film in films
    ]


def _pair(kind: RunKind, films: list[str], tiny: list[str], cores: list[int]) -> Pair:
    one, two = (isolated(run_on, cores[:number], kind, films, tiny)[0] for number in (1, 2))
    return Pair(one, two)


def run_on(cores: list[int], kind: RunKind, films: list[str], tiny: list[str]) -> RunCost:
    """``run_cost`` where this process and those that it starts may use ``cores`` only."""
    os.sched_setaffinity(0, cores)
    return run_cost(kind, films, tiny)


if __name__ == "__main__":
    sys.exit(main())

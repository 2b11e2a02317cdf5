"""``make bench`` or ``python -m bench [--videos DIR] [--only NAME] [--rounds N]``: measure, print tables.

Every round measures every row once, in fresh processes, with bare decode of the same files beside it; the
tables give medians of the rounds' ratios. CPU time of a process includes its codec processes. Sections:

- ``scan``: the one pass, step by step, against decode; bytes read (exit code 1 when more than 1.05 x size);
- ``runs``: whole runs inline by clip mode with and without previews, and what each operator took;
- ``encode``: a run that keeps everything against one ffmpeg program with the same encoder settings, and one
  whose filters reject a third of the clips against ffmpeg programs that decode once and cut what is kept;
- ``cuts``: right, false and missed cuts, see ``bench.cuts``; of your videos those with a label file;
- ``flyte``: through Flyte and Ray, only when asked for by name (a minute of start-up).
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from bench import cuts, machine, tables
from bench.films import Corpus, drawn, given
from bench.floors import Floor, floor, kept_floor
from bench.on_flyte import print_flyte
from bench.process_meter import isolated
from bench.run_cost import RunCost, RunKind, run_cost
from bench.scan_parts import FilmCost, readable, scan_costs

FILMS_FOLDER = Path("data/bench")
SECTIONS = ("scan", "runs", "encode", "cuts", "flyte")
BY_DEFAULT = SECTIONS[:-1]
KINDS = (
    RunKind("copy", has_previews=False),
    RunKind("copy", has_previews=False, key_every_s=2),
    RunKind("copy", has_previews=True),
    RunKind("smart", has_previews=False, key_every_s=2),
    RunKind("smart", has_previews=False, split="fixed_stride", key_every_s=2),
    RunKind("libx264", has_previews=False),
    RunKind("libx264", has_previews=True),
)
ENCODE_ALL = RunKind("libx264", has_previews=False, split="fixed_stride")
ENCODE_SOME = RunKind("libx264", has_previews=False, drops_every=3)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables; 1 when a bound is broken or there is nothing to measure."""
    options = _options(arguments)
    try:
        corpus = given(options.videos, FILMS_FOLDER) if options.videos else drawn(FILMS_FOLDER)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    sections = options.only or BY_DEFAULT
    print(*machine.notes(), sep="\n", flush=True)
    failed = _measure(corpus, sections, options.rounds)
    if "cuts" in sections:
        failed |= _print_cuts(options.videos)
    print(f"\nafterwards, {machine.load()}")
    return int(failed)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description="Measure cost and cuts.")
    parser.add_argument("--videos", type=Path, help="folder of videos; default: drawn ones")
    parser.add_argument("--only", action="append", choices=SECTIONS, help="a section; may be repeated")
    parser.add_argument("--rounds", type=int, default=3, help="how often everything is measured")
    return parser.parse_args(arguments)


def _measure(corpus: Corpus, sections: Sequence[str], num_rounds: int) -> bool:
    """Everything that needs films; True when more was read than allowed."""
    if set(sections) == {"cuts"}:
        return False
    films, tiny = list(readable([str(film) for film in corpus.films])), list(map(str, corpus.tiny))
    rounds: list[list[FilmCost]] = []
    scan_peaks: list[int] = []
    for number in range(num_rounds if "scan" in sections else 1):
        _say(f"round {number + 1}: scan")
        costs, peak = isolated(scan_costs, films, tiny[0])
        rounds.append(costs)
        scan_peaks.append(peak.rss_bytes)
    if "scan" in sections:
        _print(tables.films_table(rounds), tables.scan_table(rounds, scan_peaks))
    if "runs" in sections:
        _print_runs(films, tiny, num_rounds)
    if "encode" in sections:
        _print_encode(films, tiny, num_rounds)
    if "flyte" in sections:
        print()
        print_flyte(films, tiny)
    return read_too_much(rounds[0])


def _print_runs(films: list[str], tiny: list[str], num_rounds: int) -> None:
    chosen = {kind: kind.films(films) for kind in KINDS}
    costs: dict[RunKind, list[RunCost]] = {kind: [] for kind in KINDS if chosen[kind]}
    peaks: dict[RunKind, list[int]] = {kind: [] for kind in costs}
    for number in range(num_rounds):
        for kind in costs:
            _say(f"round {number + 1} of {num_rounds}: {kind.name}")
            cost, peak = isolated(run_cost, kind, chosen[kind], tiny)
            costs[kind].append(cost)
            peaks[kind].append(peak.rss_bytes)
    _print(tables.runs_table(costs, peaks), tables.operators_table(costs))


def _print_encode(films: list[str], tiny: list[str], num_rounds: int) -> None:
    runs: dict[RunKind, list[RunCost]] = {ENCODE_ALL: [], ENCODE_SOME: []}
    floors: list[Floor] = []
    kept_floors: list[float] = []
    for number in range(num_rounds):
        for kind, costs in runs.items():
            _say(f"round {number + 1} of {num_rounds}: ffmpeg, {kind.name}")
            costs.append(isolated(run_cost, kind, films, tiny)[0])
        floors.append(isolated(floor, films)[0])
        kept_floors.append(isolated(kept_floor, films, runs[ENCODE_SOME][-1].kept)[0])
    _print(
        tables.encode_table(runs[ENCODE_ALL], floors),
        tables.rejecting_table(runs[ENCODE_SOME], kept_floors),
    )


def read_too_much(films: Sequence[FilmCost]) -> bool:
    """Name each film of which more was read than allowed; whether there is one."""
    greedy = [film for film in films if tables.bytes_ratio(film) > tables.MAX_BYTES_RATIO]
    for film in greedy:
        ratio = tables.bytes_ratio(film)
        print(f"FAILED: {film.path} was read {ratio:.3f} times, allowed are {tables.MAX_BYTES_RATIO}")
    return bool(greedy)


def _print_cuts(videos: Path | None) -> bool:
    """Cuts of the labelled films of a folder, or of drawn ones; a folder without labels is skipped."""
    print()
    if videos is None:
        return bool(cuts.main([]))
    if not list((videos / "groundtruth").glob("*.json")):
        print(f"no cuts measured: {videos / 'groundtruth'} holds no label file")
        return False
    return bool(cuts.main(["--videos", str(videos)]))


def _say(progress: str) -> None:
    print(progress, file=sys.stderr, flush=True)


def _print(*blocks: str) -> None:
    for block in blocks:
        print(f"\n{block}", flush=True)


if __name__ == "__main__":
    sys.exit(main())

"""What was measured as Markdown tables. Ratios are of one round each; medians are taken of ratios."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import median

from bench.floors import Floor
from bench.run_cost import RunCost, RunKind
from bench.scan_parts import DECODE, FilmCost

MAX_BYTES_RATIO = 1.05
OPERATORS = ("scan", "motion", "quality", "encode", "embedding", "preview")


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; the first column is text, the others are numbers."""
    lines = [header, ["---", *("---:" for _ in header[1:])], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def films_table(rounds: Sequence[Sequence[FilmCost]]) -> str:
    """One row per film: what decode costs, what the whole pass costs, and what it read."""
    header = ("film", "pixels", "s", "decode CPU-s/min", "whole scan / decode", "bytes read / size")
    rows = [_film_row([costs[index] for costs in rounds]) for index in range(len(rounds[0]))]
    return table(header, rows)


def _film_row(costs: Sequence[FilmCost]) -> list[str]:
    film = costs[0]
    decode_s = median(cost.cpu_s[DECODE] for cost in costs)
    ratios = [list(cost.cpu_s.values())[-1] / cost.cpu_s[DECODE] for cost in costs]
    return [
        Path(film.path).name,
        "x".join(map(str, film.size_px)),
        f"{film.duration_s:.1f}",
        f"{decode_s / film.duration_s * 60:.2f}",
        spread(ratios),
        f"{bytes_ratio(film):.3f}",
    ]


def bytes_ratio(film: FilmCost) -> float:
    """Bytes that the pass read over the size of the film."""
    return film.bytes_read / Path(film.path).stat().st_size


def scan_table(rounds: Sequence[Sequence[FilmCost]], peaks: Sequence[int]) -> str:
    """One row per step of the pass, over all films; the peak is that of the process with every step."""
    minutes = minutes_of(rounds[0])
    decodes = [_total(costs, DECODE) for costs in rounds]
    rows: list[list[str]] = []
    before = decodes
    for name in rounds[0][0].cpu_s:
        totals = [_total(costs, name) for costs in rounds]
        added = [(now - then) / floor for now, then, floor in zip(totals, before, decodes, strict=True)]
        ratios = [total / floor for total, floor in zip(totals, decodes, strict=True)]
        rows.append([name, f"{median(totals) / minutes:.2f}", spread(ratios), f"{median(added):+.3f}"])
        before = totals
    header = ("scan, step by step", "CPU-s/min", "/ decode: median (min to max)", "added")
    draft = [
        sum(cost.draft_s for cost in costs) / floor for costs, floor in zip(rounds, decodes, strict=True)
    ]
    return (
        f"{table(header, rows)}\n\nthe whole pass over draft pictures / decode: {spread(draft)}\n"
        f"peak memory of the scanning process: {megabytes(peaks)} MB"
    )


def minutes_of(films: Sequence[FilmCost]) -> float:
    """Minutes of video."""
    return sum(film.duration_s for film in films) / 60


def _total(costs: Sequence[FilmCost], step: str) -> float:
    return sum(cost.cpu_s[step] for cost in costs)


def runs_table(measured: dict[RunKind, list[RunCost]], peaks: dict[RunKind, list[int]]) -> str:
    """One row per kind of run."""
    header = (
        "whole run, inline", "CPU-s/min", "/ decode: median (min to max)", "with start-up", "start-up CPU-s",
        "peak MB", "kept", "of it copied", "s of video per s",
    )  # fmt: skip
    rows = [_run_row(kind, costs, peaks[kind]) for kind, costs in measured.items()]
    return table(header, rows)


def _run_row(kind: RunKind, costs: Sequence[RunCost], peaks: Sequence[int]) -> list[str]:
    minutes = costs[0].video_s / 60
    return [
        kind.name,
        f"{_median(costs, lambda cost: cost.run_s) / minutes:.2f}",
        spread([cost.run_s / cost.decode_s for cost in costs]),
        f"{_median(costs, lambda cost: (cost.run_s + cost.start_up_s) / cost.decode_s):.2f}",
        f"{_median(costs, lambda cost: cost.start_up_s):.1f}",
        megabytes(peaks),
        f"{costs[0].kept_s / minutes / 60:.0%}",
        f"{costs[0].copied_s / costs[0].kept_s:.0%}" if costs[0].kept_s else "",
        f"{_median(costs, lambda cost: minutes * 60 / cost.wall_s):.1f}",
    ]


def operators_table(measured: dict[RunKind, list[RunCost]]) -> str:
    """CPU seconds per minute of video in each operator with its codec process, and in everything else."""
    header = ("CPU-s/min by operator", "decode", *OPERATORS, "list, inspect, publish")
    return table(header, [_operator_row(kind, costs) for kind, costs in measured.items()])


def _operator_row(kind: RunKind, costs: Sequence[RunCost]) -> list[str]:
    minutes = costs[0].video_s / 60
    inside = [_median(costs, lambda cost, name=name: cost.operators.get(name, 0.0)) for name in OPERATORS]
    rest = _median(costs, lambda cost: cost.run_s + cost.fixed_s - sum(cost.operators.values()))
    decode_s = _median(costs, lambda cost: cost.decode_s)
    return [kind.name, *(f"{value / minutes:.2f}" for value in (decode_s, *inside, rest))]


def encode_table(runs: Sequence[RunCost], floors: Sequence[Floor]) -> str:
    """A whole run that encodes everything, against one ffmpeg program that only decodes and encodes."""
    minutes = runs[0].video_s / 60
    over = [run.run_s / floor.encode_s for run, floor in zip(runs, floors, strict=True)]
    rows = [
        ["ffmpeg: decode", f"{median(floor.decode_s for floor in floors) / minutes:.2f}", ""],
        ["ffmpeg: decode, encode", f"{median(floor.encode_s for floor in floors) / minutes:.2f}", "1"],
        ["whole run", f"{_median(runs, lambda run: run.run_s) / minutes:.2f}", spread(over)],
    ]
    return table(("libx264, clips of 10 s", "CPU-s/min", "/ ffmpeg: median (min to max)"), rows)


def rejecting_table(runs: Sequence[RunCost], floors: Sequence[float]) -> str:
    """A whole run whose filter rejects clips, against ffmpeg on all films and then on the kept spans."""
    minutes = runs[0].video_s / 60
    over = [run.run_s / floor for run, floor in zip(runs, floors, strict=True)]
    rows = [
        ["ffmpeg: decode; decode, encode the kept spans", f"{median(floors) / minutes:.2f}", "1"],
        ["whole run", f"{_median(runs, lambda run: run.run_s) / minutes:.2f}", spread(over)],
    ]
    title = f"libx264, filters reject, {runs[0].kept_s / runs[0].video_s:.0%} kept"
    return table((title, "CPU-s/min", "/ ffmpeg: median (min to max)"), rows)


def spread(values: Sequence[float]) -> str:
    """Median and range."""
    return f"{median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def megabytes(values: Sequence[int]) -> str:
    """The largest, in MB."""
    return f"{max(values) / 1e6:.0f}"


def _median(costs: Sequence[RunCost], of: Callable[[RunCost], float]) -> float:
    return median(of(cost) for cost in costs)

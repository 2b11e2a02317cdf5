"""``.venv-models/bin/python -m bench.shots_network [--minutes M] [--videos DIR] [--weights FILE]``: what
TransNetV2 costs.

Weights are random unless a file of them is given: they cost what the released ones do. Every row is measured
in a fresh process with one thread. Three tables, and with weights a fourth:

- milliseconds per window of 100 frames by backend and precision, and the largest difference to the
  first, PyTorch's float32; memory is the peak beyond what the process had before it opened the network;
- a 720p film (drawn, its packets repeated until it lasts ``--minutes``): CPU time of finding its cuts with
  the cascade, to one-thread decode of the same film; bfloat16 where the processor has it. Without the cascade
  it is computed: the film's windows, at what one costs. Exit code 1 where the best costs more than 1.5 times
  the decode, or more than 500 MB;
- what the cascade leaves to the network of drawn films of every kind, and of your labelled ones
  (``--videos``, see ``bench.cuts``): windows, and the cuts that lie in one. Exit code 1 when one does not;
- with ``--weights`` what the network finds in the same films by default, and in float32 without the cascade.
"""

# pyright: reportMissingImports=false

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory
from typing import TypeVar

import av
import numpy as np
import torch

from bench import machine
from bench.films import FPS, drawn
from bench.process_meter import isolated
from bench.scan_parts import decode
from clipmill.media.scan.scan import load_arrays, scan
from clipmill.media.types import ScanPlan
from clipmill.models.registry import model_named
from clipmill.models.shots.detector import NetworkCutFinder
from clipmill.models.shots.open import MODEL, open_shot_network
from clipmill.models.shots.transnetv2 import TransNetV2
from clipmill.shots.candidates import Candidates
from clipmill.shots.content import all_cuts
from clipmill.shots.windows import CandidateWindows, GridWindows, Places, WindowReader
from clipmill.stages.video.clipping.transnetv2_extraction import TransNetV2ClipExtractionStage
from footage.cut_films import CutKind, plan_cut_film
from footage.film import cuts, thumbnails

BACKENDS = ("torch", "openvino")
MAX_TO_DECODE = 1.5
MAX_BYTES = 500e6
FILMS_FOLDER = Path("data/bench")
SEED = 2027
REPEATS = 4
_RESULT = TypeVar("_RESULT")


@dataclass(frozen=True)
class Cost:
    """CPU seconds, and bytes beyond the idle process."""

    cpu_s: float
    peak_bytes: int


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables; 1 when a bound is broken."""
    options = _options(arguments)
    torch.manual_seed(SEED)
    print(*machine.notes(), f"torch {torch.__version__}, bfloat16: {_has_bfloat16()}", sep="\n")
    with TemporaryDirectory(dir=options.folder) as folder:
        model_dir = _save_weights(Path(folder), options.weights)
        window_s = _print_windows(model_dir, options.backend or BACKENDS)
        failed = bool(options.minutes) and _print_film(Path(folder), model_dir, options.minutes, window_s)
        films = list(_films(options.videos))
        failed |= _print_recall(films)
        if options.weights:
            _print_found(films, _spec(model_dir, "auto", "auto"))
    print(f"\nafterwards, {machine.load()}")
    return int(failed)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.shots_network", description="What TransNetV2 costs.")
    parser.add_argument("--minutes", type=float, default=10.0, help="length of the film; 0 leaves it out")
    parser.add_argument("--backend", action="append", choices=BACKENDS, help="may be repeated")
    parser.add_argument("--videos", type=Path, help="folder of videos with labels in groundtruth/")
    parser.add_argument("--weights", type=Path, help="the released weights, a .pth file")
    parser.add_argument("--folder", type=Path, help="where weights and the long film go")
    return parser.parse_args(arguments)


def _save_weights(folder: Path, given: Path | None) -> str:
    path = folder / model_named(MODEL).source / "transnetv2-pytorch-weights.pth"
    path.parent.mkdir(parents=True)
    if given is None:
        torch.save(TransNetV2().state_dict(), path)
    else:
        copyfile(given, path)
    return str(folder)


def _has_bfloat16() -> bool:
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def _spec(model_dir: str, backend: str, precision: str) -> TransNetV2ClipExtractionStage:
    return TransNetV2ClipExtractionStage.model_validate(
        {"model_dir": model_dir, "backend": backend, "precision": precision, "device": "cpu"}
    )


def _configurations(backends: Sequence[str]) -> Iterator[tuple[str, str]]:
    precisions = ("float32", "bfloat16") if _has_bfloat16() else ("float32",)
    return product(backends, precisions)


def _print_windows(model_dir: str, backends: Sequence[str]) -> dict[tuple[str, str], float]:
    """CPU seconds of a window by backend and precision."""
    taken: dict[tuple[str, str], float] = {}
    print("\n| backend | precision | ms per window | to the first | difference | peak MB |")
    print("|---|---|---:|---:|---:|---:|")
    floor, expected = 0.0, np.zeros(0)
    for backend, precision in _configurations(backends):
        spec = _spec(model_dir, backend, precision)
        _opened(spec)  # what is converted once per machine is not counted
        (cpu_s, answer, idle), peak = isolated(_window_cost, spec)
        taken[backend, precision] = cpu_s
        if not floor:
            floor, expected = cpu_s, answer
        row = f"{1000 * cpu_s:.0f} | {floor / cpu_s:.2f} | {np.abs(answer - expected).max():.1e}"
        print(f"| {backend} | {precision} | {row} | {_mb(peak.rss_bytes - idle)} |", flush=True)
    return taken


def _opened(spec: TransNetV2ClipExtractionStage) -> None:
    isolated(_open, spec)


def _open(spec: TransNetV2ClipExtractionStage) -> None:
    open_shot_network(spec.network_options())


def _window_cost(spec: TransNetV2ClipExtractionStage) -> tuple[float, np.ndarray, int]:
    """Least CPU seconds of several, the answer, and bytes of memory before the network was opened."""
    idle = _rss_bytes()
    windows = np.random.default_rng(SEED).integers(0, 256, (1, 100, 27, 48, 3), np.uint8)
    network = open_shot_network(spec.network_options())
    answer = network.predict(windows)
    return min(_cpu_s(lambda: network.predict(windows))[0] for _ in range(REPEATS)), answer, idle


def _print_film(folder: Path, model_dir: str, minutes: float, window_s: dict[tuple[str, str], float]) -> bool:
    film = _repeated(drawn(FILMS_FOLDER).films[1], folder / "long.mp4", length_s=60 * minutes)
    decode_s, _ = isolated(_decode_s, str(film))
    print(f"\n{minutes:g} minutes of 1280x720, decoded in {decode_s:.1f} CPU-s:\n")
    print("| backend | precision | windows | CPU-s | to decode | peak MB | all windows | CPU-s | to decode |")
    print("|---|---|---:|---:|---:|---:|---:|---:|---:|")
    with TemporaryDirectory(dir=folder) as spool:
        isolated(_scan, str(film), spool)
        costs = [
            _film_cost(_spec(model_dir, *key), spool, decode_s, one_s)
            for key, one_s in _with_default(window_s).items()
        ]
    best = min(costs, key=lambda cost: cost.cpu_s)
    return best.cpu_s > MAX_TO_DECODE * decode_s or best.peak_bytes > MAX_BYTES


def _with_default(window_s: dict[tuple[str, str], float]) -> dict[tuple[str, str], float]:
    """Also what a user gets who says no precision, where that is another one."""
    default = {
        (backend, "auto"): cost for (backend, narrow), cost in window_s.items() if narrow == "bfloat16"
    }
    return window_s | default


def _film_cost(spec: TransNetV2ClipExtractionStage, spool: str, decode_s: float, window_s: float) -> Cost:
    (cpu_s, num_windows, idle), peak = isolated(_find, spec, spool)
    cost = Cost(cpu_s, peak.rss_bytes - idle)
    num_all = _num_windows(GridWindows(), load_arrays(spool).thumbnails)
    all_s = num_all * window_s
    row = f"{num_windows} | {cpu_s:.1f} | {cpu_s / decode_s:.2f} | {_mb(cost.peak_bytes)}"
    row += f" | {num_all} | {all_s:.0f} | {all_s / decode_s:.2f}"
    print(f"| {spec.backend} | {spec.precision} | {row} |", flush=True)
    return cost


def _find(spec: TransNetV2ClipExtractionStage, spool: str) -> tuple[float, int, int]:
    idle = _rss_bytes()
    finder = NetworkCutFinder(open_shot_network(spec.network_options()), spec.network_options())
    thumbnails_of_film = load_arrays(spool).thumbnails
    cpu_s, _ = _cpu_s(lambda: (finder.feed(thumbnails_of_film), finder.finish()))
    return cpu_s, finder.num_windows, idle


def _decode_s(film: str) -> float:
    return _cpu_s(lambda: decode(film))[0]


def _scan(film: str, spool: str) -> None:
    scan(film, ScanPlan(), spool)


def _repeated(seed: Path, path: Path, *, length_s: float) -> Path:
    """The packets of ``seed`` again and again, each time later."""
    with av.open(str(seed)) as source, av.open(str(path), "w") as target:
        original = source.streams.video[0]
        stream = target.add_stream_from_template(original)
        packets = [(bytes(packet), packet) for packet in source.demux(original) if packet.size]
        time_base = Fraction(original.time_base or 1)
        length = round(len(packets) / FPS / time_base)
        for number in range(round(length_s / (length * time_base))):
            for data, model in packets:
                packet = av.Packet(data)
                packet.stream, packet.time_base, packet.is_keyframe = stream, time_base, model.is_keyframe
                packet.pts = (model.pts or 0) + number * length
                packet.dts = (model.dts or 0) + number * length
                packet.duration = model.duration
                target.mux(packet)
    return path


Film = tuple[str, np.ndarray, list[int], list[tuple[int, int]]]
"""Name, thumbnails, hard cuts, and gradual ranges up to their end."""


def _films(videos: Path | None) -> Iterator[Film]:
    yield from ((f"{kind}_{SEED}", *_drawn(kind)) for kind in CutKind)
    yield from ((name, *labelled) for name, labelled in _labelled(videos))


def _print_recall(films: Sequence[Film]) -> bool:
    print("\n| film | frames | windows of all | cuts | in a window | gradual | in a window |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    return any([_recall(*film) for film in films])


def _print_found(films: Sequence[Film], spec: TransNetV2ClipExtractionStage) -> None:
    whole = spec.model_copy(update={"cascade": False, "precision": "float32"})
    networks = [open_shot_network(one.network_options()) for one in (whole, spec)]
    print("\n| film | hard cuts | gradual | windows | transitions in all | windows | by default | the same |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    for name, frames, hard, gradual in films:
        finders = [
            NetworkCutFinder(network, one.network_options())
            for network, one in zip(networks, (whole, spec), strict=True)
        ]
        in_all, by_default = (set(all_cuts(finder, frames).gradual) for finder in finders)
        row = f"{finders[0].num_windows} | {len(in_all)} | {finders[1].num_windows} | {len(by_default)}"
        print(f"| {name} | {len(hard)} | {len(gradual)} | {row} | {len(in_all & by_default)} |", flush=True)


def _drawn(kind: CutKind) -> tuple[np.ndarray, list[int], list[tuple[int, int]]]:
    plan = plan_cut_film(kind, SEED, width_px=240, height_px=136)
    truth = cuts(plan)
    return thumbnails(plan), list(truth.hard), [(span.start_frame, span.end_frame) for span in truth.gradual]


def _labelled(
    videos: Path | None,
) -> Iterator[tuple[str, tuple[np.ndarray, list[int], list[tuple[int, int]]]]]:
    """Thumbnails, cuts and gradual ranges of the labelled videos of a folder."""
    if videos is None:
        return
    for path in sorted((videos / "groundtruth").glob("*.json")):
        labels = json.loads(path.read_text())  # bench.cuts reads them too, but needs PySceneDetect
        hard = [int(cut["frame"]) for cut in labels["cuts"]]
        gradual = [(int(span["start"]), int(span["end"]) + 1) for span in labels.get("gradual", [])]
        video = next(video for video in sorted(videos.glob(f"{path.stem}.*")) if video.is_file())
        with TemporaryDirectory() as spool:
            scan(str(video), ScanPlan(), spool)
            frames = np.array(load_arrays(spool).thumbnails)
        yield path.stem, (frames, hard, gradual)


def _recall(name: str, frames: np.ndarray, hard: list[int], gradual: list[tuple[int, int]]) -> int:
    """Print a row; how many hard cuts no window of the cascade answers for."""
    threshold = TransNetV2ClipExtractionStage().cascade_threshold
    candidates = Candidates(threshold=threshold)
    marks = np.concatenate([candidates.feed(frames), candidates.finish()])
    found = sum(bool(marks[cut - 1 : cut + 1].all()) for cut in hard)
    found_gradual = sum(bool(marks[start:end].any()) for start, end in gradual)
    share = _num_windows(CandidateWindows(threshold=threshold), frames) / _num_windows(GridWindows(), frames)
    row = f"{len(frames)} | {share:.0%} | {len(hard)} | {found} | {len(gradual)} | {found_gradual}"
    print(f"| {name} | {row} |", flush=True)
    return len(hard) - found


def _num_windows(places: Places, frames: np.ndarray) -> int:
    reader = WindowReader(places)
    return len([*reader.feed(frames), *reader.finish()])


def _cpu_s(step: Callable[[], _RESULT]) -> tuple[float, _RESULT]:
    start_s = time.process_time()
    result = step()
    return time.process_time() - start_s, result


def _rss_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def _mb(num_bytes: int) -> str:
    return f"{num_bytes / 1e6:.0f}"


if __name__ == "__main__":
    sys.exit(main())

"""``python -m bench.scan_memory [--size NAME]``: peak memory of a scan worker by the picture's size.

A short film is drawn at each size and its packets repeated for two minutes (4K for 20 s: what grows with the
length is ``bench.long_video``'s). Each goes through the scan operator of a run with everything on, in a fresh
process: once without clips' files, then with clips of the content detector and by the clock encoded in the
same pass, where their frames fit. The peak is that of the process and its codec process together; what both
share counts once. Exit code 1 when one needs more than allowed.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.films import of_size
from bench.one_scan import scan_film
from bench.process_meter import isolated
from bench.repeated_film import repeat_for
from clipmill.specs import CurateSpec, SplitSpec

FILMS_FOLDER = Path("data/bench/sizes")


@dataclass(frozen=True)
class Size:
    """A picture of (width, height), the shots that are drawn of it, and the most memory of a scan of it."""

    size_px: tuple[int, int]
    shot_frames: tuple[int, ...]
    length_s: float
    max_mb: float


SIZES = {
    "720p": Size((1280, 720), (130, 120), 120.0, 600.0),
    "1080p": Size((1920, 1080), (130, 120), 120.0, 600.0),
    "4K": Size((3840, 2160), (55, 45), 20.0, 900.0),
}
BY_CLOCK = CurateSpec(split=SplitSpec(algorithm="fixed_stride"))
SCANS = {
    "scan only": (CurateSpec(), False),
    "clips by content": (CurateSpec(), True),
    "clips by the clock": (BY_CLOCK, True),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; 1 when a scan takes more memory than allowed."""
    parser = argparse.ArgumentParser(prog="bench.scan_memory", description="Memory by the picture's size.")
    parser.add_argument("--size", action="append", choices=SIZES, help="may be repeated")
    options = parser.parse_args(arguments)
    print("| film | scan | frames | clips | encoded in the pass | CPU-s | peak MB | allowed |")
    print("|---|---|--:|--:|--:|--:|--:|--:|", flush=True)
    with TemporaryDirectory() as folder:
        peaks_mb = {name: _measure(Path(folder), name) for name in options.size or SIZES}
    return int(any(peak_mb > SIZES[name].max_mb for name, peak_mb in peaks_mb.items()))


def _measure(folder: Path, name: str) -> float:
    """The largest peak of the scans of one size, in MB."""
    size = SIZES[name]
    seed = of_size(FILMS_FOLDER, f"ordinary_{name}", size_px=size.size_px, shot_frames=size.shot_frames)
    film = repeat_for(seed, folder / f"{name}.mp4", length_s=size.length_s)
    peaks_mb: list[float] = []
    for kind, (spec, makes_files) in SCANS.items():
        scanned, peak = isolated(scan_film, str(film), str(folder / "out"), spec, makes_files)
        peaks_mb.append(peak.memory_bytes / 1e6)
        counts = f"{scanned.num_frames} | {scanned.num_clips} | {scanned.num_files}"
        cost = f"{scanned.cpu_s:.1f} | {peaks_mb[-1]:.0f} | {size.max_mb:.0f}"
        print(f"| {name} | {kind} | {counts} | {cost} |", flush=True)
    return max(peaks_mb)


if __name__ == "__main__":
    sys.exit(main())

"""``python -m bench.long_video [--hours H] [--container SUFFIX]``: memory of a scan by the video's length.

A tiny film is drawn once; its packets are repeated, copied, until they last five minutes, and until they last
the hours asked for. Both go through the scan operator of a run with everything on, in a fresh process each;
the table gives the peaks of resident memory of that process and its codec process added up, the share of the
time after which the first clips came, and the same peak of PyAV that demuxes the file and does nothing else:
what no reader of that container can go below. Exit code 1 when the long one needs more than 5 % above the
short one.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import numpy as np

from bench.one_scan import scan_film
from bench.process_meter import isolated
from bench.repeated_film import repeat_for
from clipmill.specs import CurateSpec

SHORT_S = 300.0
MAX_GROWTH = 1.05
FPS = 25
SEED_FRAMES = 10 * FPS
SIZE_PX = (320, 180)
CONTAINERS = ("mp4", "mkv", "ts")


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; 1 when memory grows with the length."""
    options = _options(arguments)
    grown = False
    print(
        "| container | length | frames | clips | first clips | cpu | peak memory | demux only |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
        sep="\n",
        flush=True,
    )
    with TemporaryDirectory(dir=options.folder) as folder:
        seed = _draw(Path(folder) / "seed.mp4")
        for suffix in options.container or CONTAINERS:
            lengths_s = (SHORT_S, 3600 * options.hours)
            peaks = [_measure(Path(folder), seed, suffix, length_s) for length_s in lengths_s]
            grown |= peaks[1][0] > MAX_GROWTH * peaks[0][0]
            ratios = [long / short for short, long in zip(*peaks, strict=True)]
            print(f"| {suffix} | | | | | | {ratios[0]:.3f} times | {ratios[1]:.3f} times |", flush=True)
    return int(grown)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.long_video", description="Memory by length.")
    parser.add_argument("--hours", type=float, default=5.0, help="length of the long video")
    parser.add_argument("--container", action="append", choices=CONTAINERS, help="may be repeated")
    parser.add_argument("--folder", type=Path, help="where films and arrays go; they need some GiB")
    return parser.parse_args(arguments)


def _measure(folder: Path, seed: Path, suffix: str, length_s: float) -> tuple[int, int]:
    """Peak bytes of resident memory of one scan in a process of its own, and of demuxing alone."""
    film = repeat_for(seed, folder / f"long.{suffix}", length_s=length_s)
    scanned, peak = isolated(scan_film, str(film), str(folder / "out"), CurateSpec())
    _, floor = isolated(_demux, str(film))
    film.unlink()
    row = (
        f"{length_s / 60:.0f} min | {scanned.num_frames} | {scanned.num_clips} | "
        f"{scanned.first_clips_at:.1%} | {scanned.cpu_s:.0f} s"
    )
    mib = [each.high_water_bytes / (1 << 20) for each in (peak, floor)]
    print(f"| {suffix} | {row} | {mib[0]:.1f} MiB | {mib[1]:.1f} MiB |", flush=True)
    return peak.high_water_bytes, floor.high_water_bytes


def _demux(film: str) -> None:
    with av.open(film) as container:
        for _ in container.demux(video=0):
            pass


def _draw(path: Path) -> Path:
    """Ten seconds of drifting noise with B-frames, a key picture every second."""
    options = {"preset": "veryfast", "g": str(FPS), "bf": "2", "x264-params": "scenecut=0:log-level=none"}
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options=options)
        stream.width, stream.height = SIZE_PX
        stream.pix_fmt = "yuv420p"
        for picture in _pictures():
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def _pictures() -> Iterator[np.ndarray]:
    width, height = SIZE_PX
    coarse = np.random.default_rng(7).integers(0, 256, (height // 12, width // 12, 3), np.uint8)
    world = np.kron(coarse, np.ones((13, 13, 1), np.uint8))
    for index in range(SEED_FRAMES):
        yield np.roll(world, index, axis=1)[:height, :width]


if __name__ == "__main__":
    sys.exit(main())

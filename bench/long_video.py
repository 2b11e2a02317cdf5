"""``python -m bench.long_video [--hours H] [--container SUFFIX]``: memory of a scan by the video's length.

A tiny film is drawn once; its packets are repeated, copied, until they last five minutes, and until they last
the hours asked for. Both are scanned with everything on, each in a fresh process; the table gives the peaks
of resident memory. Exit code 1 when the long one needs more than 5 % above the short one.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import numpy as np

from bench.metering import isolated
from clipmill.media.contracts import ScanFacts, ScanPlan
from clipmill.media.scan import scan

SHORT_S = 300.0
MAX_GROWTH = 1.05
FPS = 25
SEED_FRAMES = 10 * FPS
SIZE_PX = (320, 180)
CONTAINERS = ("mp4", "mkv", "ts")
PLAN = ScanPlan(motion_fps=2.0, quality_fps=1.0, frames_fps=1.0, frames_height_px=90)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; 1 when memory grows with the length."""
    options = _options(arguments)
    grown = False
    print(
        "| container | length | frames | peak memory | cpu |", "|---|--:|--:|--:|--:|", sep="\n", flush=True
    )
    with TemporaryDirectory(dir=options.folder) as folder:
        seed = _draw(Path(folder) / "seed.mp4")
        for suffix in options.container or CONTAINERS:
            lengths_s = (SHORT_S, 3600 * options.hours)
            peaks = [_measure(Path(folder), seed, suffix, length_s) for length_s in lengths_s]
            grown |= peaks[1] > MAX_GROWTH * peaks[0]
            print(f"| {suffix} | | | {peaks[1] / peaks[0]:.3f} times | |", flush=True)
    return int(grown)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.long_video", description="Memory by length.")
    parser.add_argument("--hours", type=float, default=5.0, help="length of the long video")
    parser.add_argument("--container", action="append", choices=CONTAINERS, help="may be repeated")
    parser.add_argument("--folder", type=Path, help="where films and arrays go; they need some GiB")
    return parser.parse_args(arguments)


def _measure(folder: Path, seed: Path, suffix: str, length_s: float) -> int:
    """Peak bytes of resident memory of one scan in a process of its own."""
    film = _repeat(seed, folder / f"long.{suffix}", length_s=length_s)
    with TemporaryDirectory(dir=folder) as spool:
        facts, peak = isolated(_scan, str(film), spool)
    film.unlink()
    peak_mib = peak.rss_bytes / (1 << 20)
    row = f"{facts.duration_s / 60:.0f} min | {facts.num_frames} | {peak_mib:.1f} MiB | {facts.cpu_s:.0f} s"
    print(f"| {suffix} | {row} |", flush=True)
    return peak.rss_bytes


def _scan(film: str, spool: str) -> ScanFacts:
    return scan(film, PLAN, spool)


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


def _repeat(seed: Path, path: Path, *, length_s: float) -> Path:
    """Write the packets of ``seed`` again and again, each time later, without decoding them."""
    num_repeats = round(length_s * FPS / SEED_FRAMES)
    with av.open(str(seed)) as source, av.open(str(path), "w") as target:
        original = source.streams.video[0]
        stream = target.add_stream_from_template(original)
        packets = [(bytes(packet), packet) for packet in source.demux(original) if packet.size]
        time_base = Fraction(original.time_base or 1)
        length = round(SEED_FRAMES / FPS / time_base)
        for shift in range(0, num_repeats * length, length):
            for data, model in packets:
                packet = av.Packet(data)
                packet.stream, packet.time_base, packet.is_keyframe = stream, time_base, model.is_keyframe
                packet.pts, packet.dts = (model.pts or 0) + shift, (model.dts or 0) + shift
                packet.duration = model.duration
                target.mux(packet)
    return path


if __name__ == "__main__":
    sys.exit(main())

"""Where and when was measured: without it a number means nothing."""

import os
import platform
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import av
import imageio_ffmpeg

PACKAGES = ("clipmill", "av", "numpy", "faiss-cpu", "ray", "flytekit", "scenedetect-headless")


def notes() -> list[str]:
    """Lines about the machine, the versions and the command."""
    codec = ".".join(map(str, av.library_versions["libavcodec"]))
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES if _is_installed(name))
    return [
        f"date: {datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        f"machine: {os.cpu_count()} cores, {_cpu_model()}, {_memory_gib():.0f} GiB",
        f"python {platform.python_version()}, {packages}",
        f"libavcodec {codec} (PyAV); ffmpeg {imageio_ffmpeg.get_ffmpeg_version()} (imageio-ffmpeg)",
        f"command: python -m bench {' '.join(sys.argv[1:])}".rstrip(),
        load(),
    ]


def load() -> str:
    """How busy the machine is with everything that runs on it."""
    return "load (1, 5, 15 minutes): " + ", ".join(f"{value:.1f}" for value in os.getloadavg())


def _is_installed(name: str) -> bool:
    try:
        version(name)
    except ModuleNotFoundError:
        return False
    return True


def _cpu_model() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30

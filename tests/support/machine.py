"""What the machine has on which the tests run."""

from pathlib import Path

HAS_NVIDIA_DRIVER = Path("/proc/driver/nvidia/version").exists()

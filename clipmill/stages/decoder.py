"""What decodes the sources of a run."""

from typing import Literal

Decoder = Literal["auto", "cpu", "nvdec"]
ANY_DECODER: Decoder = "auto"
"""A GPU where a worker has one that decodes, else FFmpeg."""

"""What decodes the sources of a run."""

from typing import Literal

Decoder = Literal["auto", "cpu", "nvdec"]
DecoderQuality = Literal["exact", "draft"]
"""``draft`` leaves out the filter that smooths the edges of blocks, for all but clip files."""
Deinterlace = Literal["auto", "off"]
"""``auto`` makes whole pictures of frames that are flagged as interlaced and have combs."""
Hdr = Literal["tone_map", "keep"]
"""What becomes of high dynamic range in encoded clips: BT.709 in 8 bits, or 10 bits and the source's tags."""
ANY_DECODER: Decoder = "auto"
"""A GPU where a worker has one that decodes, else FFmpeg."""

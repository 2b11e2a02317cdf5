"""How clips are encoded: the parameters that change a clip file, apart from any stage."""

from dataclasses import dataclass
from typing import Literal, get_args

EncoderName = Literal[
    "libx264", "libopenh264", "h264_nvenc", "libvpx-vp9", "libsvtav1", "smart", "copy"
]  # fmt: skip
DEFAULT_ENCODER: EncoderName = "libx264"
"""It works on every machine."""
Preset = Literal[
    "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow", "placebo"
]  # fmt: skip
PRESETS: tuple[Preset, ...] = get_args(Preset)
"""x264's, from the fastest to the slowest."""


@dataclass(frozen=True)
class EncodeOptions:
    """How the clips of a run become files.

    ``quality`` is x264's scale, 0 to 51, less is better; ``use_input_bit_rate`` or ``bit_rate_k`` (1024 bits
    a second) replace it. ``max_height`` and ``multiple_of`` are in pixels, ``target_fps`` is a grid of equal
    steps; None keeps the source's. ``use_hwaccel`` decodes on the GPU.
    """

    encoder: EncoderName
    encoder_threads: int
    preset: Preset
    quality: int
    use_input_bit_rate: bool
    bit_rate_k: int | None
    crop_letterbox: bool
    max_height: int | None
    multiple_of: int | None
    target_fps: float | None
    strip_audio: bool
    use_hwaccel: bool

    @property
    def changes_size(self) -> bool:
        """True if clips may be smaller than the source's upright picture."""
        return self.crop_letterbox or self.max_height is not None or self.multiple_of is not None

    @property
    def encodes(self) -> bool:
        """True if every clip goes through an encoder."""
        return self.encoder not in ("smart", "copy")

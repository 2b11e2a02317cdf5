"""How clips are encoded: the parameters that change a clip file, apart from any stage."""

from dataclasses import dataclass
from typing import Literal, get_args

from clipmill.stages.decoder import Hdr

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


AAC_RATES = frozenset({48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000})
"""Samples a second that encoded sound may have."""


@dataclass(frozen=True)
class AudioOptions:
    """The sound of clips.

    ``track`` is ``default`` (the file's own default, or what goes on in its place), ``all``, or the number of
    an audio track, from 0. ``codec`` ``auto`` copies what a clip's file can hold and encodes the rest as AAC.
    ``channels`` (1 or 2) and ``rate`` (samples a second) encode; None keeps the source's, at most stereo.
    """

    track: Literal["default", "all"] | int = "default"
    codec: Literal["auto", "aac", "flac"] = "auto"
    channels: Literal[1, 2] | None = None
    rate: Literal[48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000] | None = None

    def __post_init__(self) -> None:
        if isinstance(self.track, int) and self.track < 0:
            raise ValueError(f"track must be default, all, or a number from 0, got {self.track}")

    @property
    def copies(self) -> bool:
        """True if packets may stay as they are."""
        return self.codec == "auto" and self.channels is None and self.rate is None


@dataclass(frozen=True)
class EncodeOptions:
    """How the clips of a run become files.

    ``quality`` is x264's scale, 0 to 51, less is better; ``use_input_bit_rate`` or ``bit_rate_k`` (1024 bits
    a second) replace it. ``max_height`` and ``multiple_of`` are in pixels, ``target_fps`` is a grid of equal
    steps; None keeps the source's. ``use_hwaccel`` decodes on the GPU. ``hdr`` says what becomes of high
    dynamic range in clips that are encoded.
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
    audio: AudioOptions
    use_hwaccel: bool
    hdr: Hdr

    @property
    def changes_size(self) -> bool:
        """True if clips may be smaller than the source's upright picture."""
        return self.crop_letterbox or self.max_height is not None or self.multiple_of is not None

    @property
    def pauses_track(self) -> int | None:
        """The number of the audio track at whose pauses clips end; None for the default one."""
        track = self.audio.track
        return track if isinstance(track, int) and not self.strip_audio else None

    @property
    def encodes(self) -> bool:
        """True if every clip goes through an encoder."""
        return self.encoder not in ("smart", "copy")

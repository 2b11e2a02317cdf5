"""How shots become clips, apart from any stage."""

from dataclasses import dataclass
from typing import Literal

MaxLengthMode = Literal["stride", "truncate"]


@dataclass(frozen=True)
class ClipRules:
    """How a video becomes clips, in seconds.

    With ``stride_s`` a clip of ``max_length_s`` starts every ``stride_s`` from the first frame on, and the
    video is one shot. With None clips are made of shots: ``crop_s`` comes off each end of a shot, then
    ``max_length_s`` applies: ``stride`` cuts a long shot into consecutive clips, ``truncate`` keeps its
    beginning. Clips shorter than ``min_length_s`` are dropped. ``limit_clips`` caps the clips of one video, 0
    for no cap. ``snap_to_silence`` ends a clip that ``max_length_s`` would end at a pause of the sound.
    Without ``entire_scene_as_clip`` a video that has no cut gives no clip.
    """

    min_length_s: float | None = None
    max_length_s: float | None = None
    stride_s: float | None = None
    max_length_mode: MaxLengthMode = "stride"
    crop_s: float = 0.0
    entire_scene_as_clip: bool = True
    limit_clips: int = 0
    snap_to_silence: bool = False

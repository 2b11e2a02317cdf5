"""Which clip each frame is in, said while frames come: the rules of ``clipmill.timeline``."""

from collections.abc import Sequence
from math import floor

import numpy as np

from clipmill.stages.video.clipping.clip_extraction_stages import FixedStrideExtractorStage
from clipmill.timeline import TIME_TOLERANCE_S


class StrideDecider:
    """Clips by the clock; they must not overlap."""

    def __init__(self, spec: FixedStrideExtractorStage) -> None:
        self.min_length_s = spec.min_clip_length_s
        self.limit_clips = spec.limit_clips
        self._spec = spec

    def take(self, time_s: float, thumbnail: np.ndarray | None) -> Sequence[int | None]:
        """The clip of this frame: nothing that comes later changes it."""
        number = floor((time_s + TIME_TOLERANCE_S) / self._spec.clip_stride_s)
        is_inside = time_s + TIME_TOLERANCE_S - number * self._spec.clip_stride_s < self._spec.clip_len_s
        return (number if is_inside else None,)

    def finish(self, end_s: float) -> Sequence[int | None]:
        """Nothing is left."""
        return ()

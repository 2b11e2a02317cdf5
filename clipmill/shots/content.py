"""The shot detector that needs no weights: pictures of 48x27 in, cuts out."""

import numpy as np

from clipmill.records import Cuts
from clipmill.shots.changes import measure_changes
from clipmill.shots.gradual import find_gradual
from clipmill.shots.hard import cut_probabilities, find_peaks
from clipmill.stages.video.clipping.content_extraction import ContentClipExtractionStage


def find_cuts(thumbnails: np.ndarray, spec: ContentClipExtractionStage) -> Cuts:
    """Find the hard cuts and gradual transitions of a video.

    ``thumbnails`` is uint8 ``(N, 27, 48, 3)`` RGB, every frame in display order, and may be a memory map: it
    is read in chunks. A hard cut in the midst of a gradual transition is dropped. Raises ValueError for
    another shape.
    """
    probabilities = cut_probabilities(measure_changes(thumbnails))
    hard = find_peaks(probabilities, threshold=spec.threshold, min_shot_frames=spec.min_shot_frames)
    if not spec.find_gradual:
        return Cuts(tuple(hard))
    gradual = find_gradual(thumbnails, threshold=spec.gradual_threshold, cuts=hard)
    outside = [cut for cut in hard if not any(span.start_frame < cut < span.end_frame for span in gradual)]
    return Cuts(tuple(outside), tuple(gradual))

"""The shot detector that needs no weights: pictures of 48x27 in, cuts out."""

import numpy as np

from clipmill.records import Cuts
from clipmill.shots.streaming import CutFinder
from clipmill.stages.video.clipping.content_extraction import ContentClipExtractionStage


def find_cuts(thumbnails: np.ndarray, spec: ContentClipExtractionStage) -> Cuts:
    """Find the hard cuts and gradual transitions of a video.

    ``thumbnails`` is uint8 ``(N, 27, 48, 3)`` RGB, every frame in display order, and may be a memory map: it
    is read in blocks. A hard cut in the midst of a gradual transition is dropped. Raises ValueError for
    another shape.
    """
    finder = CutFinder(spec)
    early, late = finder.feed(thumbnails), finder.finish()
    return Cuts(early.hard + late.hard, early.gradual + late.gradual)

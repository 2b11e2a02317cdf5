"""The shot detector that needs no weights: pictures of 48x27 in, cuts out."""

import numpy as np

from clipmill.records import Cuts
from clipmill.shots.cut_finder import all_cuts
from clipmill.shots.online_detector import ContentCutFinder, ContentOptions


def find_cuts(thumbnails: np.ndarray, spec: ContentOptions) -> Cuts:
    """Find the hard cuts and gradual transitions of a video.

    ``thumbnails`` is uint8 ``(N, 27, 48, 3)`` RGB, every frame in display order, and may be a memory map: it
    is read in blocks. A hard cut in the midst of a gradual transition is dropped. Raises ValueError for
    another shape.
    """
    return all_cuts(ContentCutFinder(spec), thumbnails)

"""All cuts of a video at once."""

import numpy as np

from clipmill.records import Cuts
from clipmill.stages.cut_finder import CutFinder


def all_cuts(finder: CutFinder, thumbnails: np.ndarray) -> Cuts:
    """Returns the cuts of a whole video; ``thumbnails`` may be a memory map, which is read in blocks."""
    early, late = finder.feed(thumbnails), finder.finish()
    return Cuts(early.hard + late.hard, early.gradual + late.gradual)

"""What finds the cuts of a worker's videos: the content detector, or one network for all of them."""

from typing import Protocol

import numpy as np

from clipmill.models.network_cuts import NetworkCutFinder
from clipmill.models.shot_network import ShotNetwork
from clipmill.plan import Extractor
from clipmill.records import Cuts
from clipmill.shots.streaming import CutFinder
from clipmill.stages.video.clipping.clip_extraction_stages import FixedStrideExtractorStage
from clipmill.stages.video.clipping.transnetv2_extraction import TransNetV2ClipExtractionStage


class Finder(Protocol):
    """Finds the cuts of one video as its frames come; ``num_final`` is as in ``CutFinder``."""

    num_final: int

    def feed(self, thumbnails: np.ndarray) -> Cuts:
        """What the next frames, uint8 ``(n, 27, 48, 3)``, make final."""
        ...

    def finish(self) -> Cuts:
        """What is left once the last frame was fed."""
        ...


def finder_of(extractor: Extractor, network: ShotNetwork | None) -> Finder:
    """A new finder for one video. ``network`` is what a learned detector looks with, opened once per worker.

    ValueError where the extractor has no detector, or needs the network and there is none.
    """
    if isinstance(extractor, TransNetV2ClipExtractionStage) and network:
        return NetworkCutFinder(network, extractor)
    if isinstance(extractor, TransNetV2ClipExtractionStage | FixedStrideExtractorStage):
        raise ValueError(f"{extractor.stage_name} finds no cuts{'' if network else ' without a network'}")
    return CutFinder(extractor)


def all_cuts(finder: Finder, thumbnails: np.ndarray) -> Cuts:
    """The cuts of a whole video; ``thumbnails`` may be a memory map, it is read in pieces."""
    early, late = finder.feed(thumbnails), finder.finish()
    return Cuts(early.hard + late.hard, early.gradual + late.gradual)

"""The contract of every cut detector: frames and their times in, cuts out, while the video streams by."""

from typing import Protocol, runtime_checkable

import numpy as np

from clipmill.records import Cuts


class CutFinder(Protocol):
    """Finds the cuts of one video in parts of any length; the parts do not show in the result."""

    @property
    def num_final(self) -> int:
        """No cut below this frame, and no gradual transition that starts below it, is still to come."""
        ...

    @property
    def latency_frames(self) -> int:
        """How far ``num_final`` usually lies behind the last frame fed."""
        ...

    def no_cut_until(self, frame: int) -> int:
        """Returns the first hard cut seen behind ``frame``, or up to where none was seen.

        A gradual transition may still take the cut in, or begin before it.
        """
        ...

    def feed(self, thumbnails: np.ndarray, times_s: np.ndarray | None = None) -> Cuts:
        """Returns the cuts that the next frames make final.

        ``thumbnails`` is uint8 ``(n, 27, 48, 3)`` RGB in display order; ``times_s`` ``(n,)``, seconds from
        the video's first frame, for detectors that need them.
        """
        ...

    def finish(self) -> Cuts:
        """Returns the cuts that are left once the last frame was fed."""
        ...


@runtime_checkable
class LookingAhead(Protocol):
    """What a finder may have besides, by which clips are begun before their ends are final."""

    @property
    def least_latency_frames(self) -> int:
        """How far the frame of ``cuts_ahead`` usually lies behind the last frame fed."""
        ...

    def cuts_ahead(self) -> tuple[Cuts, int]:
        """Returns the cuts seen behind ``num_final``, and the frame below which no further hard cut comes.

        A gradual transition that is still to come may take cuts in.
        """
        ...

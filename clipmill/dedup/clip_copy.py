"""One clip of a group of copies, and what is known of it."""

from dataclasses import dataclass, field

from clipmill.dedup.copies.edits import Edit
from clipmill.dedup.copies.fingerprints import Detail, Sketch


@dataclass(frozen=True)
class Facts:
    """What a table of clips says of one; None where it does not.

    ``num_pixels`` is of the clip's file, ``bars`` the share of its pictures that is black, 0..1.
    ``sharpness`` is the log-variance of the Laplacian, which compares only clips of one length. ``depth`` is
    how many bits of a pixel the source has, colours included.
    """

    num_pixels: float | None = None
    bars: float | None = None
    sharpness: float | None = None
    length_s: float | None = None
    num_frames: float | None = None
    bit_rate: float | None = None
    num_bytes: float | None = None
    codec: str | None = None
    depth: float | None = None
    has_sound: bool | None = None

    @property
    def num_bits(self) -> float | None:
        """Bits of all pictures; of a clip of unknown length those of a second."""
        return None if self.bit_rate is None else self.bit_rate * (self.length_s or 1.0)


NOTHING_KNOWN = Facts()


@dataclass(frozen=True, eq=False)
class ClipCopy:
    """One clip of a group of copies; ``edit`` is what was done to it alone."""

    id: str
    sketch: Sketch | None = field(default=None, repr=False)
    facts: Facts = NOTHING_KNOWN
    edit: Edit | None = None

    @property
    def detail(self) -> Detail | None:
        """That of its sketch; None where it was not measured."""
        return None if self.sketch is None else self.sketch.detail

    @property
    def num_frames(self) -> int:
        """Sampled frames that its sketch stands for; 0 without one."""
        return 0 if self.sketch is None else self.sketch.step * self.sketch.views.shape[1]

    @property
    def picture_pixels(self) -> float:
        """Pixels between the bars; 0 where they are not known."""
        if self.detail is not None:
            width, height = self.detail.picture_px
            return float(width * height)
        return (self.facts.num_pixels or 0.0) * (1 - (self.facts.bars or 0.0))

    @property
    def bars(self) -> float | None:
        """Share of the picture that is bars, 0..1."""
        if self.detail is not None:
            width, height = self.detail.frame_px
            return 1 - self.picture_pixels / max(width * height, 1)
        return self.facts.bars

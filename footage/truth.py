"""What is true of drawn footage: cuts, events, copies, and what curation should make of each file."""

import json
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from fractions import Fraction
from pathlib import Path

from clipmill.records import Cuts, FrameSpan, VideoReason

TRUTH_NAME = "ground_truth.json"


class Event(StrEnum):
    """Something that happens in a film and is not a cut."""

    WHIP_PAN = "whip_pan"
    FLASH = "flash"
    STILL = "still"
    NEAR_BLACK = "near_black"


class CopyKind(StrEnum):
    """What a copy has in common with its original, most first; a dub has the pictures, not the sound."""

    RENAMED = "renamed"
    REMUXED = "remuxed"
    DUBBED = "dubbed"
    REENCODED = "reencoded"
    RESIZED = "resized"


class Outcome(StrEnum):
    """Status of a file's row in ``tables/videos``."""

    CURATED = "curated"
    DUPLICATE = "duplicate"
    REJECTED = "rejected"


@dataclass(frozen=True)
class TimedEvent:
    """An event and the frames it covers."""

    event: Event
    frames: FrameSpan


@dataclass(frozen=True)
class FilmTruth:
    """The truth about one file; ``name`` is its path below the footage's directory, with slashes.

    ``num_frames`` frames can be decoded, in a truncated file too. Sizes are upright; ``fps`` of a varying
    rate is the mean. A rejected file has a ``reason`` and no frames. ``beeps_s`` are the times at which a
    flash is heard.
    """

    name: str
    codec: str = ""
    num_frames: int = 0
    fps: Fraction = Fraction(0)
    width_px: int = 0
    height_px: int = 0
    rotation_deg: int = 0
    is_vfr: bool = False
    is_partial: bool = False
    cuts: Cuts = field(default_factory=Cuts)
    events: tuple[TimedEvent, ...] = ()
    has_audio: bool = False
    beeps_s: tuple[float, ...] = ()
    copy_of: str | None = None
    copy_kind: CopyKind | None = None
    outcome: Outcome = Outcome.CURATED
    reason: VideoReason | None = None


@dataclass(frozen=True)
class GroundTruth:
    """The truth about a directory of footage, by name."""

    films: tuple[FilmTruth, ...]

    def by_name(self, name: str) -> FilmTruth:
        """The film of that name; KeyError names it when there is none."""
        for film in self.films:
            if film.name == name:
                return film
        raise KeyError(name)

    def with_outcome(self, outcome: Outcome) -> tuple[FilmTruth, ...]:
        """The films that should end so."""
        return tuple(film for film in self.films if film.outcome is outcome)


def write_truth(path: Path, truth: GroundTruth) -> None:
    """Write the truth as JSON; fractions become text such as ``30000/1001``."""
    text = json.dumps([asdict(film) for film in truth.films], indent=1, default=str)
    path.write_text(text + "\n", encoding="utf-8")

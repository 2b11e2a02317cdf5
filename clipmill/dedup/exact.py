"""Videos that are the same film in another file: renamed copies and re-muxed ones."""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

import numpy as np

from clipmill.dedup.groups import group_id, keepers
from clipmill.records import ShownAs

ASPECT_TOLERANCE = 0.02
DURATION_TOLERANCE, DURATION_TOLERANCE_S = 0.01, 0.1

FRAMES_APART, TIMES_TOLERANCE_S = 1.5, 0.002
_SD, _CURVES = frozenset({1, 4, 5, 6, 7}), frozenset({1, 4, 5, 6, 7, 14, 15})
_USUAL = ((0, frozenset({1})), (2, _SD), (2, _SD), (2, _CURVES))
"""Range, matrix, primaries and transfer where a file tells none, and those that this may stand for: of normal
range and of BT.709 or older (ITU-T H.273, and FFmpeg's numbers for the range)."""


class Copy(StrEnum):
    """How a file is known to be a copy of its keeper."""

    RENAMED = "renamed"
    REMUXED = "remuxed"


@dataclass(frozen=True)
class VideoRow:
    """What is known of one source file.

    ``content_digest`` and ``audio_digest`` are None before the video is decoded; a decoded video without
    sound has no audio digest either. ``rotation_deg`` (clockwise), ``sar`` (width over height of a pixel) and
    ``duration_s`` say how its pictures are shown, and ``shown`` what else is known of that.
    """

    uri: str
    video_id: str
    content_digest: str | None = None
    audio_digest: str | None = None
    rotation_deg: int = 0
    sar: Fraction = Fraction(1)
    duration_s: float = 0.0
    shown: ShownAs | None = None


@dataclass(frozen=True)
class ExactDuplicate:
    """A file that is not needed, the file that stands for it, and how that is known."""

    uri: str
    duplicate_of: str
    group_id: str
    copy: Copy


def find_exact(videos: Sequence[VideoRow]) -> list[ExactDuplicate]:
    """The files of ``videos`` that repeat another, sorted by URI, whatever order they come in.

    A renamed copy has its keeper's ``video_id``; a re-muxed one has its pictures and its
    sound, and shows them alike. A dub has other sound and stays; so does what is turned, cropped, of
    other colours, tracks or aspect, faster, or shown at other times. The keeper is the smallest
    URI of a group.
    """
    rows = sorted(videos, key=lambda video: video.uri)
    pairs = [*_alike([row.video_id for row in rows]), *_shown_alike(rows)]
    kept = keepers(len(rows), np.array(pairs, dtype=np.intp).reshape(-1, 2))
    return [_duplicate(row, rows[kept[i]]) for i, row in enumerate(rows) if kept[i] != i]


def _shown_alike(rows: Sequence[VideoRow]) -> Iterator[tuple[int, int]]:
    """Each decoded row with the first row of the same content that is shown alike."""
    firsts: dict[Hashable, list[int]] = {}
    for place, row in enumerate(rows):
        if row.content_digest is None:
            continue
        same = firsts.setdefault((row.content_digest, row.audio_digest, row.rotation_deg), [])
        like = next((first for first in same if _is_shown_like(rows[first], row)), place)
        same.extend([place] if like == place else [])
        yield like, place


def _is_shown_like(one: VideoRow, other: VideoRow) -> bool:
    """Containers round aspects to pixels, and times to milliseconds; the last frame may lack its length."""
    is_as_wide = abs(one.sar - other.sar) <= ASPECT_TOLERANCE * one.sar
    longest_s = max(one.duration_s, other.duration_s)
    if one.shown is not None and other.shown is not None and not _looks_like(one.shown, other.shown):
        return False
    return is_as_wide and abs(one.duration_s - other.duration_s) <= max(
        DURATION_TOLERANCE_S, DURATION_TOLERANCE * longest_s
    )


def _looks_like(one: ShownAs, other: ShownAs) -> bool:
    """Usual colours that a file does not tell, as its container may have no place for them, are alike."""
    if (one.width_px, one.height_px, one.is_mirrored) != (other.width_px, other.height_px, other.is_mirrored):
        return False
    for mine, its, (unknown, usual) in zip(one.colours, other.colours, _USUAL, strict=False):
        if mine != its and not (unknown in (mine, its) and {mine, its} - {unknown} <= usual):
            return False
    return one.other_sound == other.other_sound and _at_like_times(one, other)


def _at_like_times(one: ShownAs, other: ShownAs) -> bool:
    """Whether no frame is shown much earlier or later: avi rounds times to frames, others to milliseconds."""
    every = max(one.every, other.every)
    times = list(
        zip(one.times_s[:: every // one.every], other.times_s[:: every // other.every], strict=False)
    )
    if len(times) < 2:
        return True
    frame_s = times[-1][0] / (every * (len(times) - 1))
    tolerance_s = FRAMES_APART * frame_s + TIMES_TOLERANCE_S
    return all(abs(mine - its) <= tolerance_s for mine, its in times)


def _alike(keys: Sequence[Hashable]) -> list[tuple[int, int]]:
    """Each row with the first row of the same key; a key of None is like no other."""
    first: dict[Hashable, int] = {}
    return [(first.setdefault(key, row), row) for row, key in enumerate(keys) if key is not None]


def _duplicate(row: VideoRow, keeper: VideoRow) -> ExactDuplicate:
    copy = Copy.RENAMED if row.video_id == keeper.video_id else Copy.REMUXED
    return ExactDuplicate(row.uri, keeper.uri, group_id(keeper.uri), copy)

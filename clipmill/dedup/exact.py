"""Videos that are the same film in another file: renamed copies and re-muxed ones."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from clipmill.dedup.groups import group_id, keepers


class Copy(StrEnum):
    """How a file is known to be a copy of its keeper."""

    RENAMED = "renamed"
    REMUXED = "remuxed"


@dataclass(frozen=True)
class VideoRow:
    """What is known of one source file.

    ``content_digest`` and ``audio_digest`` are None before the video is decoded; a decoded video without
    sound has no audio digest either.
    """

    uri: str
    video_id: str
    content_digest: str | None = None
    audio_digest: str | None = None


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
    sound. A dub has other sound and stays. The keeper is the smallest URI of a group.
    """
    rows = sorted(videos, key=lambda video: video.uri)
    pairs = [*_alike([row.video_id for row in rows]), *_alike([_content_key(row) for row in rows])]
    kept = keepers(len(rows), np.array(pairs, dtype=np.intp).reshape(-1, 2))
    return [_duplicate(row, rows[kept[i]]) for i, row in enumerate(rows) if kept[i] != i]


def _content_key(row: VideoRow) -> Hashable:
    return None if row.content_digest is None else (row.content_digest, row.audio_digest)


def _alike(keys: Sequence[Hashable]) -> list[tuple[int, int]]:
    """Each row with the first row of the same key; a key of None is like no other."""
    first: dict[Hashable, int] = {}
    return [(first.setdefault(key, row), row) for row, key in enumerate(keys) if key is not None]


def _duplicate(row: VideoRow, keeper: VideoRow) -> ExactDuplicate:
    copy = Copy.RENAMED if row.video_id == keeper.video_id else Copy.REMUXED
    return ExactDuplicate(row.uri, keeper.uri, group_id(keeper.uri), copy)

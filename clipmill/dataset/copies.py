"""What concerns all sources of a snapshot at once: copies of whole files, and ranges that fit into memory."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from clipmill import arrow
from clipmill.dedup.exact import ExactDuplicate, VideoRow, find_exact
from clipmill.planning.plan import Plan
from clipmill.records import SourceFile
from clipmill.state.inspections import read_inspections
from clipmill.state.split_rows import read_splits
from clipmill.state.store import ResultStore

CLIPS_PER_RANGE = 250_000
_CLIP_S = 5.0
"""Length of an average clip, to guess how many a video has before its clips are read."""


@dataclass(frozen=True)
class Survey:
    """``sources`` sorted by URI, the ranges of them to work on, and URI -> what it is a copy of."""

    sources: Sequence[SourceFile]
    ranges: Sequence[slice]
    copies: Mapping[str, ExactDuplicate]


def survey(
    output: str, *, plan: Plan, sources: Sequence[SourceFile], clips_per_range: int = CLIPS_PER_RANGE
) -> Survey:
    """Returns the survey of the sources of a plan; a few columns of their inspections and splits are read."""
    ordered = sorted(sources)
    found = _found(output, plan, ordered)
    seconds = found["declared_s"].fill_null(0.0).to_numpy()
    return Survey(ordered, ranges_of(seconds, clips_per_range=clips_per_range), _copies(found))


def ranges_of(seconds: np.ndarray, *, clips_per_range: int) -> list[slice]:
    """Returns consecutive ranges of videos with about ``clips_per_range`` clips each; at least one.

    ``seconds`` ``(N,)`` are the lengths of the videos.
    """
    expected = np.cumsum(1.0 + np.nan_to_num(seconds) / _CLIP_S)
    number = (expected / clips_per_range).astype(np.int64)
    edges = [0, *(np.flatnonzero(np.diff(number)) + 1).tolist(), len(seconds)]
    return [slice(start, end) for start, end in pairwise(edges)]


def _found(output: str, plan: Plan, sources: Sequence[SourceFile]) -> pa.Table:
    """One row for each source: uri, video_id, how its pictures are shown, digests, and whether it is rejected
    or failed. ``declared_s`` is the length as headers say, ``duration_s`` that of the decoded pictures."""
    versions = pa.array([source.source_version for source in sources], pa.string())
    inspections = read_inspections(ResultStore(output), plan.digests()["inspect"])
    inspected = inspections.select(["id", "video_id", "reason", "duration_s", "rotation_deg", "sar"]).take(
        arrow.index_in(versions, inspections["id"].combine_chunks())
    )
    columns = ["id", "reason", "content_digest", "audio_digest", "duration_s"]
    splits = read_splits(ResultStore(output), plan.extractor, columns=columns)
    places = arrow.index_in(inspected["video_id"].combine_chunks(), splits["id"].combine_chunks())
    split = splits.take(places)
    is_readable = (
        arrow.flags(inspected["id"].is_valid())
        & arrow.flags(inspected["reason"].is_null())
        & arrow.flags(split["reason"].is_null())
    )
    return pa.table(
        {
            "uri": pa.array([source.uri for source in sources], pa.string()),
            "video_id": inspected["video_id"],
            "declared_s": inspected["duration_s"],
            "rotation_deg": inspected["rotation_deg"],
            "sar": inspected["sar"],
            "content_digest": split["content_digest"],
            "audio_digest": split["audio_digest"],
            "duration_s": split["duration_s"],
            "is_readable": pa.array(is_readable),
        }
    )


def _copies(found: pa.Table) -> dict[str, ExactDuplicate]:
    readable = found.filter(found["is_readable"])
    shared = _is_shared(readable["video_id"]) | _is_shared(readable["content_digest"])
    rows = readable.filter(pa.array(shared)).to_pylist()
    return {copy.uri: copy for copy in find_exact([_video_row(row) for row in rows])}


def _video_row(row: Mapping[str, Any]) -> VideoRow:
    return VideoRow(
        uri=row["uri"],
        video_id=row["video_id"],
        content_digest=row["content_digest"],
        audio_digest=row["audio_digest"],
        rotation_deg=row["rotation_deg"] or 0,
        sar=Fraction(row["sar"] or 1),
        duration_s=row["duration_s"] or 0.0,
    )


def _is_shared(column: pa.ChunkedArray) -> np.ndarray:
    """Returns bool ``(N,)``: which values another row has too; a null is shared with none."""
    codes = column.combine_chunks().dictionary_encode().indices.fill_null(-1).to_numpy(zero_copy_only=False)
    counts = np.bincount(codes + 1)
    return (codes >= 0) & (counts[codes + 1] > 1)

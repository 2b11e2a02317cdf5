"""The splits of videos as columns: lists of clips, shots and dropped stretches laid end to end. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pyarrow as pa

from clipmill.state.schema import SPLIT_STATE

Row = Mapping[str, object]
"""One row of a table: column name -> value."""

_LISTS = ("clips", "shots", "dropped", "damaged")


@dataclass(frozen=True)
class Lists:
    """Lists of records, end to end: those of item ``i`` are rows ``[starts[i], starts[i + 1])``."""

    rows: pa.Table
    starts: np.ndarray

    def of(self, item: int) -> slice:
        """Returns where the rows of an item are."""
        return slice(int(self.starts[item]), int(self.starts[item + 1]))

    def places_of(self, items: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns the rows of several items in their order, and for each row the place of its item."""
        counts = self.starts[items + 1] - self.starts[items]
        owners = np.repeat(np.arange(len(items)), counts)
        before = np.cumsum(counts) - counts
        return np.arange(len(owners)) - before[owners] + self.starts[items][owners], owners


@dataclass(frozen=True)
class Splits:
    """Rows of the split, one for each video id.

    ``rows`` are without the lists; ``places`` says which item of the lists a video is. Clips are in
    order of their frames.
    """

    rows: Mapping[str, Row]
    places: Mapping[str, int]
    clips: Lists
    shots: Lists
    dropped: Lists
    damaged: Lists

    def traits_of_clips(self) -> pa.Array:
        """Returns the traits of the video of each clip ``(N,)``."""
        of_videos = pa.array([row["traits"] for row in self.rows.values()], pa.string())
        owners = np.repeat(np.arange(len(of_videos)), np.diff(self.clips.starts))
        return of_videos.take(pa.array(owners))


def splits_of(table: pa.Table) -> Splits:
    """Returns the rows of a table with the columns of ``SPLIT_STATE``."""
    light = table.select([name for name in SPLIT_STATE.names if name not in _LISTS]).to_pylist()
    clips, shots, dropped, damaged = (_lists(table[name]) for name in _LISTS)
    return Splits(
        rows={str(row["id"]): row for row in light},
        places={str(row["id"]): place for place, row in enumerate(light)},
        clips=_by_frames(clips),
        shots=shots,
        dropped=dropped,
        damaged=damaged,
    )


def _lists(column: pa.ChunkedArray) -> Lists:
    array = cast(Any, column.combine_chunks())
    counts = array.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    values = array.flatten()
    names = [field.name for field in values.type]
    return Lists(pa.table(values.flatten(), names), starts)


def _by_frames(clips: Lists) -> Lists:
    owners = np.repeat(np.arange(len(clips.starts) - 1), np.diff(clips.starts))
    ends, starts = (clips.rows[name].to_numpy() for name in ("end_frame", "start_frame"))
    order = np.lexsort((ends, starts, owners))
    is_sorted = bool((order == np.arange(len(order))).all())
    return clips if is_sorted else Lists(clips.rows.take(pa.array(order)), clips.starts)

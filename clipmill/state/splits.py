"""The splits of videos as columns: lists of clips, shots and dropped stretches laid end to end. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pyarrow as pa

Row = Mapping[str, object]
"""One row of a table: column name -> value."""

LISTS = ("clips", "shots", "dropped", "damaged")
"""Columns of the split that hold many records of a video."""


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


def splits_of(table: pa.Table) -> Splits:
    """Returns the rows of a table with ``id`` and columns of ``SPLIT_STATE``, its lists among them."""
    light = table.drop_columns(list(LISTS)).to_pylist()
    return Splits(
        rows={str(row["id"]): row for row in light},
        places={str(row["id"]): place for place, row in enumerate(light)},
        clips=clips_of(table["clips"]),
        shots=_lists(table["shots"]),
        dropped=_lists(table["dropped"]),
        damaged=_lists(table["damaged"]),
    )


def clips_of(column: pa.ChunkedArray) -> Lists:
    """Returns the clips of a column of lists, those of a video in order of their frames."""
    return _by_frames(_lists(column))


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
    later, longer = np.diff(starts), np.diff(ends)
    if (np.diff(owners).astype(bool) | (later > 0) | ((later == 0) & (longer >= 0))).all():
        return clips
    return Lists(clips.rows.take(pa.array(np.lexsort((ends, starts, owners)))), clips.starts)

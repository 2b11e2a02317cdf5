"""One row of a plan: all that a shard's writer needs of a sample, and the JSON that goes with it. Pure."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import pyarrow as pa

from clipmill.export.spec import ExportSpec
from clipmill.export.spool import ORDER
from clipmill.storage.source_columns import plain_value

Row = Mapping[str, Any]

EMBEDDING, ARTIFACT = "embedding:", "artifact:"
"""How columns of a plan begin that hold an embedding, or the path of a file."""

MP4 = ".mp4"
"""The only kind of file that Cosmos-Predict2 looks for; copied clips may be WebM or Matroska."""

_I64, _STR = pa.int64(), pa.string()
_BASE = pa.schema(
    [
        ("sample_id", _STR), ("clip_id", _STR), ("part", _STR), ("bucket", _STR), ("clip_uri", _STR),
        ("clip_digest", _STR), ("num_bytes", _I64), ("is_whole", pa.bool_()), ("start_frame", _I64),
        ("end_frame", _I64), ("num_frames", _I64), ("first_step", _I64), ("fps", pa.float64()),
        ("framerate", pa.float64()), ("width", _I64), ("height", _I64), ("has_audio", pa.bool_()),
        ("caption", _STR), ("meta", _STR), (ORDER, pa.uint64()),
    ]
)  # fmt: skip

_HOUSEKEEPING = frozenset(
    {
        "status", "reason", "clip_offset", "duplicate_of", "duplicate_group", "similarity", "errors",
        "schema_version", "encode_digest", "mode_reason",
    }
)  # fmt: skip
"""Columns of clips that say nothing of a sample."""


@dataclass(frozen=True)
class Columns:
    """Where a snapshot has what an export asks for.

    ``caption`` is the column of the text, in ``windows`` or in clips; empty without one. ``embeddings`` have
    one type for all shards, also for those in which no sample has a vector.
    """

    caption: str
    caption_of_window: bool
    embeddings: Mapping[str, pa.DataType]
    artifacts: Sequence[str]

    @property
    def schema(self) -> pa.Schema:
        """Columns of a plan."""
        vectors = [pa.field(EMBEDDING + name, kind) for name, kind in self.embeddings.items()]
        return pa.schema([*_BASE, *vectors, *(pa.field(ARTIFACT + name, _STR) for name in self.artifacts)])


@dataclass(frozen=True)
class Cut:
    """Frames of a file, half-open, and how many of them on the grid of the sample's rate.

    ``first_step`` is the first instant on that grid, which counts from the file's first frame.
    """

    start_frame: int
    end_frame: int
    num_frames: int
    first_step: int


@dataclass(frozen=True)
class Sample:
    """What one sample shows: a clip, the windows that belong to it, and where it goes."""

    sample_id: str
    clip: Row
    windows: Sequence[Row]
    cut: Cut
    shape: tuple[int, int]
    part: str
    bucket: str
    caption: str


def row_of(sample: Sample, spec: ExportSpec, columns: Columns) -> dict[str, Any]:
    """Returns the row of a sample, without its embeddings and its place in the order."""
    clip, cut, shape = sample.clip, sample.cut, sample.shape
    is_cut = (cut.start_frame, cut.end_frame) != (0, clip["num_frames"])
    is_other = spec.format == "cosmos" and not clip["clip_uri"].endswith(MP4)
    is_changed = is_cut or is_other or bool(spec.fps) or shape != (clip["width"], clip["height"])
    row = {
        "sample_id": sample.sample_id, "clip_id": clip["clip_id"], "part": sample.part,
        "bucket": sample.bucket, "clip_uri": clip["clip_uri"], "clip_digest": clip.get("clip_digest"),
        "num_bytes": clip["num_bytes"], "is_whole": not (spec.materialize and is_changed),
        "start_frame": cut.start_frame, "end_frame": cut.end_frame, "num_frames": cut.num_frames,
        "first_step": cut.first_step, "fps": spec.fps, "framerate": clip["framerate"], "width": shape[0],
        "height": shape[1], "has_audio": clip.get("has_audio"), "caption": sample.caption,
        **{ARTIFACT + one: _artifact(sample, one) for one in columns.artifacts},
    }  # fmt: skip
    return {**row, "meta": _meta(sample, row)}


def _artifact(sample: Sample, column: str) -> str | None:
    return sample.clip.get(column) or next((row[column] for row in sample.windows if row.get(column)), None)


def _meta(sample: Sample, row: Row) -> str:
    """The JSON of a sample: the clip's columns, its windows, and which frames are meant."""
    facts = {
        name: value for name, value in sample.clip.items() if name not in _HOUSEKEEPING and value is not None
    }
    content = {
        "sample_id": row["sample_id"],
        "part": row["part"],
        "caption": row["caption"] or None,
        "sample": {
            "start_frame": row["start_frame"],
            "end_frame": row["end_frame"],
            "num_frames": row["num_frames"],
            "fps": row["fps"] or row["framerate"],
            "width": row["width"],
            "height": row["height"],
            "is_cut": not row["is_whole"],
        },
        "clip": facts,
        "windows": [
            {name: value for name, value in window.items() if name != "clip_id" and value is not None}
            for window in sample.windows
        ],
    }
    try:
        return json.dumps(content, ensure_ascii=False, allow_nan=False, default=plain_value)
    except ValueError:
        return json.dumps(_finite(content), ensure_ascii=False, default=plain_value)


def _finite(value: object) -> object:
    """JSON knows no NaN."""
    if isinstance(value, dict):
        return {name: _finite(one) for name, one in cast("dict[str, object]", value).items()}
    if isinstance(value, list):
        return [_finite(one) for one in cast("list[object]", value)]
    return None if isinstance(value, float) and not math.isfinite(value) else value

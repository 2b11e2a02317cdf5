"""Columns of a table of clips, by which duplicates are ranked."""

import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from clipmill.dedup.clip_copy import Facts
from clipmill.errors import SpecError
from clipmill.storage import parquet, store

_KEYS = ("clip_id", "id")
_FACTS = (
    "start_s", "end_s", "width", "height", "num_bytes", "video_codec", "letterbox_ratio", "sharpness",
    "start_frame", "end_frame", "has_audio", "clip_mode",
    "source_video_codec", "source_pixel_format", "source_bit_rate_k",
)  # fmt: skip
_PLANES = {"420": 1.5, "422": 2.0, "440": 2.0, "444": 3.0}  # samples of a pixel
_BATCH_ROWS = 1 << 16


def read_columns(uri: str, names: Sequence[str], *, ids: Sequence[str]) -> list[npt.NDArray[np.float64]]:
    """One array ``(N,)`` per name: its values for ``ids``, NaN where the table has none.

    ``uri`` is a parquet file or a folder of them, keyed by ``clip_id`` or ``id``. SpecError names a column
    that is not there or holds no numbers.
    """
    if not uri:
        raise SpecError("dedup.rank_columns need a table of clips: name one by columns")
    files = [entry.uri for entry in store.find(uri, (".parquet",))]
    if not files:
        raise SpecError(f"dedup.rank_columns: there is no table at {uri}")
    table = pa.concat_tables([_read(file, names) for file in files])
    place = {key: row for row, key in enumerate(table["key"].to_pylist())}
    rows = pa.array([place.get(name) for name in ids], pa.int64())
    return [table[name].take(rows).to_numpy() for name in names]


def _read(uri: str, names: Sequence[str]) -> pa.Table:
    file = pq.ParquetFile(pa.BufferReader(store.read_bytes(uri)))
    schema = file.schema_arrow
    key = next((name for name in _KEYS if name in schema.names), None)
    if key is None:
        raise SpecError(f"dedup.rank_columns: {uri} has no column {' or '.join(_KEYS)}")
    for name in names:
        _check_column(uri, schema, name)
    table = file.read(columns=[key, *names])
    values = [pc.cast(table[name], pa.float64(), safe=False) for name in names]
    return pa.table([table[key].cast(pa.string()), *values], names=["key", *names])


def _check_column(uri: str, schema: pa.Schema, name: str) -> None:
    if name not in schema.names:
        raise SpecError(f"dedup.rank_columns: {uri} has no column {name}")
    kind = schema.field(name).type
    if not (pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind)):
        raise SpecError(f"dedup.rank_columns: column {name} of {uri} holds {kind}, not numbers")


def read_facts(uri: str, ids: Iterable[str]) -> Mapping[str, Facts]:
    """Returns what a table of clips says of some of them, by id; without a table nothing.

    ``uri`` is as in ``read_columns``. Columns that it lacks are left out.
    """
    wanted = pa.array(sorted(set(ids)), pa.string())
    files = [entry.uri for entry in store.find(uri, (".parquet",))] if uri else []
    found = dict[str, Facts]()
    for file in files:
        for batch in parquet.read_batches(file, (*_KEYS, *_FACTS), max_rows=_BATCH_ROWS):
            key = next((name for name in _KEYS if name in batch.column_names), None)
            if key is not None:
                rows = batch.filter(pc.field(key).cast(pa.string()).isin(wanted)).to_pylist()
                found |= {str(row[key]): _facts(row) for row in rows}
    return found


def _facts(row: Mapping[str, object]) -> Facts:
    """What a row says; of a clip that was coded anew, codec and bit rate are those of its source."""
    numbers = {name: float(value) for name, value in row.items() if isinstance(value, int | float)}
    length_s, size_bytes = _between(numbers, "start_s", "end_s"), numbers.get("num_bytes")
    bit_rate, codec = size_bytes * 8 / length_s if size_bytes and length_s else None, row.get("video_codec")
    if row.get("clip_mode") == "encode" and numbers.get("source_bit_rate_k"):
        bit_rate, codec = 1024 * numbers["source_bit_rate_k"], row.get("source_video_codec")
    pixels = numbers["width"] * numbers["height"] if {"width", "height"} <= numbers.keys() else None
    has_sound = row.get("has_audio")
    return Facts(
        num_pixels=pixels,
        bars=numbers.get("letterbox_ratio"),
        sharpness=numbers.get("sharpness"),
        length_s=length_s,
        num_frames=_between(numbers, "start_frame", "end_frame"),
        bit_rate=bit_rate,
        num_bytes=size_bytes,
        codec=None if codec is None else str(codec),
        depth=_depth(row.get("source_pixel_format")),
        has_sound=None if has_sound is None else bool(has_sound),
    )


def _between(numbers: Mapping[str, float], start: str, end: str) -> float | None:
    return numbers[end] - numbers[start] if {start, end} <= numbers.keys() else None


def _depth(pixel_format: object) -> float | None:
    """Bits of a pixel by FFmpeg's name of its format; None where the name tells no planes of colour."""
    found = re.search(r"(4[0-4]{2})p(\d*)", str(pixel_format))
    return float(found[2] or 8) * _PLANES.get(found[1], 1.5) if found else None

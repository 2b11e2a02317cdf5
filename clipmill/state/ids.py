"""Ids: 16 bytes in the state's files, text everywhere else.

A column of ids becomes ``pa.uuid()`` if every id of it has one form; the field's metadata names the form, so
that the text comes back as it was. Any other column of ids stays text.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from clipmill import identity

ID_COLUMNS = frozenset({"id", "clip_id", "video_id"})
FORM = b"id_form"
_HEX = np.frombuffer(b"0123456789abcdef", np.uint8)
_VALUES = np.full(256, 255, np.uint8)
_VALUES[_HEX] = np.arange(16, dtype=np.uint8)


@dataclass(frozen=True)
class IdForm:
    """A way to write 128 bits: ``pattern`` has an ``x`` for each of the 32 hex digits."""

    name: str
    pattern: bytes

    @property
    def width(self) -> int:
        """Characters of an id."""
        return len(self.pattern)

    @property
    def template(self) -> np.ndarray:
        """The pattern, uint8 ``(width,)``."""
        return np.frombuffer(self.pattern, np.uint8)

    @property
    def is_digit(self) -> np.ndarray:
        """Bool ``(width,)``: where the digits are."""
        return self.template == ord("x")


FORMS = (
    IdForm("uuid", b"xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"),
    IdForm("hex", b"x" * 32),
    IdForm("source_version", b"sv1:" + b"x" * 32),
)
UUID = FORMS[0]
"""The form of ids of clips."""
_BY_NAME = {form.name.encode(): form for form in FORMS}

SQL_FORMS = "(sv1:)?[0-9a-f]{32}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
"""Regular expression of the ids that are written as 16 bytes."""


def key_of(name: str, kind: str) -> str:
    """Returns the expression for the 16 bytes of an id of an SQL type; text of no known form is hashed."""
    if kind == "UUID":
        return name
    if kind == "NULL":
        return "NULL::UUID"
    known = f"regexp_full_match({name}, '{SQL_FORMS}')"
    return f"CASE WHEN {known} THEN replace({name}, 'sv1:', '')::UUID ELSE md5({name})::UUID END"


def hex_of(name: str, kind: str) -> str:
    """Returns the expression for the text of a video's id: 32 hex digits, or what it was."""
    if kind == "NULL":
        return "NULL::VARCHAR"
    as_hex = f"replace({name}::VARCHAR, '-', '')"
    if kind == "UUID":
        return as_hex
    return f"CASE WHEN regexp_full_match({name}, '{SQL_FORMS}') THEN {as_hex} ELSE {name} END"


def encoded(rows: pa.Table) -> pa.Table:
    """Returns rows with their ids as 16 bytes, where every id of a column has one form."""
    for index, field in enumerate(rows.schema):
        if field.name in ID_COLUMNS and pa.types.is_string(field.type):
            form, keys = keys_of(rows.column(index).combine_chunks())
            if form is not None:
                typed = pa.field(field.name, pa.uuid(), metadata={FORM: form.name.encode()})
                rows = rows.set_column(index, typed, keys)
    return rows


def decoded(rows: pa.Table) -> pa.Table:
    """Returns rows with their ids as text."""
    for index, field in enumerate(rows.schema):
        form = _BY_NAME.get((field.metadata or {}).get(FORM, b""))
        if form is not None and isinstance(field.type, pa.UuidType):
            column = rows.column(index).combine_chunks()
            text = text_of(column.storage, form)
            rows = rows.set_column(index, pa.field(field.name, pa.string()), text)
    return rows


def as_text(schema: pa.Schema) -> pa.Schema:
    """Returns a schema of a part with its ids as text."""
    return pa.schema(
        [
            pa.field(field.name, pa.string() if isinstance(field.type, pa.UuidType) else field.type)
            for field in schema
        ]
    )


def keys_of(values: pa.Array) -> tuple[IdForm | None, pa.Array]:
    """Returns the form that all ids have, and their 16 bytes; no form and the text where they differ."""
    present = values.drop_null() if values.null_count else values
    for form in FORMS:
        chars = _chars(present, form.width)
        if chars is not None:
            digits = _VALUES[chars[:, form.is_digit]]
            if digits.max() < 16 and (chars[:, ~form.is_digit] == form.template[~form.is_digit]).all():
                raw = _placed(fixed(digits[:, 0::2] << 4 | digits[:, 1::2]), values)
                return form, pa.ExtensionArray.from_storage(pa.uuid(), raw)
    return None, values


def _chars(values: pa.Array, width: int) -> np.ndarray | None:
    """Returns uint8 ``(N, width)``: the bytes of texts that all have so many; None for others or none."""
    if not len(values):
        return None
    _, offsets, data = values.buffers()
    ends = np.frombuffer(offsets, np.int32)[values.offset : values.offset + len(values) + 1]
    if (np.diff(ends) != width).any():
        return None
    return np.frombuffer(data, np.uint8)[ends[0] : ends[-1]].reshape(-1, width)


def window_ids(clips: pa.ChunkedArray, start_frames: np.ndarray, end_frames: np.ndarray) -> pa.Array:
    """Returns the ids of windows of clips, as text."""
    return text_of(fixed(identity.window_ids(clips.to_pylist(), start_frames, end_frames)), UUID)


def fixed(raw: np.ndarray) -> pa.Array:
    """Returns uint8 ``(N, 16)`` as a column of 16 bytes."""
    buffer = pa.py_buffer(np.ascontiguousarray(raw).tobytes())
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), len(raw), [None, buffer])


def text_of(storage: pa.Array, form: IdForm) -> pa.Array:
    """Returns a column of 16 bytes as text of a form."""
    present = storage.drop_null() if storage.null_count else storage
    start = present.offset * 16
    data = present.buffers()[1]
    raw = np.frombuffer(data, np.uint8)[start : start + 16 * len(present)].reshape(-1, 16)
    chars = np.tile(form.template, (len(present), 1))
    digits = np.stack([_HEX[raw >> 4], _HEX[raw & 15]], axis=2).reshape(-1, 32)
    chars[:, form.is_digit] = digits
    offsets = np.arange(len(present) + 1, dtype=np.int32) * np.int32(form.width)
    buffers = [None, pa.py_buffer(offsets.tobytes()), pa.py_buffer(chars.tobytes())]
    text = pa.StringArray.from_buffers(len(present), buffers[1], buffers[2])
    return _placed(text, storage)


def _placed(present: pa.Array, like: pa.Array) -> pa.Array:
    """Returns values put where ``like`` has some; null elsewhere."""
    if not like.null_count:
        return present
    is_there = np.asarray(like.is_valid())
    places = np.cumsum(is_there) - 1
    return present.take(pa.array(places, pa.int64(), mask=~is_there))

"""What the larger view of a clip lists, and how each of its values is worded."""

import json
from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.types as pt

from clipmill.report import words
from clipmill.report.names import capital, label_of, unit_of
from clipmill.report.plan_records import PlanView, StageColumns

Wording = Callable[..., str]
NUM_DIGITS = 4
NO_ERRORS = "{}"
"""JSON of a clip that no stage had an error for."""


@dataclass(frozen=True)
class Field:
    """One line of the larger view: a column of the clips table, and how its value is worded.

    ``is_beside`` lists it beside the picture, not below it. ``shows_missing`` keeps the line without a value.
    """

    heading: str
    label: str
    column: str
    worded: Wording
    is_beside: bool = False
    shows_missing: bool = False


def _four_digits(value: float | None) -> str:
    return words.number(value, digits=NUM_DIGITS)


def _size(value: float | None) -> str:
    return words.size(None if value is None or words.is_missing(value) else round(value))


def _time(value: float | None) -> str:
    return f"-{words.timecode(-value)}" if value is not None and value < 0 else words.timecode(value)


def _reason(text: str | None) -> str:
    return words.reason(text or "")


def _errors(text: str | None) -> str:
    return words.plain(None if text == NO_ERRORS else text)


def _as_json(value: object) -> str:
    return words.plain(None if value is None else json.dumps(value, default=str, ensure_ascii=False))


BASE_FIELDS = (
    Field("Place", "Source", "source_uri", words.plain),
    Field("Place", "Start", "start_s", words.timecode),
    Field("Place", "End", "end_s", words.timecode),
    Field("Place", "First frame", "start_frame", words.count),
    Field("Place", "End frame", "end_frame", words.count),
    Field("Place", "Start pts", "start_pts", words.count),
    Field("Place", "End pts", "end_pts", words.count),
    Field("Place", "Time base", "time_base", words.plain),
    Field("Verdict", "Status", "status", words.plain, is_beside=True),
    Field("Verdict", "Reason", "reason", _reason, is_beside=True),
    Field("Verdict", "Duplicate of", "duplicate_of", words.plain, is_beside=True),
    Field("Verdict", "Duplicate group", "duplicate_group", words.plain, is_beside=True),
    Field("Verdict", "Similarity", "similarity", _four_digits, is_beside=True),
    Field("Verdict", "Errors", "errors", _errors, is_beside=True),
    Field("Identity", "Clip id", "clip_id", words.plain),
    Field("Identity", "Video id", "video_id", words.plain),
    Field("Identity", "Encode digest", "encode_digest", words.plain),
)
"""Fields of columns that every run has."""


def clip_fields(view: PlanView) -> tuple[Field, ...]:
    """Returns the fields of the base columns, then those of each stage below its key."""
    return (*BASE_FIELDS, *(field for stage in view.clip_stages for field in _stage_fields(stage)))


def _stage_fields(stage: StageColumns) -> list[Field]:
    return [
        Field(
            capital(words.reason(stage.key)),
            _label(published.column.name),
            published.name,
            worded_as(published.name, published.column.type),
            is_beside=stage.is_plotted,
            shows_missing=published.column.plot,
        )
        for published in stage.columns
    ]


def _label(name: str) -> str:
    """``Width, px`` of ``width_px``; times say of themselves that they are seconds."""
    unit = unit_of(name)
    return label_of(name) + (f", {unit}" if unit not in ("", "s") else "")


def worded_as(name: str, kind: pa.DataType) -> Wording:
    """Returns the wording for values of a type; ``_bytes`` in a name means a size, ``_s`` a time."""
    if pt.is_boolean(kind):
        return words.yes_no
    if pt.is_integer(kind) or pt.is_floating(kind):
        by_name = _size if name.endswith("_bytes") else _time if name.endswith("_s") else None
        return by_name or (words.count if pt.is_integer(kind) else _four_digits)
    return words.plain if pt.is_string(kind) or pt.is_large_string(kind) else _as_json

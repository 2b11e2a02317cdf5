"""From what a worker answers to rows of the state: checked, typed, rounded. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import pyarrow as pa

from clipmill import arrow
from clipmill.errors import plain_text
from clipmill.planning.judgement import RESULT
from clipmill.planning.nodes import Node
from clipmill.stages.base import Column, Failed, Item, Results
from clipmill.stages.columns import RULE_DIGITS
from clipmill.state.schema import schema_of

STAGE_ERROR = "stage_error"
BAD_RESULT = "bad_result"
"""Reasons of a stage's own failures: what it raised, and what it answered."""


MOST_CHARACTERS = 6000
"""Of a message, with the frames of its traceback."""


class BadResults(ValueError):
    """A worker's answer that does not fit the stage's declaration."""


@dataclass(frozen=True)
class Answered:
    """The items of a call in order, the columns that the worker made of them, and those that failed."""

    items: tuple[Item, ...]
    columns: Mapping[str, pa.Array]
    failed: Mapping[int, Failed]


def checked(node: Node, items: Sequence[Item], answer: object) -> Answered:
    """Returns a worker's answer in the declared types. BadResults says what does not fit.

    An item failed whose value is NaN or infinite, or null in a column that is not nullable.
    """
    results = answer if isinstance(answer, Results) else Results(_as_mapping(answer))
    declared = {column.name: column for column in node.stored}
    for name in results.columns:
        if name not in declared:
            raise BadResults(f"it returned column {name}, which its class does not declare in writes")
    columns = {
        name: _typed(column, results.columns.get(name), len(items)) for name, column in declared.items()
    }
    failed = {**dict(_null_items(node, columns)), **dict(_unbounded_items(node, columns)), **results.failed}
    if wrong := [index for index in failed if not 0 <= index < len(items)]:
        raise BadResults(f"it names item {wrong[0]} of {len(items)} as failed")
    return Answered(tuple(items), columns, failed)


def _as_mapping(answer: object) -> Mapping[str, Sequence[object]]:
    if not isinstance(answer, Mapping):
        raise BadResults(f"it returned {type(answer).__name__} instead of columns by name")
    return answer


def _typed(column: Column, values: Iterable[object] | pa.Array | None, num_items: int) -> pa.Array:
    if values is None:
        return pa.nulls(num_items, column.type)
    try:
        plain = values if isinstance(values, pa.Array) else _array(_plain(values), column)
        typed = cast(pa.Array, plain).cast(column.type)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise BadResults(f"column {column.name} does not hold {column.type}: {error}") from error
    if len(typed) != num_items:
        raise BadResults(f"column {column.name} has {len(typed)} values for {num_items} items")
    return typed


def _array(values: Iterable[object], column: Column) -> pa.Array:
    try:
        return pa.array(values, _read_as(column))
    except OverflowError:  # whole numbers from 2 ** 63 on, such as hashes
        return pa.array(values, column.type)


def _read_as(column: Column) -> pa.DataType | None:
    """None for whole numbers: Arrow would cut off fractions without an error, and a cast does not."""
    return None if pa.types.is_integer(column.type) else column.type


def _plain(values: Iterable[object]) -> Iterable[object]:
    if isinstance(values, np.ndarray):
        return list(values) if values.ndim > 1 else values
    return [value.item() if isinstance(value, np.generic) else value for value in values]


def bad_result(node: Node, cause: object) -> Failed:
    """Returns the failure of an item whose answer does not fit; the next run tries again."""
    return Failed("retryable", BAD_RESULT, f"stage {node.key}: {cause}")


def _null_items(node: Node, columns: Mapping[str, pa.Array]) -> Iterator[tuple[int, Failed]]:
    for column in node.stored:
        if not column.nullable and columns[column.name].null_count:
            missing = np.flatnonzero(columns[column.name].is_null().to_numpy(zero_copy_only=False))
            yield from ((int(one), bad_result(node, f"column {column.name} is null")) for one in missing)


def _unbounded_items(node: Node, columns: Mapping[str, pa.Array]) -> Iterator[tuple[int, Failed]]:
    for name, array in columns.items():
        for index in not_finite(array):
            yield index, bad_result(node, f"column {name} is NaN or infinite")


def not_finite(array: pa.Array) -> list[int]:
    """Returns the places of values that are NaN or infinite, or hold one that is."""
    kind = array.type
    if pa.types.is_floating(kind):
        return np.flatnonzero(~np.asarray(arrow.is_finite(array).fill_null(True), bool)).tolist()
    if not (pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind)):
        return []
    if not (pa.types.is_floating(kind.value_type) and _may_hold_one(array.flatten())):
        return []
    return [index for index, value in enumerate(array) if value.is_valid and not_finite(value.values)]


def _may_hold_one(array: pa.Array) -> bool:
    """False for nearly every column of vectors, and quick; a null counts too."""
    return not np.isfinite(array.to_numpy(zero_copy_only=False)).all()


def rows_of(node: Node, answered: Answered, failed_before: Mapping[str, tuple[Item, Failed]]) -> pa.Table:
    """Returns one row for each item of a call, and for each item that failed without one."""
    schema = schema_of(node)
    made = _rows(node, answered.items, answered.columns, answered.failed)
    items = [item for item, _ in failed_before.values()]
    failures = dict(enumerate(failed for _, failed in failed_before.values()))
    empty = {column.name: pa.nulls(len(items), column.type) for column in node.stored}
    return pa.concat_tables([made, _rows(node, items, empty, failures)]).cast(schema)


def _rows(
    node: Node, items: Sequence[Item], columns: Mapping[str, pa.Array], failed: Mapping[int, Failed]
) -> pa.Table:
    schema = schema_of(node)
    count = len(items)
    values: dict[str, pa.Array] = {name: pa.nulls(count, schema.field(name).type) for name in schema.names}
    values["id"] = pa.array([item.id for item in items], pa.string())
    values["outcome"] = pa.array([_outcome(failed, index) for index in range(count)], pa.string())
    for name, array in columns.items():
        values[name] = _rounded(node, name, _without(array, failed))
    for name in ("reason", "message", "limit", "limit_value"):
        own = columns[name].to_pylist() if name in columns else [None] * count
        why = [getattr(failed[index], name) if index in failed else own[index] for index in range(count)]
        if name in ("reason", "message"):
            why = [one if one is None else plain_text(one, MOST_CHARACTERS) for one in why]
        values[name] = pa.array(
            [None if one == "" and name == "limit" else one for one in why], schema.field(name).type
        )
    if node.stage.grain == "window":
        values |= _places(items)
    return pa.table([values[name] for name in schema.names], schema=schema)


def _outcome(failed: Mapping[int, Failed], index: int) -> str:
    return failed[index].kind if index in failed else RESULT


def _without(array: pa.Array, failed: Mapping[int, Failed]) -> pa.Array:
    """Values of failed items are null."""
    if not failed:
        return array
    mask = pa.array([index not in failed for index in range(len(array))])
    return arrow.if_else(mask, array, pa.scalar(None, array.type))


def _rounded(node: Node, name: str, array: pa.Array) -> pa.Array:
    """Scores are rounded once, so that a rule compares what tables show."""
    column = node.stage.column(name)
    if column is None or column.type != pa.float64() or not is_rounded(node, column):
        return array
    return pa.array(
        [None if value is None else round(value, RULE_DIGITS) for value in array.to_pylist()], pa.float64()
    )


def is_rounded(node: Node, column: Column) -> bool:
    """Returns True for a score: a column that is plotted, ranks, or that its stage has a rule for."""
    return column.plot or bool(column.rank) or any(rule.column == column.name for rule in node.stage.rules())


def _places(items: Sequence[Item]) -> dict[str, pa.Array]:
    windows = [item.window for item in items]
    return {
        "clip_id": pa.array([item.clip.clip_id for item in items], pa.string()),
        "start_frame": pa.array([window.start_frame if window else None for window in windows], pa.int64()),
        "end_frame": pa.array([window.end_frame if window else None for window in windows], pa.int64()),
    }

"""One row of a stage's table, for the view."""

import io
import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from clipmill.planning.judgement import RESULT
from clipmill.tasks.video import Payload

T = TypeVar("T")


def packed(values: Mapping[str, Payload]) -> str:
    """Returns bytes and arrays by name as JSON."""
    return json.dumps({name: _encoded(value) for name, value in sorted(values.items())})


def _encoded(value: Payload) -> str | list[str]:
    """Base64: of bytes a string, of an array a list with one of its ``.npy``."""
    if isinstance(value, bytes):
        return b64encode(value).decode()
    file = io.BytesIO()
    np.save(file, value, allow_pickle=False)
    return [b64encode(file.getvalue()).decode()]


def _decoded(value: str | list[str]) -> Payload:
    if isinstance(value, str):
        return b64decode(value)
    return np.load(io.BytesIO(b64decode(value[0])), allow_pickle=False)


@dataclass(frozen=True)
class Row:
    """A row of aligned results. A column that was not read is null, and so is a row that is not there."""

    table: pa.Table
    index: int

    def get(self, name: str, kind: type[T]) -> T | None:
        """Returns a value of a Python type, or None for a null."""
        value: object = self._scalar(name).as_py() if name in self.table.column_names else None
        return value if isinstance(value, kind) else None

    def vector(self, name: str) -> npt.NDArray[np.float32] | None:
        """Returns a list of numbers as float32 ``(D,)``, or None for a null."""
        if name not in self.table.column_names or not (scalar := self._scalar(name)).is_valid:
            return None
        return scalar.values.to_numpy(zero_copy_only=False).astype(np.float32)

    def texts_by_name(self, name: str) -> Mapping[str, str]:
        """Returns the object of a JSON column; empty for a null."""
        text = self.get(name, str)
        return json.loads(text) if text else {}

    def unpacked(self, name: str) -> Mapping[str, Payload] | None:
        """Returns what ``packed`` put into a column, or None for a null."""
        text = self.get(name, str)
        return None if text is None else {one: _decoded(value) for one, value in json.loads(text).items()}

    @property
    def message(self) -> str:
        """What a failure says, or what a stage says of a result."""
        return self.get("message", str) or ""

    @property
    def has_result(self) -> bool:
        """True for a row with a result."""
        return self.get("outcome", str) == RESULT

    @property
    def has_failed(self) -> bool:
        """True for a failure, final or retryable."""
        return self.get("outcome", str) not in (None, RESULT)

    def _scalar(self, name: str) -> pa.Scalar:
        return self.table[name][self.index]

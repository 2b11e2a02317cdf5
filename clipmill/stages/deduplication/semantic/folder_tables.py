"""Tables in the folders that the steps of deduplication hand to each other."""

import logging
import re
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from clipmill.stages.spec import say_ignored
from clipmill.storage import store

logger = logging.getLogger(__name__)


def as_matrix(lists: pa.ChunkedArray) -> npt.NDArray[np.floating]:
    """Returns ``(N, D)`` of a column of lists of one length."""
    whole = lists.combine_chunks()
    values = pc.call_function("list_flatten", [whole]).to_numpy(zero_copy_only=False)
    return values.reshape(len(whole), -1)


def clear(folder: str, pattern: str) -> None:
    """Deletes files of an earlier run: those whose whole path below ``folder`` matches ``pattern``."""
    root = store.normalise(folder)
    for file in store.find(folder, (".parquet",)):
        if re.fullmatch(pattern, file.uri.removeprefix(root).lstrip("/")):
            store.delete(file.uri)


def name_ignored(stage: str, given: Mapping[str, object]) -> None:
    """Says which of NeMo Curator's options of readers and writers are there and have no effect."""
    for name, value in given.items():
        if value and value != "float32" and value != {"storage_options": None}:
            say_ignored(stage, name)


def say(stage: str, found: str, *, verbose: bool) -> None:
    """Logs what a step found, for everyone where it is ``verbose``."""
    logger.log(logging.INFO if verbose else logging.DEBUG, "%s: %s", stage, found)

"""The id of a run: made once, when the run starts, and handed to each of its steps."""

import re
import secrets
from datetime import UTC, datetime, timedelta

_TIME = "%Y%m%dT%H%M%S.%fZ"
_RUN_ID = re.compile(r"(\d{8}T\d{6}\.\d{6}Z)-[0-9a-f]{8}")


def new_run_id() -> str:
    """Returns an id that sorts behind those of earlier runs, as ``20261129T210000.123456Z-1f2e3d4c``."""
    return f"{datetime.now(UTC):{_TIME}}-{secrets.token_hex(4)}"


def later_run_id(run_id: str, before: datetime) -> str:
    """Returns the id, with the next time behind ``before`` where the clock went backward since.

    Rows of the state go by the order of runs: what a later run made again must not count as older.
    """
    if started_at(run_id) > before:
        return run_id
    return f"{before + timedelta(microseconds=1):{_TIME}}-{run_id.rpartition('-')[2]}"


def last_id_of(started: datetime) -> str:
    """Returns the id that sorts behind every one made at a time, and before those of later runs."""
    return f"{started:{_TIME}}-ffffffff"


def started_at(run_id: str) -> datetime:
    """Returns the time, in UTC, at which the id was made. ValueError for another kind of name."""
    found = _RUN_ID.fullmatch(run_id)
    if found is None:
        raise ValueError(f"{run_id} is no id of a run")
    return datetime.strptime(found[1], _TIME).replace(tzinfo=UTC)


def is_run_id(name: str) -> bool:
    """Returns True for a name that ``new_run_id`` may have made."""
    return _RUN_ID.fullmatch(name) is not None

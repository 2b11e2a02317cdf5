"""``lease.json``: which run writes an output, and until when no other may."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pydantic import BaseModel, ConfigDict, ValidationError

from clipmill import layout
from clipmill.errors import OutputError, TransientStoreError, WriteConflict
from clipmill.runs.process_name import is_gone
from clipmill.storage import conditional, store

RENEWALS_PER_TERM = 3
_ATTEMPTS = 50
"""Tasks of one run that renew at the same time meet each other; of two runs one wins at once."""


class LeaseRecord(BaseModel):
    """The content of ``lease.json``.

    ``epoch`` counts the runs that held the output. ``owner`` names what starts again under the same name,
    such as an execution of Flyte, and ``process`` the process in which all of the run happens; empty
    elsewhere. Without being renewed a lease stands for ``term_s``. One
    that was given back stays as a file, ``is_released``.
    """

    model_config = ConfigDict(frozen=True)

    run_id: str
    host: str
    started_at: datetime
    epoch: int
    term_s: float
    expires_at: datetime
    is_released: bool = False
    owner: str = ""
    process: str = ""

    def is_free(self) -> bool:
        """Returns True if another run may take the output: no need to wait for a process that is gone."""
        return self.is_released or now() >= self.expires_at or is_gone(self.process)

    def renewed(self) -> "LeaseRecord":
        """Returns the lease with its whole term before it."""
        expires_at = now() + timedelta(seconds=self.term_s)
        return self.model_copy(update={"expires_at": expires_at, "is_released": False})

    def is_due(self) -> bool:
        """Returns True if a third of the term is over."""
        return (self.expires_at - now()).total_seconds() < self.term_s * (1 - 1 / RENEWALS_PER_TERM)

    @property
    def started(self) -> str:
        """The start for a person."""
        return f"{self.started_at:%Y-%m-%d %H:%M:%S} UTC"


@dataclass(frozen=True)
class Found:
    """A lease as it was read; ``version`` is for the write that depends on it."""

    record: LeaseRecord
    version: str


def now() -> datetime:
    """Returns the time in UTC."""
    return datetime.now(UTC)


def read_lease(output: str) -> LeaseRecord | None:
    """Returns the lease of an output; None where no run has taken one. OutputError for a damaged file."""
    uri = layout.lease_path(store.normalise(output))
    if conditional.is_supported(output):
        found = _find(uri)
        return found.record if found else None
    return _parse(uri, store.read_bytes(uri)) if store.exists(uri) else None


def is_free(output: str) -> bool:
    """Returns True if no run holds an output."""
    record = read_lease(output)
    return record is None or record.is_free()


def change(output: str, decide: Callable[[LeaseRecord | None], LeaseRecord | None]) -> LeaseRecord | None:
    """Replaces the lease by what ``decide`` makes of it; returns the lease that stands then.

    ``decide`` gets what stands, returns None to leave it, and is asked again where another writer was first.
    On a store without conditional writes two writers at the same moment cannot be distinguished.
    """
    if not conditional.is_supported(output):
        return _change_alone(output, decide)
    uri = layout.lease_path(store.normalise(output))
    for _ in range(_ATTEMPTS):
        found = _find(uri)
        wanted = decide(found.record if found else None)
        if wanted is None:
            return found.record if found else None
        try:
            conditional.put_versioned(uri, _encode(wanted), if_version=found.version if found else None)
        except WriteConflict:
            continue
        return wanted
    raise TransientStoreError(uri, f"{_ATTEMPTS} attempts to write it met other writers")


def _change_alone(
    output: str, decide: Callable[[LeaseRecord | None], LeaseRecord | None]
) -> LeaseRecord | None:
    before = read_lease(output)
    wanted = decide(before)
    if wanted is not None:
        store.put_bytes(layout.lease_path(store.normalise(output)), _encode(wanted))
    return wanted or before


def _find(uri: str) -> Found | None:
    read = conditional.read_versioned(uri)
    return None if read is None else Found(_parse(uri, read[0]), read[1])


def _parse(uri: str, data: bytes) -> LeaseRecord:
    try:
        return LeaseRecord.model_validate_json(data)
    except ValidationError as error:
        raise OutputError(f"{uri} is damaged: delete it if no run writes there") from error


def _encode(record: LeaseRecord) -> bytes:
    return (record.model_dump_json(indent=1) + "\n").encode()

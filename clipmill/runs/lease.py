"""One run writes an output at a time: the lease is taken at the start, kept while steps work, given back."""

import logging
import platform
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from clipmill import layout
from clipmill.errors import Fenced, OutputBusy, OutputError, StoreError
from clipmill.runs.folders import check_first_use, warn_of_others
from clipmill.runs.lease_file import RENEWALS_PER_TERM, LeaseRecord, change, now, read_lease
from clipmill.runs.process_name import this_process
from clipmill.runs.run_id import later_run_id, new_run_id, started_at
from clipmill.storage import conditional, store

logger = logging.getLogger(__name__)

TERM_S = 30 * 60.0
"""Of a run in one process, which renews it all the time: how long another one waits after it was killed."""


@dataclass(frozen=True)
class Lease:
    """The hold of one run on an output."""

    output: str
    run_id: str
    _lost: list[Fenced] = field(default_factory=list[Fenced], repr=False, compare=False)

    def enter(self) -> LeaseRecord:
        """Starts a step of the run: renews the lease, also one that the run gave back or let expire.

        Fenced where another run has taken it, or ``clipmill unlock`` has broken it.
        """
        record = change(self.output, lambda record: self._own(record).renewed())
        assert record is not None
        return record

    def hold(self) -> None:
        """Makes sure that the run still holds the output, right before it replaces what others read.

        Renews the lease when a third of its term is over. Fenced otherwise.
        """
        change(self.output, self._due)

    def check(self) -> None:
        """Raises Fenced if a renewal in the background found the lease lost; asks no store."""
        if self._lost:
            raise self._lost[0]

    def release(self) -> None:
        """Gives the output back, unless another run has it by now.

        Where the store fails the lease stays until it expires.
        """
        try:
            change(self.output, lambda record: _released(record, run_id=self.run_id))
        except StoreError as error:
            logger.warning("the lease of %s stays until it expires: %s", self.output, error)

    @contextmanager
    def kept(self) -> Generator[None]:
        """Enters the lease and renews it in the background until the block ends."""
        every_s = self.enter().term_s / RENEWALS_PER_TERM
        is_over = threading.Event()
        thread = threading.Thread(
            target=self._keep, args=(is_over, every_s), name="clipmill-lease", daemon=True
        )
        thread.start()
        try:
            yield
        finally:
            is_over.set()
            thread.join()

    def _keep(self, is_over: threading.Event, every_s: float) -> None:
        while not is_over.wait(every_s):
            try:
                self.hold()
            except Fenced as error:
                self._lost.append(error)
                return
            except StoreError as error:
                logger.warning("the lease of %s could not be renewed: %s", self.output, error)

    def _due(self, record: LeaseRecord | None) -> LeaseRecord | None:
        own = self._own(record)
        if own.is_released:
            raise Fenced(self.output, self.run_id, "it has ended")
        return own.renewed() if own.is_due() else None

    def _own(self, record: LeaseRecord | None) -> LeaseRecord:
        if record is None:
            raise Fenced(self.output, self.run_id, f"{layout.LEASE} is gone")
        if record.run_id != self.run_id:
            holder = (
                f"run {record.run_id} on {record.host} has taken it" if record.run_id else "it was unlocked"
            )
            raise Fenced(self.output, self.run_id, holder)
        return record


def take(output: str, run_id: str, *, term_s: float = TERM_S, owner: str = "", process: str = "") -> Lease:
    """Takes the output for a run; returns its lease, which stands for ``term_s`` without being renewed.

    A lease that stands for the same ``owner`` is entered again, under the id of the run that took it. That of
    a ``process`` of this machine that is gone is taken over at once. The id of a new run is later than that
    of the last one, also where the clock went backward.
    OutputBusy where another run holds the output; OutputError where nothing can be written, or where the
    store cannot keep two writers apart and a run that was there before has not ended.
    """

    def decide(record: LeaseRecord | None) -> LeaseRecord:
        if record is not None and owner and record.owner == owner and not record.is_released:
            return record.renewed()
        if record is None:
            check_first_use(output)
            warn_of_others(output)
        else:
            check_free(output, record)
        new = later_run_id(run_id, record.started_at) if record else run_id
        return LeaseRecord(
            run_id=new,
            host=platform.node(),
            started_at=started_at(new),
            epoch=record.epoch + 1 if record else 1,
            term_s=term_s,
            expires_at=now() + timedelta(seconds=term_s),
            owner=owner,
            process=process,
        )

    store.check_writable(output)
    stands = change(output, decide)
    assert stands is not None
    return Lease(output, stands.run_id)


@contextmanager
def held(output: str, *, term_s: float = TERM_S) -> Generator[Lease]:
    """Holds an output for work of this process that is no run over sources; errors as in ``take``."""
    lease = take(output, new_run_id(), term_s=term_s, process=this_process())
    try:
        with lease.kept():
            yield lease
    finally:
        lease.release()


def check_output(output: str) -> None:
    """Raises OutputBusy if another run holds the output, OutputError if files of others are in the way."""
    record = read_lease(output)
    if record is None:
        check_first_use(output)
    else:
        check_free(output, record)


def check_free(output: str, record: LeaseRecord) -> None:
    """Raises OutputBusy if a lease stands, OutputError if it expired where no run can safely take over."""
    if not record.is_free():
        raise OutputBusy(output, record.run_id, record.host, record.started)
    if not record.is_released and not conditional.is_supported(output):
        raise OutputError(
            f"{output}: run {record.run_id} on {record.host} has not ended, and this kind of store cannot "
            f"keep two writers apart; if that run is gone, run `clipmill unlock {output}`"
        )


def release_owned(output: str, owner: str) -> None:
    """Gives back an output that a run of ``owner`` took, under whatever id; leaves any other lease alone."""
    change(output, lambda record: _released(record, owner=owner))


def unlock(output: str) -> None:
    """Breaks the lease of an output: the run that had it publishes nothing any more."""

    def broken(record: LeaseRecord | None) -> LeaseRecord | None:
        update = {"run_id": "", "owner": "", "is_released": True}
        return record and record.model_copy(update=update)

    change(output, broken)


def _released(record: LeaseRecord | None, *, run_id: str = "", owner: str = "") -> LeaseRecord | None:
    """The lease as it is given back by a run or an owner; None where it is not theirs, or was given back."""
    if record is None or record.is_released:
        return None
    is_own = (run_id and record.run_id == run_id) or (owner and record.owner == owner)
    return record.model_copy(update={"is_released": True}) if is_own else None

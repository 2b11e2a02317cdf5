"""Leases: one run at a time, entered again by the same run, taken over after their end, broken."""

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from clipmill import layout
from clipmill.errors import Fenced, OutputBusy, OutputError, TransientStoreError
from clipmill.runs.lease import Lease, check_free, release_owned, take, unlock
from clipmill.runs.lease_file import LeaseRecord, change, now, read_lease
from clipmill.runs.process_name import this_process
from clipmill.runs.run_id import is_run_id, new_run_id, started_at
from clipmill.storage import store

SHORT_S = 0.05


def stands(output: Path | str) -> LeaseRecord:
    record = read_lease(str(output))
    assert record is not None
    return record


def test_run_ids_sort_by_time_and_say_it() -> None:
    ids = [new_run_id() for _ in range(20)]
    assert sorted(ids) == ids
    assert len(set(ids)) == 20
    assert all(map(is_run_id, ids))
    assert f"{started_at('20261129T210000.123456Z-1f2e3d4c'):%H:%M:%S.%f %Z}" == "21:00:00.123456 UTC"
    assert not is_run_id("dedup")


def test_a_run_is_later_than_the_last_one_where_the_clock_went_backward(output: Path) -> None:
    last = take(str(output), "20991231T235959.999999Z-1f2e3d4c")
    last.release()
    next_one = take(str(output), new_run_id())
    assert next_one.run_id > last.run_id
    assert is_run_id(next_one.run_id)
    assert started_at(next_one.run_id).year == 2100
    assert stands(output).run_id == next_one.run_id


def test_a_second_run_is_refused_with_the_first_ones_name_host_and_start(output: Path) -> None:
    first = new_run_id()
    take(str(output), first)
    record = stands(output)
    with pytest.raises(OutputBusy) as caught:
        take(str(output), new_run_id())
    message = str(caught.value)
    assert "\n" not in message
    for part in (
        first,
        record.host,
        f"{started_at(first):%Y-%m-%d %H:%M:%S} UTC",
        f"clipmill unlock {output}",
    ):
        assert part in message
    assert stands(output) == record


def test_one_of_many_runs_at_once_takes_an_output(output: Path) -> None:
    def taken(run_id: str) -> bool:
        try:
            take(str(output), run_id)
        except OutputBusy:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(taken, [new_run_id() for _ in range(8)])) == 1


def test_steps_of_the_run_enter_again(output: Path) -> None:
    lease = take(str(output), new_run_id())
    Lease(str(output), lease.run_id).enter()
    Lease(str(output), lease.run_id).hold()
    assert stands(output).epoch == 1


def test_a_lease_that_was_given_back_is_free_and_the_next_epoch_begins(output: Path) -> None:
    take(str(output), new_run_id()).release()
    second = take(str(output), new_run_id())
    assert (stands(output).run_id, stands(output).epoch) == (second.run_id, 2)


def test_an_expired_lease_is_taken_over_and_its_run_is_fenced(output: Path) -> None:
    first = take(str(output), new_run_id(), term_s=SHORT_S)
    time.sleep(2 * SHORT_S)
    second = take(str(output), new_run_id())
    assert stands(output).epoch == 2
    for step in (first.enter, first.hold):
        with pytest.raises(Fenced, match=f"run {second.run_id} .* has taken it"):
            step()
    first.release()
    assert stands(output).run_id == second.run_id
    assert not stands(output).is_released


def test_a_run_that_nobody_replaced_goes_on_after_its_lease_expired(output: Path) -> None:
    lease = take(str(output), new_run_id(), term_s=SHORT_S)
    time.sleep(2 * SHORT_S)
    lease.hold()
    assert stands(output).epoch == 1


def test_a_recovered_run_enters_what_its_failure_gave_back(output: Path) -> None:
    lease = take(str(output), new_run_id())
    lease.release()
    with pytest.raises(Fenced, match="it has ended"):
        lease.hold()
    lease.enter()
    lease.hold()
    with pytest.raises(OutputBusy):
        take(str(output), new_run_id())


def test_a_first_step_that_is_tried_again_gets_the_first_tries_run(output: Path) -> None:
    first = take(str(output), new_run_id(), owner="films/production/f1")
    again = take(str(output), new_run_id(), owner="films/production/f1")
    assert again.run_id == first.run_id
    with pytest.raises(OutputBusy):
        take(str(output), new_run_id(), owner="films/production/f2")
    first.release()
    assert take(str(output), new_run_id(), owner="films/production/f1").run_id != first.run_id


def test_a_failure_handler_gives_back_only_what_its_own_run_took(output: Path) -> None:
    take(str(output), new_run_id(), owner="f1")
    release_owned(str(output), "f2")
    release_owned(str(output), "")
    assert not stands(output).is_released
    release_owned(str(output), "f1")
    assert stands(output).is_released


def test_a_lease_is_renewed_while_a_step_works(output: Path) -> None:
    lease = take(str(output), new_run_id(), term_s=0.3)
    with lease.kept():
        for _ in range(8):
            time.sleep(0.1)
            with pytest.raises(OutputBusy):
                take(str(output), new_run_id())


def test_a_step_learns_in_the_background_that_its_run_is_fenced(output: Path) -> None:
    lease = take(str(output), new_run_id(), term_s=0.15)
    with lease.kept():
        lease.check()
        unlock(str(output))
        until_s = time.monotonic() + 5
        while time.monotonic() < until_s and not lease._lost:
            time.sleep(0.02)
        with pytest.raises(Fenced, match="it was unlocked"):
            lease.check()


def test_a_broken_lease_is_free_and_fences_the_run_that_had_it(output: Path) -> None:
    first = take(str(output), new_run_id(), owner="f1")
    unlock(str(output))
    with pytest.raises(Fenced, match="it was unlocked"):
        first.hold()
    assert take(str(output), new_run_id(), owner="f1").run_id != first.run_id
    assert stands(output).epoch == 2


def test_a_deleted_lease_fences_the_run_that_had_it(output: Path) -> None:
    lease = take(str(output), new_run_id())
    store.delete(layout.lease_path(str(output)))
    with pytest.raises(Fenced, match=r"lease\.json is gone"):
        lease.hold()
    lease.release()
    assert read_lease(str(output)) is None


def test_tasks_that_renew_at_once_do_not_fence_each_other(output: Path) -> None:
    lease = take(str(output), new_run_id())
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: lease.enter(), range(40)))
    assert stands(output).run_id == lease.run_id


def test_a_damaged_lease_is_named(output: Path) -> None:
    store.put_bytes(layout.lease_path(str(output)), b"{")
    with pytest.raises(OutputError, match=r"lease\.json is damaged: delete it"):
        take(str(output), new_run_id())


def test_an_output_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(b"")
    with pytest.raises(OutputError, match="cannot write to"):
        take(str(tmp_path / "out"), new_run_id())


def test_a_writer_that_never_gets_its_turn_gives_up(output: Path) -> None:
    """Another writer changes the file each time between reading and writing it."""
    lease = take(str(output), new_run_id())
    path = Path(layout.lease_path(str(output)))

    def meddled(record: LeaseRecord | None) -> LeaseRecord | None:
        path.write_text(path.read_text() + "\n")
        return record and record.model_copy(update={"host": "elsewhere"})

    with pytest.raises(TransientStoreError, match="met other writers"):
        change(str(output), meddled)
    lease.hold()


@pytest.fixture
def memory(request: pytest.FixtureRequest) -> str:
    return f"memory://{request.node.name}"


def test_a_store_without_conditions_takes_one_run_after_the_other(memory: str) -> None:
    take(memory, new_run_id()).release()
    lease = take(memory, new_run_id())
    lease.hold()
    with pytest.raises(OutputBusy):
        take(memory, new_run_id())


def test_a_store_without_conditions_lets_no_run_take_over(memory: str) -> None:
    take(memory, new_run_id(), term_s=SHORT_S)
    time.sleep(2 * SHORT_S)
    with pytest.raises(OutputError, match=r"cannot keep two writers apart.*clipmill unlock"):
        take(memory, new_run_id())
    unlock(memory)
    take(memory, new_run_id())


def test_a_standing_lease_is_looked_at_without_being_taken(output: Path) -> None:
    lease = take(str(output), new_run_id())
    with pytest.raises(OutputBusy):
        check_free(str(output), stands(output))
    lease.release()
    check_free(str(output), stands(output))


def test_the_lease_of_a_killed_process_of_this_machine_is_taken_over_at_once(output: Path) -> None:
    code = f"""
import os, signal
from clipmill.runs.lease import take
from clipmill.runs.process_name import this_process
take({str(output)!r}, "20261129T210000.123456Z-1f2e3d4c", process=this_process())
os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", code], check=False)
    assert stands(output).expires_at > now()
    take(str(output), new_run_id(), process=this_process())
    assert stands(output).epoch == 2
    with pytest.raises(OutputBusy):
        take(str(output), new_run_id())

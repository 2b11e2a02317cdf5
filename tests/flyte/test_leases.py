"""Workflows take their output, hand the run's id on, and give the output back however they end."""

import json
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from flytekit import FlyteContextManager
from flytekit.models.core.identifier import WorkflowExecutionIdentifier

from clipmill.dataset.run_record import latest_run
from clipmill.errors import OutputBusy
from clipmill.limits import LimitsSpec
from clipmill.runs.lease import take
from clipmill.runs.lease_file import LeaseRecord, read_lease
from clipmill.runs.run_id import is_run_id, new_run_id
from tasks.leases import first_step, holder_of, release_failed, run_step
from tasks.specs import Deduplication
from tests.support.runs.dedup_runs import write
from workflows.dedup import dedup

SPEC = Deduplication(eps=0.1)


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Flyte keeps its local cache there."""
    monkeypatch.setenv("HOME", str(tmp_path))


def stands(output: Path) -> LeaseRecord:
    record = read_lease(str(output))
    assert record is not None
    return record


def run(embeddings: Path, output: Path, spec: Deduplication = SPEC) -> str:
    return dedup(embeddings=str(embeddings), output=str(output), spec=spec)


def test_a_run_that_only_deduplicates_gives_the_output_back(embeddings: Path, output: Path) -> None:
    uri = run(embeddings, output)
    assert len(pq.read_table(uri)) == 24
    assert stands(output).is_released
    assert not [path for path in (output / "work").iterdir() if is_run_id(path.name)]
    run(embeddings, output)
    assert (stands(output).epoch, stands(output).is_released) == (2, True)


def test_a_run_that_fails_gives_the_output_back(tmp_path: Path, output: Path) -> None:
    write(tmp_path / "faulty" / "a.parquet", ["a", "b"], [[1.0, 0.0], [float("nan"), 0.0]])
    with pytest.raises(Exception, match="id b"):
        run(tmp_path / "faulty", output)
    assert (stands(output).epoch, stands(output).is_released) == (1, True)


def test_a_second_run_is_refused_and_leaves_the_first_ones_lease(embeddings: Path, output: Path) -> None:
    first = take(str(output), new_run_id())
    with pytest.raises(Exception, match=f"run {first.run_id} .* has been writing"):
        run(embeddings, output)
    assert (stands(output).run_id, stands(output).is_released) == (first.run_id, False)
    assert not (output / "dedup").exists()


@contextmanager
def execution(name: str) -> Generator[None]:
    """What flytekit knows within a task of that execution on a cluster."""
    context = FlyteContextManager.current_context()
    builder = context.user_space_params.new_builder(context.user_space_params)
    builder.execution_id = WorkflowExecutionIdentifier("films", "production", name)
    state = context.new_execution_state().with_params(user_space_params=builder.build())
    with FlyteContextManager.with_context(context.with_execution_state(state)):
        yield


def test_on_a_cluster_the_execution_holds_the_output_for_a_day(output: Path) -> None:
    with execution("f1"), first_step(str(output), LimitsSpec()) as lease:
        pass
    record = stands(output)
    assert (record.owner, record.process, record.term_s) == ("films/production/f1", "", 24 * 3600)
    with execution("f1"), run_step(str(output), lease.run_id):
        pass
    with execution("f2"), pytest.raises(OutputBusy), first_step(str(output), LimitsSpec()):
        pass


def test_a_first_task_that_is_tried_again_goes_on_with_its_run(output: Path) -> None:
    with execution("f1"), first_step(str(output), LimitsSpec(lease_hours=2)) as first:
        pass
    with execution("f1"), first_step(str(output), LimitsSpec()) as again:
        pass
    assert again.run_id == first.run_id
    assert stands(output).term_s == 2 * 3600


def test_the_failure_handler_of_an_execution_gives_back_what_that_took(output: Path) -> None:
    with execution("f1"), first_step(str(output), LimitsSpec()):
        pass
    with execution("f2"):
        release_failed(str(output), node="n3", message="of another run")
        assert f"run {stands(output).run_id}" in holder_of(str(output))
    assert not stands(output).is_released
    with execution("f1"):
        assert holder_of(str(output)) == ""
        release_failed(str(output), node="n3", message="the store is gone")
    assert stands(output).is_released
    (path,) = output.glob("runs/*/failure.json")
    failure = json.loads(path.read_text())
    assert (failure["run_id"], failure["node"]) == (path.parent.name, "n3")
    assert (failure["execution"], failure["message"]) == ("films/production/f1", "the store is gone")
    assert latest_run(str(output)) == ""

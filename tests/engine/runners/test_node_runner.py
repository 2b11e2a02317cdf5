"""A stage's calls: batches over chunks, failures that cost their own item, a stage that is broken."""

import asyncio
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from clipmill.engine.chunk import Chunk
from clipmill.engine.runners.context import Shared, WorkerContext
from clipmill.engine.runners.node_runner import SYSTEMATIC_ITEMS, NodeRunner, open_worker
from clipmill.engine.runners.stage_group import StageGroup
from clipmill.errors import ModelUnavailable, SpecError, StageBroken, StoreError
from clipmill.machine import num_cores
from clipmill.stages.base import Batch, Failed, Resources, Results, StageContext, Worker
from tests.support.stages.engine_stages import (
    KEY,
    Scorer,
    chunk_of,
    clip_id,
    column,
    context_of,
    scorer_plan,
    scores,
)

Answers = Callable[[Batch], object]


def runner(worker: Answers, stage: Scorer | None = None) -> NodeRunner:
    made = scorer_plan(stage)
    return NodeRunner(made.by_key[KEY], made, context_of(made), worker)  # pyright: ignore[reportArgumentType] some answer badly


def run(worker: Answers, *chunks: Chunk, stage: Scorer | None = None) -> list[Chunk]:
    return runner(worker, stage)(chunks)


class Counting:
    """Notes the ids of each call; cannot do the clips of ``bad``."""

    def __init__(self, *bad: int) -> None:
        self.calls: list[int] = []
        self._bad = {clip_id(index) for index in bad}

    def __call__(self, batch: Batch) -> Mapping[str, Sequence[object]]:
        self.calls.append(len(batch))
        if self._bad & set(batch.ids):
            raise ArithmeticError("no such number")
        return scores(batch)


def test_items_of_several_chunks_share_batches() -> None:
    worker = Counting()
    chunks = run(worker, chunk_of(3), chunk_of(3, first=3))
    assert worker.calls == [4, 2]
    assert [column(chunk, "score") for chunk in chunks] == [[0.5] * 3] * 2


def test_a_batch_that_fails_is_tried_item_by_item() -> None:
    worker = Counting(1)
    (chunk,) = run(worker, chunk_of(4))
    assert worker.calls == [4, 1, 1, 1, 1]
    assert column(chunk, "outcome") == ["result", "retryable", "result", "result"]
    assert column(chunk, "score") == [0.5, None, 0.5, 0.5]


def test_a_failure_names_stage_and_error_with_its_traceback() -> None:
    (chunk,) = run(Counting(0), chunk_of(1))
    assert column(chunk, "reason") == ["stage_error"]
    message = str(column(chunk, "message")[0])
    assert message.startswith("stage scorer: ArithmeticError: no such number\n")
    assert "in __call__" in message


def test_an_answer_that_does_not_fit_is_a_failure_with_the_name_of_the_stage(
    caplog: pytest.LogCaptureFixture,
) -> None:
    (chunk,) = run(lambda batch: {"score": [0.5]}, chunk_of(2))
    assert column(chunk, "outcome") == ["retryable"] * 2
    assert column(chunk, "reason") == ["bad_result"] * 2
    message = "stage scorer: column score has 1 values for 2 items"
    assert column(chunk, "message") == [message] * 2
    assert message in caplog.messages


def test_a_stage_may_say_which_items_failed() -> None:
    dark = Results({"score": [None, 0.5]}, {0: Failed("final", "dark", "too dark")})
    (chunk,) = run(lambda _: dark, chunk_of(2))
    assert column(chunk, "outcome") == ["final", "result"]
    assert column(chunk, "reason") == ["dark", None]


@pytest.mark.parametrize(
    "worker",
    [
        Counting(*range(SYSTEMATIC_ITEMS)),
        lambda _: {"scores": []},
        lambda batch: {"score": [float("nan")] * len(batch)},
    ],
    ids=["error", "answer", "nan"],
)
def test_many_failures_in_a_row_are_a_broken_stage(worker: Answers) -> None:
    with pytest.raises(StageBroken, match=f"stage scorer is broken: {SYSTEMATIC_ITEMS} items in a row"):
        run(worker, chunk_of(SYSTEMATIC_ITEMS))


def test_the_row_of_failures_goes_on_over_chunks() -> None:
    broken = runner(Counting(*range(SYSTEMATIC_ITEMS)))
    broken([chunk_of(SYSTEMATIC_ITEMS - 1)])
    with pytest.raises(StageBroken, match="no such number"):
        broken([chunk_of(1, first=SYSTEMATIC_ITEMS - 1)])


def test_a_success_ends_the_row_of_failures() -> None:
    bad = [index for index in range(2 * SYSTEMATIC_ITEMS) if index != SYSTEMATIC_ITEMS - 1]
    (chunk,) = run(Counting(*bad), chunk_of(2 * SYSTEMATIC_ITEMS - 2))
    assert column(chunk, "outcome").count("result") == 1


class PanicException(BaseException):
    """What libraries in Rust raise."""


@pytest.mark.parametrize("error", [SystemExit, asyncio.CancelledError, PanicException])
def test_an_error_that_is_no_exception_costs_one_item(error: type[BaseException]) -> None:
    def leaves(batch: Batch) -> Mapping[str, Sequence[object]]:
        if clip_id(0) in batch.ids:
            raise error("the licence has run out")
        return scores(batch)

    (chunk,) = run(leaves, chunk_of(2))
    assert column(chunk, "outcome") == ["retryable", "result"]
    assert column(chunk, "message")[0].startswith(f"stage scorer: {error.__name__}: the licence has run out")


def test_a_stage_reads_files_by_the_paths_of_columns(tmp_path: Path) -> None:
    made = scorer_plan()
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "a.mp4").write_bytes(b"film")
    context = WorkerContext(made.by_key[KEY], Shared(), output_uri=str(tmp_path))
    assert context.get("clips/a.mp4") == b"film"
    for path in ("../outside", "/etc/hosts"):
        with pytest.raises(SpecError, match="would lie outside of the output"):
            context.get(path)
    with pytest.raises(SpecError, match="the run writes no files"):
        WorkerContext(made.by_key[KEY], Shared(), output_uri=None).get("clips/a.mp4")


class Wide(Scorer):
    """Computes with several threads."""

    def resources(self) -> Resources:
        """Returns more cores than any machine has."""
        return Resources(cpus=1 << 20)


def test_a_stage_may_use_the_cores_that_it_asks_for() -> None:
    for stage, threads in ((Scorer(), 1), (Wide(), num_cores())):
        made = scorer_plan(stage)
        node = made.by_key[KEY]
        assert StageGroup([node], made).context_of(node).num_threads == threads


class Opened(Scorer):
    """Scores each clip."""

    def open(self, context: StageContext) -> Worker:
        return scores


class Unreachable:
    """Looks for copies in a store that does not answer."""

    key = "embedding"

    def __call__(self, rows: pa.Table) -> frozenset[str]:
        """Raises the store's error."""
        raise StoreError("s3://curated/dedup/known.json", "503")


def test_no_clip_waits_where_earlier_clips_cannot_be_read(caplog: pytest.LogCaptureFixture) -> None:
    made = scorer_plan(Opened())
    node = replace(made.by_key[KEY], is_late=True)
    group = StageGroup([node], replace(made, nodes=(node,), copies=Unreachable()))
    rows = pa.table({"id": [clip_id(0)]})
    with caplog.at_level(logging.WARNING):
        [done] = group([replace(chunk_of(1), made={"embedding": rows})])
    assert (done.copies, column(done, "outcome")) == (frozenset(), ["result"])
    assert [record.getMessage() for record in caplog.records] == [
        "copies of earlier clips are not looked for: s3://curated/dedup/known.json: 503"
    ]


def test_failures_that_the_stage_names_break_nothing() -> None:
    dark = Failed("final", "dark", "too dark")
    (chunk,) = run(
        lambda batch: Results({}, dict.fromkeys(range(len(batch)), dark)), chunk_of(2 * SYSTEMATIC_ITEMS)
    )
    assert column(chunk, "outcome") == ["final"] * 2 * SYSTEMATIC_ITEMS


def test_rules_judge_the_new_rows() -> None:
    (chunk,) = run(scores, chunk_of(1), stage=Scorer(threshold=0.75))
    assert chunk.rejected[clip_id(0)].message == "score 0.5 is below 0.75"


def test_items_with_rows_are_not_asked_again() -> None:
    worker = Counting()
    again = runner(worker)
    (chunk,) = again([chunk_of(2)])
    assert again([chunk]) == [chunk]
    assert worker.calls == [2]


def test_files_that_a_stage_puts_stay_with_the_chunk() -> None:
    made = scorer_plan()
    context = context_of(made)

    def puts(batch: Batch) -> Mapping[str, Sequence[object]]:
        for one in batch.ids:
            context.put("note", one, b"seen")
        return scores(batch)

    put = NodeRunner(made.by_key[KEY], made, context, puts)
    first, second = put([chunk_of(1)]), put([chunk_of(1, first=1)])
    assert [dict(chunk.files) for chunk in (*first, *second)] == [
        {f"notes/{clip_id(index)}.txt": b"seen"} for index in range(2)
    ]


@pytest.mark.parametrize(
    ("data", "place", "said"),
    [
        ("seen", {}, f"stage {KEY} puts str: give bytes, or the Path of a file"),
        (Path("/nowhere/note.txt"), {}, f"stage {KEY} puts /nowhere/note.txt, which is no file"),
        (Path("/"), {}, f"stage {KEY} puts /, which is no file"),
        (b"seen", {"page": 1}, "the path of note has no {page}: notes/{clip_id}.txt"),
    ],
)
def test_what_is_put_wrongly_is_the_stages_fault(data: Any, place: dict[str, int], said: str) -> None:  # noqa: ANN401 - what no type checker lets through
    made = scorer_plan()
    context = context_of(made)

    def puts(batch: Batch) -> Mapping[str, Sequence[object]]:
        context.put("note", batch.ids[0], data, **place)
        return scores(batch)

    with pytest.raises(StageBroken, match=re.escape(said)):
        NodeRunner(made.by_key[KEY], made, context, puts)([chunk_of(SYSTEMATIC_ITEMS)])


class Broken(Scorer):
    """Cannot be opened."""

    raised: str = ""

    def open(self, context: StageContext) -> Worker:
        if self.raised == "error":
            raise ImportError("no module named nothing")
        if self.raised == "weights":
            raise ModelUnavailable("clip", "models", "there is none", "fetch it")
        return 5  # pyright: ignore[reportReturnType] a stage may return anything


@pytest.mark.parametrize(
    ("raised", "kind", "message"),
    [
        ("error", StageBroken, r"open\(\) raised ImportError: no module named nothing"),
        ("weights", ModelUnavailable, "model clip at models"),
        ("", StageBroken, r"open\(\) returned int, which cannot be called"),
    ],
    ids=["error", "weights", "no worker"],
)
def test_a_stage_that_does_not_open_stops_the_run(raised: str, kind: type[Exception], message: str) -> None:
    made = scorer_plan(Broken(raised=raised))
    with pytest.raises(kind, match=message):
        open_worker(made.by_key[KEY], context_of(made))

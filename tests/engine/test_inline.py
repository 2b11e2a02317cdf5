"""The inline engine: several workers for an operator, bounded rows between them, errors told."""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import pytest

from clipmill.engine.channel import Channel, TornDown
from clipmill.engine.chunk import Chunk
from clipmill.engine.graph import OperatorNode
from clipmill.engine.inline import run_inline
from clipmill.engine.work import Work
from clipmill.records import SourceFile
from tests.support.hand_made import FACTS

WAIT_S = 20.0
"""Longest wait for something that must happen; never waited for in full."""


@dataclass
class Step:
    """An operator that does ``act`` with each batch and hands its chunks on."""

    act: Callable[[Sequence[Chunk]], None]
    name: str = "step"

    def __call__(self, chunks: Sequence[Chunk]) -> Iterator[Chunk]:
        self.act(chunks)
        yield from chunks


@dataclass
class Seen:
    """What the workers of a node were handed, and by how many operators it was taken."""

    batches: list[list[str]] = field(default_factory=list)
    num_made: int = 0

    def node(
        self, act: Callable[[], None] = lambda: None, *, batch_size: int = 1, workers: int = 1
    ) -> OperatorNode:
        def work(chunks: Sequence[Chunk]) -> None:
            self.batches.append([chunk.work.video_id for chunk in chunks])
            act()

        def make() -> Step:
            self.num_made += 1
            return Step(work)

        return OperatorNode("step", make, batch_size=batch_size, num_cpus=0.25, max_workers=workers)


@pytest.fixture
def chunks() -> list[Chunk]:
    sources = [SourceFile(f"{number}.mp4", 1, str(number)) for number in range(8)]
    return [Chunk(Work(source, source.uri, FACTS)) for source in sources]


def test_every_chunk_comes_out_once(chunks: list[Chunk]) -> None:
    nodes = [Seen().node(workers=3), Seen().node(workers=2)]
    assert sorted(one.work.video_id for one in run_inline(nodes, chunks)) == names(chunks)


def test_workers_of_an_operator_work_at_the_same_time(chunks: list[Chunk]) -> None:
    together = threading.Barrier(2)
    seen = Seen()
    node = seen.node(lambda: together.wait(WAIT_S) and None, workers=2)
    assert len(list(run_inline([node], chunks[:2]))) == 2
    assert seen.num_made == 2


def test_operators_work_at_the_same_time(chunks: list[Chunk]) -> None:
    together = threading.Barrier(2)
    first, second = Seen(), Seen()

    def meet_the_second() -> None:
        if len(first.batches) == 2:
            together.wait(WAIT_S)

    def meet_the_first() -> None:
        if len(second.batches) == 1:
            together.wait(WAIT_S)

    assert len(list(run_inline([first.node(meet_the_second), second.node(meet_the_first)], chunks))) == 8


def test_an_operator_that_is_to_be_alone_is_made_once(chunks: list[Chunk]) -> None:
    seen = Seen()
    list(run_inline([seen.node(workers=3)], chunks, one_worker={"step"}))
    assert seen.num_made == 1


def test_operators_are_made_one_at_a_time(chunks: list[Chunk]) -> None:
    together, num_met = threading.Barrier(2), 0
    both_work = threading.Barrier(2)

    def make() -> Step:
        nonlocal num_met
        try:
            together.wait(0.1)
            num_met += 1
        except threading.BrokenBarrierError:
            together.reset()
        return Step(lambda _: both_work.wait(WAIT_S) and None)

    node = OperatorNode("step", make, batch_size=1, num_cpus=0.25, max_workers=2)
    assert len(list(run_inline([node], chunks[:2]))) == 2
    assert num_met == 0


def test_an_operator_without_work_is_not_made() -> None:
    seen = Seen()
    assert list(run_inline([seen.node()], [])) == []
    assert seen.num_made == 0


def test_a_batch_holds_what_waits_and_no_more_than_asked_for(chunks: list[Chunk]) -> None:
    seen = Seen()
    list(run_inline([seen.node(batch_size=3)], chunks))
    assert all(1 <= len(batch) <= 3 for batch in seen.batches)
    assert sorted(name for batch in seen.batches for name in batch) == names(chunks)


def test_what_an_operator_raises_is_raised_here(chunks: list[Chunk]) -> None:
    def fail() -> None:
        raise ValueError("no such picture")

    with pytest.raises(ValueError, match="no such picture"):
        list(run_inline([Seen().node(fail, workers=2), Seen().node()], chunks))
    assert no_worker_is_left()


def test_what_the_source_of_chunks_raises_is_raised_here() -> None:
    def broken() -> Iterator[Chunk]:
        raise OSError("the list ends here")
        yield

    with pytest.raises(OSError, match="the list ends here"):
        list(run_inline([Seen().node()], broken()))


def test_a_run_that_is_given_up_leaves_no_worker(chunks: list[Chunk]) -> None:
    run = run_inline([Seen().node(workers=2), Seen().node()], chunks)
    next(run)
    run.close()
    assert no_worker_is_left()


def test_a_slow_reader_keeps_the_operators_waiting(chunks: list[Chunk]) -> None:
    """One chunk in each channel, one in each hand: no more of the eight are ever on their way."""
    seen = Seen()
    run = run_inline([seen.node(), Seen().node()], chunks)
    next(run)
    threading.Event().wait(0.2)
    assert len(seen.batches) <= 5
    assert len(list(run)) == 7


def test_a_channel_ends_with_its_last_sender() -> None:
    channel = Channel[int](capacity=4, num_senders=2)
    channel.send(1)
    channel.sender_done()
    channel.send(2)
    channel.sender_done()
    assert list(channel) == [1, 2]


def test_a_channel_that_is_torn_down_wakes_who_waits() -> None:
    channel = Channel[int](capacity=1, num_senders=1)
    channel.send(1)
    threading.Timer(0.05, channel.tear_down).start()
    with pytest.raises(TornDown):
        channel.send(2)


def names(chunks: Sequence[Chunk]) -> list[str]:
    return [chunk.work.video_id for chunk in chunks]


def no_worker_is_left() -> bool:
    return not [thread for thread in threading.enumerate() if thread.name.startswith("clipmill-")]

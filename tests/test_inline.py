"""The inline engine: several workers for an operator, bounded rows between them, errors told."""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import pytest

from clipmill.records import SourceFile, VideoFacts, WorkItem
from clipmill.streaming.channel import Channel, TornDown
from clipmill.streaming.chunks import empty_task
from clipmill.streaming.graph import Node
from clipmill.streaming.inline import run_inline
from clipmill.streaming.parcel import Parcel

WAIT_S = 20.0
"""Longest wait for something that must happen; never waited for in full."""


@dataclass
class Step:
    """An operator that does ``act`` with each batch and hands its parcels on."""

    act: Callable[[Sequence[Parcel]], None]
    name: str = "step"

    def __call__(self, parcels: Sequence[Parcel]) -> Iterator[Parcel]:
        self.act(parcels)
        yield from parcels


@dataclass
class Seen:
    """What the workers of a node were handed, and by how many operators it was taken."""

    batches: list[list[str]] = field(default_factory=list)
    num_made: int = 0

    def node(self, act: Callable[[], None] = lambda: None, *, batch_size: int = 1, workers: int = 1) -> Node:
        def work(parcels: Sequence[Parcel]) -> None:
            self.batches.append([parcel.item.video_id for parcel in parcels])
            act()

        def make() -> Step:
            self.num_made += 1
            return Step(work)

        return Node("step", make, batch_size=batch_size, num_cpus=0.25, max_workers=workers)


@pytest.fixture
def parcels() -> list[Parcel]:
    facts = VideoFacts(
        container="mp4",
        video_codec="h264",
        pixel_format="yuv420p",
        width_px=64,
        height_px=36,
        rotation_deg=0,
        sar=Fraction(1),
        framerate=Fraction(25),
        time_base=Fraction(1, 25),
        duration_s=1.0,
        num_frames=25,
        bit_rate_k=1,
    )
    sources = [SourceFile(f"{number}.mp4", 1, str(number)) for number in range(8)]
    items = [WorkItem(source, source.uri, facts, frozenset({"split"})) for source in sources]
    return [Parcel(item, empty_task(item)) for item in items]


def test_every_parcel_comes_out_once(parcels: list[Parcel]) -> None:
    nodes = [Seen().node(workers=3), Seen().node(workers=2)]
    assert sorted(one.item.video_id for one in run_inline(nodes, parcels)) == names(parcels)


def test_workers_of_an_operator_work_at_the_same_time(parcels: list[Parcel]) -> None:
    together = threading.Barrier(2)
    seen = Seen()
    node = seen.node(lambda: together.wait(WAIT_S) and None, workers=2)
    assert len(list(run_inline([node], parcels[:2]))) == 2
    assert seen.num_made == 2


def test_operators_work_at_the_same_time(parcels: list[Parcel]) -> None:
    together = threading.Barrier(2)
    first, second = Seen(), Seen()

    def meet_the_second() -> None:
        if len(first.batches) == 2:
            together.wait(WAIT_S)

    def meet_the_first() -> None:
        if len(second.batches) == 1:
            together.wait(WAIT_S)

    assert len(list(run_inline([first.node(meet_the_second), second.node(meet_the_first)], parcels))) == 8


def test_an_operator_that_is_to_be_alone_is_made_once(parcels: list[Parcel]) -> None:
    seen = Seen()
    list(run_inline([seen.node(workers=3)], parcels, one_worker={"step"}))
    assert seen.num_made == 1


def test_operators_are_made_one_at_a_time(parcels: list[Parcel]) -> None:
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

    node = Node("step", make, batch_size=1, num_cpus=0.25, max_workers=2)
    assert len(list(run_inline([node], parcels[:2]))) == 2
    assert num_met == 0


def test_an_operator_without_work_is_not_made() -> None:
    seen = Seen()
    assert list(run_inline([seen.node()], [])) == []
    assert seen.num_made == 0


def test_a_batch_holds_what_waits_and_no_more_than_asked_for(parcels: list[Parcel]) -> None:
    seen = Seen()
    list(run_inline([seen.node(batch_size=3)], parcels))
    assert all(1 <= len(batch) <= 3 for batch in seen.batches)
    assert sorted(name for batch in seen.batches for name in batch) == names(parcels)


def test_what_an_operator_raises_is_raised_here(parcels: list[Parcel]) -> None:
    def fail() -> None:
        raise ValueError("no such picture")

    with pytest.raises(ValueError, match="no such picture"):
        list(run_inline([Seen().node(fail, workers=2), Seen().node()], parcels))
    assert no_worker_is_left()


def test_what_the_source_of_parcels_raises_is_raised_here() -> None:
    def broken() -> Iterator[Parcel]:
        raise OSError("the list ends here")
        yield

    with pytest.raises(OSError, match="the list ends here"):
        list(run_inline([Seen().node()], broken()))


def test_a_run_that_is_given_up_leaves_no_worker(parcels: list[Parcel]) -> None:
    run = run_inline([Seen().node(workers=2), Seen().node()], parcels)
    next(run)
    run.close()
    assert no_worker_is_left()


def test_a_slow_reader_keeps_the_operators_waiting(parcels: list[Parcel]) -> None:
    """One parcel in each channel, one in each hand: no more of the eight are ever on their way."""
    seen = Seen()
    run = run_inline([seen.node(), Seen().node()], parcels)
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


def names(parcels: Sequence[Parcel]) -> list[str]:
    return [parcel.item.video_id for parcel in parcels]


def no_worker_is_left() -> bool:
    return not [thread for thread in threading.enumerate() if thread.name.startswith("clipmill-")]

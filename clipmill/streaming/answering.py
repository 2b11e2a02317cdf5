"""Answers to the windows of a batch of parcels, and parcels that go on as soon as theirs are complete."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

from clipmill.models.captioner import Caption
from clipmill.streaming.customs import Customs
from clipmill.streaming.parcel import Parcel
from clipmill.streaming.stopwatch import Stopwatch
from clipmill.streaming.windows import windows_of
from clipmill.video import Clip, Window

Request = TypeVar("Request")
Ask = Callable[[Mapping[str, Callable[[], Request]]], Iterator[Caption]]
"""Window id -> how its request is made; out come the answers in any order."""


def answered(
    parcels: Sequence[Parcel],
    stage: str,
    *,
    ask: Ask[Request],
    request: Callable[[Parcel, Clip, Window, str], Callable[[], Request] | Caption],
    take: Callable[[Window, Caption], None],
    customs: Customs,
) -> Iterator[Parcel]:
    """The parcels, in the order in which their windows are done; those that do not miss ``stage`` first.

    ``request`` says what is to be asked of a window, or answers for it where there is nothing to ask;
    ``take`` gives the window its answer.
    """
    watches = [Stopwatch(stage, parcel.item.video_id) for parcel in parcels]
    owners: dict[str, tuple[int, Window]] = {}
    requests: dict[str, Callable[[], Request]] = {}
    for index, parcel in enumerate(parcels):
        for clip, window, window_id in windows_of(parcel) if stage in parcel.item.missing else ():
            owners[window_id] = (index, window)
            wanted = request(parcel, clip, window, window_id)
            if isinstance(wanted, Caption):
                take(window, wanted)
            else:
                requests[window_id] = wanted

    def done(index: int) -> Parcel:
        parcel = customs(parcels[index])
        return parcel.measured(watches[index].lap(parcel.task.data.clip_chunk_index))

    num_open = Counter(owners[window_id][0] for window_id in requests)
    yield from (done(index) for index in range(len(parcels)) if not num_open[index])
    for answer in ask(requests):
        index, window = owners[answer.window_id]
        take(window, answer)
        num_open[index] -= 1
        if not num_open[index]:
            yield done(index)

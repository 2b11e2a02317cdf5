"""The graph run in this process, without Ray: for tests, small jobs and plain pods. Same results."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from clipmill.streaming.graph import Node
from clipmill.streaming.parcel import Parcel


def run_inline(nodes: Sequence[Node], parcels: Iterable[Parcel]) -> Iterator[Parcel]:
    """Pull parcels through the operators, one chunk after the other."""
    stream: Iterator[Parcel] = iter(parcels)
    for node in nodes:
        stream = _through(node, stream)
    return stream


def _through(node: Node, parcels: Iterator[Parcel]) -> Iterator[Parcel]:
    operator = node.make()
    while batch := list(islice(parcels, node.batch_size)):
        yield from operator(batch)

"""What every operator is: chunks in, chunks out."""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from clipmill.engine.chunk import Chunk


class Operator(Protocol):
    """One step of the run; made in its worker process."""

    def __call__(self, chunks: Sequence[Chunk]) -> Iterator[Chunk]:
        """Works on a batch; gives chunks on as soon as they are ready."""
        ...


def worked_on(operator: Callable[[], Operator], chunks: Sequence[Chunk]) -> Iterator[Chunk]:
    """Yields what an operator makes of a batch; marks pass it as they are, before the rest.

    ``operator`` gives it; it is asked for nothing that only marks need.
    """
    yield from (chunk for chunk in chunks if chunk.mark)
    if batch := [chunk for chunk in chunks if not chunk.mark]:
        yield from operator()(batch)

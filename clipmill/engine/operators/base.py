"""What every operator is: chunks in, chunks out."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from clipmill.engine.chunk import Chunk


class Operator(Protocol):
    """One step of the run; made in its worker process."""

    def __call__(self, chunks: Sequence[Chunk]) -> Iterator[Chunk]:
        """Works on a batch; gives chunks on as soon as they are ready."""
        ...

"""What an operator is, chunks in and chunks out, and the operator of fused stages."""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from clipmill.engine.chunk import Chunk
from clipmill.engine.groups import Group, behind
from clipmill.engine.runners.stage_group import StageGroup
from clipmill.planning.plan import Plan


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


class StagesOperator:
    """Runs the stages of one group; samples that no later stage reads go no further."""

    def __init__(self, plan: Plan, groups: Sequence[Group], place: int, gpu_share: float) -> None:
        group = groups[place]
        self._keeps_samples = plan.output is None
        self._later = behind(groups, place)
        self._stages = StageGroup(group.nodes, plan, gpu_share=gpu_share)

    def __call__(self, chunks: Sequence[Chunk]) -> Iterator[Chunk]:
        """Works on a batch of chunks."""
        for chunk in self._stages(chunks):
            yield chunk if self._keeps_samples else chunk.without_samples(self._later)

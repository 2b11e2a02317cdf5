"""The physical graph: which operators a run needs, in order, and what each asks of the machine."""

from collections.abc import Callable
from dataclasses import dataclass

from clipmill.plan import RunPlan
from clipmill.stages.base import apply_verbose
from clipmill.streaming.cores import worker_cores
from clipmill.streaming.cutting import Cutter
from clipmill.streaming.embedding import EmbedOperator
from clipmill.streaming.finishing import Finisher
from clipmill.streaming.operators import Operator
from clipmill.streaming.scanning import Scanner

OPERATORS = ("scan", "cut", "embed", "finish")
BATCH_OF_EMBEDDER = 4
"""Parcels, not clips: enough to fill a model's batch, few enough to keep the stream moving."""


@dataclass(frozen=True)
class Node:
    """One operator: how it is made in its worker, parcels per call, cores per worker, most workers.

    ``num_gpus`` of a worker is 0 where the cluster has none. A pool grows from one worker to ``max_workers``
    while parcels wait for it, and falls back when it is idle.
    """

    name: str
    make: Callable[[], Operator]
    batch_size: int
    num_cpus: float
    max_workers: int
    num_gpus: float = 0.0


@dataclass(frozen=True)
class _Make:
    """Makes an operator in its worker; a picklable closure."""

    kind: Callable[..., Operator]
    plan: RunPlan
    arguments: tuple[object, ...] = ()

    def __call__(self) -> Operator:
        apply_verbose(self.plan.stages)
        return self.kind(self.plan, *self.arguments)


def graph_of(plan: RunPlan, *, num_cpus: float) -> list[Node]:
    """The operators of a plan for a machine or cluster of ``num_cpus`` cores.

    Every worker reserves a fraction of a core, so that one worker of each operator fits on one core: Ray Data
    hangs when operators together reserve more than there is. The work itself happens in codec processes. A
    stage's own CPU parameter can only make the fraction smaller.
    """
    output = plan.writer.output_path if plan.writer else None
    workers = max(1, int(num_cpus))
    most = worker_cores(plan, num_cpus=num_cpus)
    share = {name: min(0.25, num_cpus / 8, most.get(name, num_cpus)) for name in OPERATORS}
    return [
        Node("scan", _Make(Scanner, plan), 1, share["scan"], workers),
        Node("cut", _Make(Cutter, plan, (output,)), 1, share["cut"], workers),
        Node("embed", _Make(EmbedOperator, plan, (output,)), BATCH_OF_EMBEDDER, share["embed"], 1),
        Node("finish", _Make(Finisher, plan, (output,)), 1, share["finish"], workers),
    ]

"""The physical graph: which operators a run needs, in order, and what each asks of the machine."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from clipmill.plan import RunPlan
from clipmill.stages.base import apply_verbose
from clipmill.streaming.appraising import Appraiser
from clipmill.streaming.captioning import CaptionOperator
from clipmill.streaming.cores import worker_cores
from clipmill.streaming.cutting import Cutter
from clipmill.streaming.embedding import EmbedOperator
from clipmill.streaming.enhancing import EnhanceOperator
from clipmill.streaming.finishing import Finisher
from clipmill.streaming.gpus import GpuShare, gpu_shares, told_their_share
from clipmill.streaming.makers import BACKENDS, Makers
from clipmill.streaming.operators import Operator
from clipmill.streaming.scanning import Scanner

BATCH_SIZES = {"appraise": 4, "embed": 4, "caption": 4, "enhance": 16}
"""Parcels, not clips: enough to fill a model's batch, few enough to keep the stream moving."""
MODEL_OPERATORS = frozenset({"appraise", "embed", "caption", "enhance"})
CORES_PER_MODEL = 4
"""On a cluster without GPUs: each worker holds weights of its own."""
CORES_PER_FINISHER = 4
"""Previews take a tenth of what a scan does, and to start one worker of Ray as much as many of them."""


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


def graph_of(
    plan: RunPlan,
    *,
    num_cpus: float,
    num_gpus: float = 0.0,
    num_videos: int | None = None,
    makers: Makers = BACKENDS,
) -> list[Node]:
    """The operators of a plan for a machine or cluster of so many cores and GPUs.

    Every worker reserves a fraction of a core, so that one worker of each operator fits on one core: Ray Data
    hangs when operators together reserve more than there is. The work itself happens in codec processes, or
    on a GPU. A stage's own CPU parameter can only make the fraction smaller. ``makers`` open the models.
    Cores that ``num_videos`` leave idle scan segments of long ones.
    """
    cores = worker_cores(plan, num_cpus=num_cpus)
    gpus = gpu_shares(plan, num_gpus=num_gpus)
    plan = told_their_share(plan, num_gpus=num_gpus)
    width = max(1, int(num_cpus) // num_videos) if num_videos else 1
    return [
        Node(
            name=kind.name,
            make=_Make(kind, plan, _arguments(kind, plan, makers, width)),
            batch_size=BATCH_SIZES.get(kind.name, 1),
            num_cpus=min(0.25, num_cpus / 8, cores.get(kind.name, num_cpus)),
            max_workers=_most_workers(kind.name, num_cpus, gpus.get(kind.name)),
            num_gpus=gpus[kind.name].num_gpus if kind.name in gpus else 0.0,
        )
        for kind in _kinds(plan)
    ]


Kind = type[Scanner | Appraiser | Cutter | EmbedOperator | CaptionOperator | EnhanceOperator | Finisher]


def _kinds(plan: RunPlan) -> Iterator[Kind]:
    """The operators that the stages of a plan need, in the order of ``clipmill.plan.OPERATOR_ORDER``."""
    digests = plan.digests()
    yield Scanner
    if plan.aesthetics or plan.questions or plan.customs_after(Appraiser.name):
        yield Appraiser
    yield Cutter
    yield EmbedOperator
    if "caption" in digests:
        yield CaptionOperator
    if "enhance" in digests:
        yield EnhanceOperator
    yield Finisher


def _arguments(kind: type, plan: RunPlan, makers: Makers, width: int) -> tuple[object, ...]:
    if kind is Scanner:
        return (makers, width)
    output = plan.writer.output_path if plan.writer else None
    return (output,) if kind in (Cutter, Finisher) else (output, makers)


def _most_workers(name: str, num_cpus: float, gpu: GpuShare | None) -> int:
    """By what the operator works on: GPUs, or cores; one model on a CPU serves a few of them."""
    if gpu:
        return gpu.max_workers
    cores = 1
    if name in MODEL_OPERATORS:
        cores = CORES_PER_MODEL
    elif name == Finisher.name:
        cores = CORES_PER_FINISHER
    return max(1, int(num_cpus) // cores)

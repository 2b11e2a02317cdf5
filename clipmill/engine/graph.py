"""The physical graph: which operators a run needs, in order, and what each asks of the machine."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from clipmill.engine.gpu_shares import NVDEC_SHARE, SCAN, GpuShare, gpu_shares, parts_of_one_process
from clipmill.engine.groups import CORE, Group, gpus_of, groups_of
from clipmill.engine.operators.encode import EncodeOperator
from clipmill.engine.operators.scan import ScanOperator
from clipmill.engine.operators.stages import Operator, StagesOperator
from clipmill.engine.scan.single_pass import may_reject
from clipmill.planning.plan import Plan
from clipmill.stages.base import apply_verbose

logger = logging.getLogger(__name__)

CHUNKS_PER_CALL = 4
"""Of a model: enough to fill its batch, few enough to keep the stream moving."""
TEXTS_PER_CALL = 16
"""Chunks for a stage that reads no frames."""
CORES_PER_GROUP = 4
"""On a cluster without GPUs: a worker of models holds weights, and previews take a tenth of a scan."""


@dataclass(frozen=True)
class OperatorNode:
    """One operator: how it is made in its worker, chunks per call, cores per worker, most workers.

    ``num_gpus`` of a worker is 0 where the cluster has none. A pool grows from one worker to ``max_workers``
    while chunks wait for it, and falls back when it is idle. ``keys`` are those of its stages.
    """

    name: str
    make: Callable[[], Operator]
    batch_size: int
    num_cpus: float
    max_workers: int
    num_gpus: float = 0.0
    is_alone: bool = False
    """Inline, one worker only: a user's stage need not bear two threads, and weights lie on one GPU."""
    keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Make:
    """Makes an operator in its worker; a picklable closure."""

    kind: Callable[..., Operator]
    plan: Plan
    arguments: tuple[object, ...]

    def __call__(self) -> Operator:
        apply_verbose(self.plan.stages)
        return self.kind(self.plan, *self.arguments)


def build_operators(
    plan: Plan,
    *,
    num_cpus: float,
    num_gpus: float = 0.0,
    cpus_now: float | None = None,
    num_videos: int | None = None,
    has_own_gpu: bool = False,
    notes_uri: str = "",
) -> list[OperatorNode]:
    """Returns the operators of a plan for a machine or cluster of so many cores and GPUs.

    Every worker reserves a fraction of a core, and all operators together less than half of the cores: Ray
    Data hangs when operators reserve more than there is. The work itself happens in codec processes, or on a
    GPU. A cluster that grows has only ``cpus_now`` yet (0 without a node), at most ``num_cpus`` and
    ``num_gpus``. There workers reserve what they use: nodes are added for what is reserved. Cores that
    ``num_videos`` leave idle scan segments of long ones. With ``has_own_gpu`` all workers are in one process
    and share its GPU; none is reserved. Workers note below ``notes_uri`` what they work on.
    """
    _log_clamped(plan, num_cpus)
    grows, cpus_now = cpus_now is not None and cpus_now < num_cpus, cpus_now or num_cpus
    groups = groups_of(plan)
    named = {group.name: group for group in groups[1:]}
    asked = {SCAN: _scan_gpus(plan), **{name: group.gpus for name, group in named.items()}}
    shares = gpu_shares(asked, named, num_gpus=num_gpus)
    parts = {name: share.num_gpus for name, share in shares.items()}
    if has_own_gpu:
        parts = parts_of_one_process(asked)
    cpus = _used_cores(groups, cpus_now) if grows else min(0.25, num_cpus / 2 / len(groups))
    width = max(1, int(cpus_now) // num_videos) if num_videos else 1
    scan = OperatorNode(
        name=SCAN,
        keys=(plan.extractor.key, *(node.key for node in groups[0].nodes)),
        make=_Make(ScanOperator, plan, (groups, width, notes_uri)),
        batch_size=1,
        num_cpus=cpus,
        max_workers=_most_workers(None, num_cpus, shares.get(SCAN)),
        num_gpus=shares[SCAN].num_gpus if SCAN in shares else 0.0,
        is_alone=_has_users_stage(groups[0]),
    )
    rest = [
        _group_operator(plan, groups, place, cpus, num_cpus, shares, parts) for place in range(1, len(groups))
    ]
    # Scans that wait for nodes take all cores of one that comes with a GPU: its own workers need none then.
    return [scan, *(replace(one, num_cpus=0.0) if grows and one.num_gpus else one for one in rest)]


def _used_cores(groups: Sequence[Group], cpus_now: float) -> float:
    """Returns what a worker reserves so that a full node has about one of each kind for each core.

    One worker of each operator fits on the cores that are there.
    """
    weights = [1 / _cores_per_worker(group) for group in (None, *groups[1:])]
    return min(1 / sum(weights), cpus_now / len(groups))


def _cores_per_worker(group: Group | None) -> int:
    """Returns the cores that one worker of the scan (None) or of a group is there for."""
    return 1 if group is None or group.slot.encodes else CORES_PER_GROUP


def _group_operator(
    plan: Plan,
    groups: Sequence[Group],
    place: int,
    cpus: float,
    num_cpus: float,
    shares: Mapping[str, GpuShare],
    parts: Mapping[str, float],
) -> OperatorNode:
    group = groups[place]
    share = shares.get(group.name)
    kind: Callable[..., Operator] = EncodeOperator if group.slot.encodes else StagesOperator
    asked = min((node.stage.resources().cpus for node in group.nodes), default=cpus)
    return OperatorNode(
        name=group.name,
        keys=tuple(node.key for node in group.nodes),
        make=_Make(kind, plan, (groups, place, parts.get(group.name, 0.0))),
        batch_size=_batch_size(group),
        num_cpus=min(cpus, asked, num_cpus),
        max_workers=_most_workers(group, num_cpus, share),
        num_gpus=share.num_gpus if share else 0.0,
        is_alone=_has_users_stage(group) or bool(group.gpus),
    )


def _log_clamped(plan: Plan, num_cpus: float) -> None:
    """Names the stages that ask for more cores than there are, in one line: they get all of them."""
    asked = {node.key: node.stage.resources().cpus for node in plan.nodes if node.runs_for != "rejected"}
    more = ", ".join(f"{key} ({cpus:g})" for key, cpus in asked.items() if cpus > num_cpus)
    if more:
        logger.info("there are %g cores; stages that ask for more get all of them: %s", num_cpus, more)


def _scan_gpus(plan: Plan) -> float:
    """``auto`` takes a GPU that a worker has anyway, and asks for none."""
    wanted = gpus_of(plan.extractor)
    if plan.encoder is not None and not may_reject(plan):  # clips are encoded in the pass
        wanted = max(wanted, gpus_of(plan.encoder))
    return max(wanted, NVDEC_SHARE) if plan.source.decoder == "nvdec" else wanted


def _has_users_stage(group: Group) -> bool:
    return any(not type(node.stage).__module__.startswith("clipmill.") for node in group.nodes)


def _batch_size(group: Group) -> int:
    if group.slot.encodes or (group.slot.environment == CORE and not group.slot.grows):
        return 1
    return CHUNKS_PER_CALL if group.reads_frames else TEXTS_PER_CALL


def _most_workers(group: Group | None, num_cpus: float, share: GpuShare | None) -> int:
    """By what the operator works on: GPUs, or cores; one model on a CPU serves a few of them."""
    if share:
        return share.max_workers
    return max(1, int(num_cpus) // _cores_per_worker(group))

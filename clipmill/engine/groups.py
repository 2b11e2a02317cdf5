"""Which stages run in one worker: neighbours with the same environment and device. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from clipmill.planning.nodes import Node
from clipmill.planning.plan import Plan
from clipmill.stages.roles import EncoderStage

CORE = "core"


@dataclass(frozen=True)
class Slot:
    """What the workers of fused stages have in common."""

    environment: str
    has_gpu: bool = False
    grows: bool = False
    encodes: bool = False


CORE_SLOT = Slot(CORE)


@dataclass(frozen=True)
class Group:
    """Stages that run one behind the other in one worker."""

    slot: Slot
    nodes: tuple[Node, ...]

    @property
    def name(self) -> str:
        """The keys of the stages, for metrics and the names of workers."""
        return "+".join(node.key for node in self.nodes)

    @property
    def gpus(self) -> float:
        """GPUs that one worker asks for."""
        return gpus_together(self.nodes)

    @property
    def max_workers(self) -> int | None:
        """The least bound that a stage sets, or None."""
        bounds = [bound for node in self.nodes if (bound := node.stage.resources().max_workers)]
        return min(bounds, default=None)

    @property
    def reads_frames(self) -> bool:
        """True when a stage reads sampled frames."""
        return any(node.reads.frames for node in self.nodes)


GPU_MEMORY_GB = 80.0
"""Memory of a GPU, where a stage says what it needs of it; Ray does not know what its cluster has."""


def gpus_of(node: Node) -> float:
    """Returns the GPUs that a worker of a stage asks for, by number or by memory."""
    needs = node.stage.resources()
    return max(needs.gpus, min(1.0, round(needs.gpu_memory_gb / GPU_MEMORY_GB, 2)))


def gpus_together(nodes: Sequence[Node]) -> float:
    """Returns the GPUs that one worker of stages asks for: one for all, unless a stage needs several."""
    asked = [gpus_of(node) for node in nodes]
    most = max(asked, default=0.0)
    return most if most > 1 else min(1.0, sum(asked))


def slot_of(node: Node) -> Slot:
    """Returns the slot of a node."""
    needs = node.stage.resources()
    if isinstance(node.stage, EncoderStage):
        return Slot(node.stage.worker_environment, encodes=True)
    return Slot(node.stage.worker_environment, has_gpu=gpus_of(node) > 0, grows=needs.grows)


def groups_of(plan: Plan) -> tuple[Group, ...]:
    """Returns the stages of a plan in groups, in run order.

    The first group runs in the worker that decodes; it holds the stages that need neither weights nor a GPU,
    and may be empty. Stages without rows, and those of phases before the plan's, are in no group.
    """
    groups = [Group(CORE_SLOT, ())]
    for node in plan.running:
        if node.stage.grain == "video":
            continue
        slot = slot_of(node)
        if slot == groups[-1].slot:
            groups[-1] = Group(slot, (*groups[-1].nodes, node))
        else:
            groups.append(Group(slot, (node,)))
    return tuple(groups)


def behind(groups: Sequence[Group], place: int) -> tuple[Node, ...]:
    """Returns the stages of the groups behind ``place``."""
    return tuple(node for group in groups[place + 1 :] for node in group.nodes)

"""How many GPUs the workers of a group reserve, and how many workers there may be. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from clipmill.engine.groups import Group
from clipmill.errors import SpecError

SCAN = "scan"
NVDEC_SHARE = 0.1
"""Of a GPU, for a worker that only decodes: the decoders are a part of their own, for several sessions."""
LEAST_SCANS = 4
"""Decoding is most of the work without captions: one worker would leave the others waiting."""


@dataclass(frozen=True)
class GpuShare:
    """What one worker of a group reserves, and how many workers fit."""

    num_gpus: float
    max_workers: int


def gpu_shares(
    asked: Mapping[str, float], groups: Mapping[str, Group], *, num_gpus: float
) -> dict[str, GpuShare]:
    """Returns name -> share for those that ask for GPUs; nothing where the cluster has none.

    One worker of each has to fit, or Ray Data would wait without end: where they do not fit, all reserve
    less. SpecError where a worker that needs several GPUs is among them.
    """
    asked = {name: share for name, share in asked.items() if share > 0}
    if num_gpus <= 0 or not asked:
        return {}
    total = _total(asked)
    if total > num_gpus:
        if max(asked.values()) > 1:
            each = ", ".join(f"{name} {share:g}" for name, share in asked.items())
            raise SpecError(
                f"one worker of each stage asks for {total:g} GPUs together, there are {num_gpus:g}: {each}"
            )
        asked = {name: share * num_gpus / total for name, share in asked.items()}
    growing = {name for name in asked if name in groups and groups[name].slot.grows}
    return {
        name: GpuShare(share, _bound(groups.get(name)) or _most(name, asked, growing, num_gpus))
        for name, share in asked.items()
    }


def parts_of_one_process(asked: Mapping[str, float]) -> dict[str, float]:
    """Returns name -> share of a GPU where all workers are in one process, and so on the same GPUs.

    A model takes so much of its GPU's memory when it starts, before it knows of others.
    """
    parts = {name: min(1.0, share) for name, share in asked.items() if share > 0}
    total = max(1.0, _total(parts))
    return {name: part / total for name, part in parts.items()}


def _bound(group: Group | None) -> int | None:
    """What the user says there will be: a cluster may grow while the pool waits."""
    return group.max_workers if group else None


def _least(name: str) -> int:
    return LEAST_SCANS if name == SCAN else 1


def _total(asked: Mapping[str, float]) -> float:
    return sum(share * _least(name) for name, share in asked.items())


def _most(name: str, asked: Mapping[str, float], growing: set[str], num_gpus: float) -> int:
    """The least of each group, and what is left: for the growing ones, or without one for all alike."""
    left, least = num_gpus - _total(asked), _least(name)
    if not growing:
        return least + int(left / len(asked) / asked[name] + 1e-6)
    return least + int(left / len(growing) / asked[name] + 1e-6) if name in growing else least

"""The two engines of the streaming core, and how much work one task of each gets."""

from enum import Enum
from typing import TypedDict

from clipmill.specs import CurateSpec
from tasks.hardware import PROFILE


class Engine(Enum):
    """``stream``: Ray clusters that share all work. ``map``: a plain pod for each group of videos."""

    STREAM = "stream"
    MAP = "map"


DEFAULT_ENGINE = Engine(PROFILE.engines[0])


class _Groups(TypedDict):
    num_groups: int
    group_s: float | None


def groups_of(engine: Engine, spec: CurateSpec) -> _Groups:
    """Returns in how many groups the work of a run is spread: by clusters, or by minutes of video."""
    if engine is Engine.STREAM:
        return _Groups(num_groups=spec.sharding.num_ray_clusters, group_s=None)
    return _Groups(num_groups=spec.sharding.max_shards, group_s=PROFILE.element_minutes * 60)

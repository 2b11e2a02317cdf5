"""Neighbours with the same environment and device run in one worker; workers of a cluster fit its GPUs."""

from typing import ClassVar

import pytest

from clipmill.engine.gpu_shares import (
    LEAST_SCANS,
    SCAN,
    GpuShare,
    gpu_shares,
    parts_of_one_process,
)
from clipmill.engine.graph import CHUNKS_PER_CALL, TEXTS_PER_CALL, build_operators
from clipmill.engine.groups import CORE, CORE_SLOT, behind, gpus_together, groups_of
from clipmill.errors import SpecError
from clipmill.planning.nodes import Placed
from clipmill.planning.plan import Plan
from clipmill.stages.base import Column, Frames, Grain, Reads, Resources, Stage, StageContext, Worker, pa
from clipmill.stages.video.clipping.clip_extraction_stages import ClipTranscodingStage
from tests.support.hand_made import plan


class Scorer(Stage):
    """A stage of a user's with a model."""

    name: ClassVar[str] = "scorer"
    grain: ClassVar[Grain] = "clip"
    environment: ClassVar[str] = "models"
    writes: ClassVar[tuple[Column, ...]] = (Column("score", pa.float64(), "0 to 1"),)

    gpus: float = 0.0
    gpu_memory_gb: float = 0.0
    grows: bool = False
    most: int | None = None
    sees: bool = True

    def reads(self) -> Reads:
        return Reads(frames=Frames(fps=1, height_px=48)) if self.sees else Reads()  # pyright: ignore[reportArgumentType] a whole number is a rate

    def resources(self) -> Resources:
        return Resources(
            gpus=self.gpus, gpu_memory_gb=self.gpu_memory_gb, grows=self.grows, max_workers=self.most
        )

    def open(self, context: StageContext) -> Worker:
        raise NotImplementedError


class Plain(Scorer):
    """One that needs nothing."""

    name: ClassVar[str] = "plain"
    environment: ClassVar[str] = CORE


def named(**stages: Scorer | ClipTranscodingStage) -> Plan:
    """A plan of stages by their keys, one behind the other."""
    return plan(*(Placed(stage, key) for key, stage in stages.items()))


def names(made: Plan) -> list[str]:
    return [group.name for group in groups_of(made)]


def test_neighbours_of_one_environment_and_device_share_a_worker() -> None:
    made = named(a=Plain(), b=Plain(), c=Scorer(), d=Scorer(), e=Plain())
    assert names(made) == ["a+b", "c+d", "e"]


def test_the_first_group_is_there_without_a_stage() -> None:
    first, second = groups_of(named(a=Scorer()))
    assert (first.slot, first.nodes, second.name) == (CORE_SLOT, (), "a")


@pytest.mark.parametrize(
    "other", [Scorer(gpus=0.5), Scorer(gpu_memory_gb=10), Scorer(grows=True)], ids=["gpu", "memory", "grows"]
)
def test_another_device_or_a_growing_pool_is_a_worker_of_its_own(other: Scorer) -> None:
    assert names(named(a=Scorer(), b=other)) == ["", "a", "b"]


def test_the_encoder_runs_alone() -> None:
    assert names(named(a=Plain(), encode=ClipTranscodingStage()))[-1] == "encode"
    assert groups_of(named(encode=ClipTranscodingStage()))[-1].slot.encodes


def test_behind_a_group_are_the_stages_of_later_ones() -> None:
    made = named(a=Plain(), b=Scorer(), c=Plain())
    assert [node.key for node in behind(groups_of(made), 0)] == ["b", "c"]
    assert behind(groups_of(made), 2) == ()


@pytest.mark.parametrize(
    ("stages", "gpus"),
    [
        ([Scorer(gpus=0.25), Scorer(gpus=0.25)], 0.5),
        ([Scorer(gpus=0.75), Scorer(gpus=0.75)], 1.0),
        ([Scorer(gpus=0.5), Scorer(gpus=4)], 4.0),
        ([Scorer(gpu_memory_gb=20)], 0.25),
        ([Scorer(gpu_memory_gb=800)], 1.0),
        ([Scorer()], 0.0),
    ],
    ids=["sum", "at most one", "several", "by memory", "all memory", "none"],
)
def test_stages_of_one_worker_share_its_gpu(stages: list[Scorer], gpus: float) -> None:
    made = named(**{f"s{index}": stage for index, stage in enumerate(stages)})
    assert gpus_together(groups_of(made)[1].nodes) == gpus


def test_the_least_bound_of_a_worker_counts() -> None:
    assert groups_of(named(a=Scorer(most=5), b=Scorer(most=3), c=Scorer()))[1].max_workers == 3
    assert groups_of(named(a=Scorer()))[1].max_workers is None


def test_a_model_works_on_several_chunks_and_on_more_texts() -> None:
    made = named(a=Plain(), b=Scorer(), c=Plain(), d=Scorer(sees=False))
    sizes = {node.name: node.batch_size for node in build_operators(made, num_cpus=8)}
    assert sizes == {SCAN: 1, "b": CHUNKS_PER_CALL, "c": 1, "d": TEXTS_PER_CALL}


@pytest.mark.parametrize("num_cpus", [1, 2, 16])
def test_all_operators_reserve_less_than_half_of_the_cores(num_cpus: int) -> None:
    stages = {f"s{index}": (Plain(), Scorer())[index % 2] for index in range(9)}
    nodes = build_operators(named(**stages), num_cpus=num_cpus)
    assert len(nodes) == 9
    assert sum(node.num_cpus for node in nodes) <= num_cpus / 2 + 1e-9


def test_a_users_stage_has_one_worker_inline() -> None:
    assert [node.is_alone for node in build_operators(named(b=Scorer()), num_cpus=8)] == [False, True]


def shares(asked: dict[str, float], num_gpus: float, **stages: Scorer) -> dict[str, GpuShare]:
    groups = {group.name: group for group in groups_of(named(**stages))[1:]} if stages else {}
    return gpu_shares(asked, groups, num_gpus=num_gpus)


def test_without_gpus_there_are_no_shares() -> None:
    assert shares({"a": 1.0}, 0) == {}
    assert shares({"a": 0.0}, 8) == {}


def test_several_scans_are_reserved_before_the_rest() -> None:
    assert shares({SCAN: 0.1}, 1)[SCAN] == GpuShare(0.1, LEAST_SCANS + 6)
    assert shares({SCAN: 1.0}, 1)[SCAN] == GpuShare(0.25, LEAST_SCANS)


def test_what_is_left_goes_to_the_growing_pool() -> None:
    found = shares({"a": 0.5, "b": 1.0}, 4, a=Scorer(gpus=0.5), b=Scorer(gpus=1, grows=True))
    assert found == {"a": GpuShare(0.5, 1), "b": GpuShare(1.0, 3)}


def test_without_a_growing_pool_all_get_a_part_of_what_is_left() -> None:
    assert shares({"a": 0.5, "b": 1.0}, 4.5) == {"a": GpuShare(0.5, 4), "b": GpuShare(1.0, 2)}


def test_all_reserve_less_where_one_of_each_does_not_fit() -> None:
    assert shares({"a": 1.0, "b": 1.0}, 1) == {"a": GpuShare(0.5, 1), "b": GpuShare(0.5, 1)}


def test_a_model_over_several_gpus_cannot_reserve_less() -> None:
    with pytest.raises(SpecError, match="asks for 5 GPUs together, there are 4: a 4, b 1"):
        shares({"a": 4.0, "b": 1.0}, 4)


def test_a_bound_of_the_user_is_kept() -> None:
    assert shares({"a": 1.0}, 2, a=Scorer(gpus=1, most=16))["a"] == GpuShare(1.0, 16)


def test_models_of_one_process_divide_its_gpu() -> None:
    assert parts_of_one_process({"a": 1.0, "b": 1.0, "c": 0.0}) == {"a": 0.5, "b": 0.5}
    assert parts_of_one_process({"a": 0.25}) == {"a": 0.25}
    assert parts_of_one_process({"a": 4.0}) == {"a": 1.0}

"""What workers reserve of GPUs: one of each operator fits, and the captioning pool gets what is left."""

from pathlib import Path

import pytest

from clipmill.errors import SpecError
from clipmill.models.chat_vllm import engine_arguments
from clipmill.plan import RunPlan, plan_of_spec
from clipmill.specs import CurateSpec
from clipmill.streaming.gpus import told_their_share, told_to_share_all
from clipmill.streaming.graph import graph_of

FULL = {
    "split": {"algorithm": "transnetv2"},
    "aesthetics": {},
    "embedding": {"algorithm": "siglip2"},
    "captions": {},
    "enhancement": {},
}


def plan(**fields: object) -> RunPlan:
    return plan_of_spec(CurateSpec.model_validate({**FULL, **fields}), source="films", output="out")


def gpus(made: RunPlan, num_gpus: float) -> dict[str, tuple[float, int]]:
    nodes = graph_of(made, num_cpus=16, num_gpus=num_gpus)
    return {node.name: (node.num_gpus, node.max_workers) for node in nodes if node.num_gpus}


@pytest.mark.parametrize("num_gpus", [1, 2, 8])
def test_one_worker_of_each_operator_fits(num_gpus: int) -> None:
    assert sum(share for share, _ in gpus(plan(), num_gpus).values()) <= num_gpus


def test_captions_get_what_the_others_leave() -> None:
    found = gpus(plan(), 8)
    assert found["caption"] == (1.0, 6)
    assert all(workers in (1, 4) for name, (_, workers) in found.items() if name != "caption")


def test_all_workers_together_fit() -> None:
    assert sum(share * workers for share, workers in gpus(plan(), 8).values()) <= 8


def test_a_bound_of_the_user_counts() -> None:
    assert gpus(plan(captions={"max_workers": 16}), 2)["caption"][1] == 16


def test_without_gpus_none_is_asked_for() -> None:
    assert gpus(plan(), 0) == {}


def test_an_endpoint_asks_for_none() -> None:
    captions = {"endpoint_url": "http://captions:8000/v1", "endpoint_model": "qwen"}
    assert "caption" not in gpus(plan(captions=captions, enhancement=None), 8)


def test_a_split_model_that_does_not_fit_is_told() -> None:
    with pytest.raises(SpecError, match=r"caption 4.*enhance 1"):
        gpus(plan(captions={"tensor_parallel_size": 4}), 4)


def engines(made: RunPlan) -> tuple[float, float]:
    """Shares of a GPU's memory that the engines of captions and of their enhancement take."""
    return tuple(
        float(engine_arguments(stage, Path("weights"))["gpu_memory_utilization"])
        for stage in (made.captions, made.enhancement)
        if stage
    )


TEXT_ONLY = {"split": {}, "aesthetics": None, "embedding": {"algorithm": "perceptual"}}


def test_an_engine_alone_on_a_gpu_takes_most_of_it() -> None:
    assert engines(told_their_share(plan(**TEXT_ONLY), num_gpus=2)) == (0.85, 0.85)


def test_engines_on_one_gpu_share_its_memory() -> None:
    assert engines(told_their_share(plan(**TEXT_ONLY), num_gpus=1)) == (0.425, 0.425)


def test_engines_leave_the_other_models_of_their_gpu_what_those_reserve() -> None:
    made = plan()
    shares = gpus(made, 1)
    assert engines(told_their_share(made, num_gpus=1)) == tuple(
        pytest.approx(0.85 * shares[name][0], abs=1e-3) for name in ("caption", "enhance")
    )


def test_engines_of_one_process_share_its_first_gpu() -> None:
    assert engines(told_to_share_all(plan(**TEXT_ONLY))) == (0.425, 0.425)


def test_what_the_user_says_of_an_engine_counts() -> None:
    captions = {"vllm_kwargs": {"gpu_memory_utilization": 0.6}}
    assert engines(told_their_share(plan(**TEXT_ONLY, captions=captions), num_gpus=1))[0] == 0.6


def test_the_workers_of_a_cluster_are_told_their_share() -> None:
    [node] = [node for node in graph_of(plan(**TEXT_ONLY), num_cpus=8, num_gpus=1) if node.name == "caption"]
    assert node.make.plan.captions.num_gpus_per_worker == 0.5


def test_a_share_changes_no_result() -> None:
    assert told_their_share(plan(), num_gpus=1).digests() == plan().digests()

"""What workers reserve of GPUs: one of each operator fits, and the captioning pool gets what is left."""

import pytest

from clipmill.errors import SpecError
from clipmill.plan import RunPlan, plan_of_spec
from clipmill.specs import CurateSpec
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

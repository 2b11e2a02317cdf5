"""What workers reserve of a cluster's GPUs: one of each operator fits, the slow one takes what is left."""

import pytest

from clipmill.engine.gpu_shares import NVDEC_SHARE, GpuShare
from clipmill.engine.graph import build_operators
from clipmill.errors import SpecError
from clipmill.planning.from_spec import plan_of_spec
from clipmill.planning.plan import Plan
from clipmill.specs import CurateSpec

CAPTIONS = {"captions": {"backend": "vllm"}}
EMBEDDING = {"embedding": {"algorithm": "siglip2", "gpu_memory_gb": 20}}


def plan(**fields: object) -> Plan:
    return plan_of_spec(CurateSpec.model_validate(fields), source="films", output="out")


def gpu_shares(made: Plan, *, num_gpus: float) -> dict[str, GpuShare]:
    """Operator -> share, of those whose workers reserve a part of a GPU."""
    nodes = build_operators(made, num_cpus=400, num_gpus=num_gpus)
    return {node.name: GpuShare(node.num_gpus, node.max_workers) for node in nodes if node.num_gpus}


def test_nothing_is_asked_where_there_is_none() -> None:
    assert gpu_shares(plan(**CAPTIONS), num_gpus=0) == {}


def test_stages_without_models_ask_for_none() -> None:
    assert gpu_shares(plan(), num_gpus=8) == {}


def test_a_model_asks_for_its_share_of_the_memory() -> None:
    assert gpu_shares(plan(**EMBEDDING), num_gpus=1)["embedding"].num_gpus == 0.25


def test_a_model_on_the_cpu_asks_for_none() -> None:
    on_cpu = {"embedding": {"algorithm": "siglip2", "device": "cpu"}}
    assert gpu_shares(plan(**on_cpu), num_gpus=8) == {}


def test_captions_take_what_the_others_leave() -> None:
    shares = gpu_shares(plan(**CAPTIONS, **EMBEDDING), num_gpus=8)
    assert shares == {"embedding": GpuShare(0.25, 1), "caption": GpuShare(1.0, 7)}


def test_one_worker_of_each_fits_on_one_gpu() -> None:
    shares = gpu_shares(plan(**CAPTIONS, **EMBEDDING), num_gpus=1)
    assert sum(share.num_gpus for share in shares.values()) == pytest.approx(1.0)
    assert {share.max_workers for share in shares.values()} == {1}


def test_a_model_over_several_gpus_that_are_not_there_is_named() -> None:
    with pytest.raises(SpecError, match="caption 4"):
        gpu_shares(plan(captions={"backend": "vllm", "tensor_parallel_size": 4}), num_gpus=2)


def test_decoding_on_gpus_is_shared_by_several_workers() -> None:
    assert gpu_shares(plan(decoder="nvdec"), num_gpus=2) == {"scan": GpuShare(NVDEC_SHARE, 20)}


def test_a_decoder_that_may_be_either_asks_for_none() -> None:
    assert gpu_shares(plan(decoder="auto"), num_gpus=2) == {}


def test_a_cluster_that_grows_has_pools_for_all_its_nodes() -> None:
    """Ray adds nodes for what workers reserve, and only while more than half of the cores are reserved."""
    nodes = {node.name: node for node in build_operators(plan(**EMBEDDING), num_cpus=224, cpus_now=7)}
    fixed = {node.name: node for node in build_operators(plan(**EMBEDDING), num_cpus=7)}
    assert {name: (node.max_workers, fixed[name].max_workers) for name, node in nodes.items()} == {
        "scan": (224, 7), "embedding": (56, 1), "encode": (224, 7), "preview": (56, 1),
    }  # fmt: skip
    full_node = sum(
        min(node.max_workers, fixed[name].max_workers) * node.num_cpus for name, node in nodes.items()
    )
    assert 0.75 * 7 <= full_node <= 7
    assert sum(node.num_cpus for node in nodes.values()) <= 7, "or Ray Data waits for ever"


def test_workers_of_a_gpu_node_find_it_though_scans_took_its_cores() -> None:
    made = plan(**CAPTIONS, **EMBEDDING)
    nodes = {node.name: node for node in build_operators(made, num_cpus=280, num_gpus=8, cpus_now=1)}
    assert [(name, node.num_cpus, node.max_workers) for name, node in nodes.items() if node.num_gpus] == [
        ("embedding", 0.0, 1), ("caption", 0.0, 7)
    ]  # fmt: skip
    assert sum(node.num_cpus for node in nodes.values()) <= 1


def test_a_cluster_without_a_node_yet_is_planned_as_one_of_full_nodes() -> None:
    empty, started = (build_operators(plan(), num_cpus=224, cpus_now=now) for now in (0, 7))
    assert [(node.num_cpus, node.max_workers) for node in empty] == [
        (node.num_cpus, node.max_workers) for node in started
    ]

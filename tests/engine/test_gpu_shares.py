"""What workers reserve of GPUs: one of each operator fits, and the captioning pool gets what is left."""

from pathlib import Path

import pytest

from clipmill.engine.graph import OperatorNode, build_operators
from clipmill.engine.groups import groups_of
from clipmill.engine.runners.context import WorkerContext
from clipmill.engine.runners.stage_group import StageGroup
from clipmill.errors import SpecError
from clipmill.models.captioning.backends.vllm_backend import engine_arguments
from clipmill.planning.from_spec import plan_of_spec
from clipmill.planning.plan import Plan
from clipmill.specs import CurateSpec
from clipmill.stages.video.caption.text_model import ServedModel
from clipmill.stages.video.filtering.question_filter import QuestionFilterStage

FULL = {
    "split": {"algorithm": "transnetv2"},
    "aesthetics": {},
    "embedding": {"algorithm": "siglip2"},
    "captions": {},
    "enhancement": {},
}


def plan(**fields: object) -> Plan:
    return plan_of_spec(CurateSpec.model_validate({**FULL, **fields}), source="films", output="out")


def gpus(made: Plan, num_gpus: float) -> dict[str, tuple[float, int]]:
    nodes = build_operators(made, num_cpus=16, num_gpus=num_gpus)
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


@pytest.mark.parametrize(
    ("fields", "where"),
    [({}, "scan"), ({"motion": {}, "motion_filter": {}}, "encode")],
    ids=["in the pass", "behind a filter"],
)
def test_an_encoder_on_a_gpu_asks_for_its_part_of_one(fields: dict[str, object], where: str) -> None:
    """A worker that reserves no part of a GPU is shown none by Ray."""
    off = {"split": {"algorithm": "content"}, "quality": None, "embedding": None, "dedup": None,
           "motion": None, "motion_filter": None}  # fmt: skip
    for streams in (2, 4):
        transcode = {"encoder": "h264_nvenc", "nb_streams_per_gpu": streams}
        made = plan_of_spec(
            CurateSpec.model_validate({**off, **fields, "transcode": transcode}), source="films", output="out"
        )
        assert gpus(made, 8)[where][0] == 1 / streams
    cpu = CurateSpec.model_validate({**off, **fields})
    assert gpus(plan_of_spec(cpu, source="films", output="out"), 8) == {}


def test_without_gpus_none_is_asked_for() -> None:
    assert gpus(plan(), 0) == {}


def test_an_endpoint_asks_for_none() -> None:
    captions = {"endpoint_url": "http://captions:8000/v1", "endpoint_model": "qwen"}
    assert "caption" not in gpus(plan(captions=captions, enhancement=None), 8)


def test_a_split_model_that_does_not_fit_is_told() -> None:
    with pytest.raises(SpecError, match=r"caption 4.*enhancement 1"):
        gpus(plan(captions={"tensor_parallel_size": 4}), 4)


def memory(made: Plan, key: str, share: float) -> float:
    """Share of a GPU's memory that a stage's engine takes in a worker with a share of a GPU."""
    [group] = [group for group in groups_of(made) if key in [node.key for node in group.nodes]]
    context: WorkerContext = StageGroup(group.nodes, made, gpu_share=share).context_of(made.by_key[key])
    stage = made.by_key[key].stage
    stage = stage.captioner if isinstance(stage, QuestionFilterStage) else stage
    assert isinstance(stage, ServedModel)
    arguments = engine_arguments(stage.serving(gpu_share=context.gpu_share), Path("weights"))
    return float(str(arguments["gpu_memory_utilization"]))


def share_of(node: OperatorNode) -> float:
    """What the operator of a node is made with."""
    return float(getattr(node.make, "arguments")[-1])  # noqa: B009 - of a private closure


def engines(made: Plan, **cluster: float) -> tuple[float, float]:
    """Shares of a GPU's memory that the engines of captions and of their enhancement take."""
    nodes = {node.name: node for node in build_operators(made, num_cpus=8, **cluster)}
    captions, enhancement = (memory(made, key, share_of(nodes[key])) for key in ("caption", "enhancement"))
    return captions, enhancement


TEXT_ONLY = {"split": {}, "aesthetics": None, "embedding": {"algorithm": "perceptual"}}


def test_an_engine_alone_on_a_gpu_takes_most_of_it() -> None:
    assert engines(plan(**TEXT_ONLY), num_gpus=2) == (0.85, 0.85)


def test_engines_on_one_gpu_share_its_memory() -> None:
    assert engines(plan(**TEXT_ONLY), num_gpus=1) == (0.425, 0.425)


def test_engines_leave_the_other_models_of_their_gpu_what_those_reserve() -> None:
    made = plan()
    shares = gpus(made, 1)
    assert engines(made, num_gpus=1) == tuple(
        pytest.approx(0.85 * shares[name][0], abs=1e-3) for name in ("caption", "enhancement")
    )


def test_an_engine_leaves_a_model_of_its_own_worker_what_that_reserves() -> None:
    questions = [{"question": "Is it dark?", "reject_if": "yes"}]
    captions = {"num_gpus_per_worker": 0.5, "backend": "transformers"}
    made = plan(split={}, captions=captions, questions=questions)
    [share] = [found for name, (found, _) in gpus(made, 8).items() if name == "aesthetic+question"]
    assert share == 0.75
    assert memory(made, "question", share) == 0.425


def test_engines_of_one_process_share_its_first_gpu() -> None:
    assert engines(plan(**TEXT_ONLY), has_own_gpu=True) == (0.425, 0.425)


def test_a_model_alone_in_its_process_takes_what_it_asks_for() -> None:
    nodes = build_operators(plan(**TEXT_ONLY, enhancement=None), num_cpus=8, has_own_gpu=True)
    assert [(share_of(node), node.num_gpus) for node in nodes if node.name == "caption"] == [(1.0, 0.0)]


def test_what_the_user_says_of_an_engine_counts() -> None:
    captions = {"vllm_kwargs": {"gpu_memory_utilization": 0.6}}
    assert engines(plan(**TEXT_ONLY, captions=captions), num_gpus=1)[0] == 0.6


def test_the_workers_of_a_cluster_are_told_their_share() -> None:
    nodes = build_operators(plan(**TEXT_ONLY), num_cpus=8, num_gpus=1)
    assert [share_of(node) for node in nodes if node.name == "caption"] == [0.5]


def test_a_share_changes_no_result() -> None:
    captions = {"num_gpus_per_worker": 0.25}
    assert plan(captions=captions).digests() == plan().digests()

"""Objects with ``process(task)`` in a plan: their keys, places, reads and digests."""

from collections.abc import Callable

import pytest

from clipmill.errors import SpecError
from clipmill.planning.code.code_digest import plain
from clipmill.planning.plan import Plan
from clipmill.planning.process_stages import placed_process
from clipmill.stages.process_stage import ProcessStage, is_process
from clipmill.stages.video.clipping.clip_extraction_stages import (
    ClipTranscodingStage,
    FixedStrideExtractorStage,
)
from clipmill.stages.video.clipping.clip_frame_extraction import ClipFrameExtractionStage
from clipmill.stages.video.embedding.perceptual import PerceptualEmbeddingStage
from clipmill.stages.video.filtering.motion_filter import MotionFilterStage, MotionVectorDecodeStage
from clipmill.stages.video.filtering.quality_filter import QualityFilterStage
from tests.support.hand_made import plan


class Keep:
    """Keeps every clip."""

    STAGE_VERSION = 1

    def __init__(self, name: str = "keep", **attributes: object) -> None:
        self.name = name
        self.__dict__ |= attributes

    def process(self, task: object) -> object:
        return task


class KeepMore(Keep):
    STAGE_VERSION = 2


class Trusted(Keep):
    code = "version"


def digest(of: Plan, key: str = "keep") -> str:
    return of.by_key[key].digest


@pytest.mark.parametrize("thing", ["stage", 3, object(), Keep], ids=["text", "number", "object", "class"])
def test_what_is_no_stage_is_refused(thing: object) -> None:
    assert not is_process(thing)
    with pytest.raises(SpecError, match="is no stage: it needs a name and process"):
        placed_process(thing)


@pytest.mark.parametrize(
    ("name", "key"), [("blur", "blur"), ("after VideoReader", "after_VideoReader"), ("../a/b", "a_b")]
)
def test_key_is_the_name_as_a_part_of_a_path(name: str, key: str) -> None:
    assert placed_process(Keep(name)).name == key


def test_name_without_letters_is_refused() -> None:
    with pytest.raises(SpecError, match="give it one of letters and digits"):
        placed_process(Keep("/"))


def test_two_objects_of_one_name_need_keys() -> None:
    with pytest.raises(SpecError, match="two stages have the key keep"):
        plan(Keep(), Keep())
    assert plan(Keep(), placed_process(Keep(), key="other")).by_key.keys() >= {"keep", "other"}


def test_columns_are_published_under_the_key() -> None:
    node = plan(Keep("process")).by_key["process"]
    assert [name for name, _ in node.published_columns()] == [
        "process_motion_global_mean",
        "process_motion_per_patch_min_256",
        "process_aesthetic_score",
    ]


def keys(of: Plan) -> list[str]:
    return [node.key for node in of.nodes]


def test_stage_runs_where_it_was_added() -> None:
    stages = [ClipTranscodingStage(), PerceptualEmbeddingStage()]
    for place in range(3):
        found = keys(plan(*stages[:place], Keep(), *stages[place:]))
        assert [key for key in found if key in ("keep", "encode", "embedding")] == [
            *["encode", "embedding"][:place], "keep", *["encode", "embedding"][place:],
        ]  # fmt: skip


def test_encoder_behind_a_filter_takes_what_sees_its_files_with_it() -> None:
    stages = [ClipTranscodingStage(), Keep(), QualityFilterStage.model_validate({"exposure": {"min": 0.1}})]
    found = keys(plan(*stages))
    assert found.index("quality") < found.index("encode") < found.index("keep")


def test_environment_is_the_object_s() -> None:
    assert ProcessStage(wrapped=Keep()).environment == "core"
    assert ProcessStage(wrapped=Keep(environment="models")).environment == "models"


def test_stage_reads_the_samples_of_those_before_it() -> None:
    before = [MotionVectorDecodeStage(), ClipFrameExtractionStage(target_fps=[1.0, 2.0])]
    reads = plan(*before, Keep()).by_key["keep"].reads
    assert [float(one.fps) for one in (reads.frames, *reads.more_frames) if one] == [1.0, 2.0]
    assert reads.motion == before[0].reads().motion
    assert plan(Keep(), PerceptualEmbeddingStage()).by_key["keep"].reads.frames is None


def test_stage_that_names_inputs_reads_only_these() -> None:
    before = [MotionVectorDecodeStage(), PerceptualEmbeddingStage()]
    reads = plan(*before, Keep(inputs=["buffer"])).by_key["keep"].reads
    assert list(reads.samples()) == []
    assert plan(Keep(inputs=["frame_array"])).by_key["keep"].reads.thumbnails


def changed(make: Callable[[], Plan]) -> bool:
    return digest(plan(MotionVectorDecodeStage(), Keep(threshold=1))) != digest(make())


@pytest.mark.parametrize(
    "make",
    [
        lambda: plan(MotionVectorDecodeStage(), Keep(threshold=2)),
        lambda: plan(MotionVectorDecodeStage(target_fps=4.0), Keep(threshold=1)),
        lambda: plan(MotionVectorDecodeStage(), QualityFilterStage(), Keep(threshold=1)),
        lambda: plan(MotionVectorDecodeStage(), KeepMore(threshold=1)),
    ],
    ids=["its attributes", "an earlier stage", "one more earlier stage", "its STAGE_VERSION"],
)
def test_digest_follows(make: Callable[[], Plan]) -> None:
    assert changed(make)


@pytest.mark.parametrize(
    "make",
    [
        lambda: plan(MotionVectorDecodeStage(), Keep(threshold=1), PerceptualEmbeddingStage()),
        lambda: plan(FixedStrideExtractorStage(), MotionVectorDecodeStage(), Keep(threshold=1)),
        lambda: plan(
            MotionVectorDecodeStage(), MotionFilterStage(global_mean_threshold=0.5), Keep(threshold=1)
        ),
    ],
    ids=["a later stage", "the extractor", "a threshold"],
)
def test_digest_does_not_follow(make: Callable[[], Plan]) -> None:
    assert not changed(make)


def test_nothing_of_another_stage_follows_an_object() -> None:
    with_it = plan(Keep(), PerceptualEmbeddingStage())
    assert digest(with_it, "embedding") == digest(plan(PerceptualEmbeddingStage()), "embedding")


def test_code_without_a_file_needs_a_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Keep, "__module__", "typed_in")
    monkeypatch.setattr(Trusted, "__module__", "typed_in")
    with pytest.raises(SpecError, match="STAGE_VERSION"):
        plan(Keep())
    assert digest(plan(Trusted()))


@pytest.mark.parametrize(
    ("value", "expected"),
    [((1, "a"), [1, "a"]), ({2: None}, {"2": None}), ({"b", "a"}, ["a", "b"]), (len, "builtins:len")],
    ids=["tuple", "mapping", "set", "function"],
)
def test_attributes_count_as_plain_values(value: object, expected: object) -> None:
    assert plain(value) == expected

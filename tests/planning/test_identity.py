"""Ids and digests: decided once. A failure here means that ids or results of existing outputs change."""

import json
from itertools import pairwise
from pathlib import Path

import pytest

from clipmill import identity
from clipmill.planning.from_spec import plan_of_spec
from clipmill.specs import CurateSpec
from clipmill.stages.video.clipping.clip_extraction_stages import ClipTranscodingStage
from clipmill.stages.video.filtering.motion_filter import MotionFilterStage, MotionVectorDecodeStage

VIDEO = "0123456789abcdef0123456789abcdef"


GOLDEN: dict[str, dict[str, object]] = {
    "default": {},
    "fixed stride": {"split": {"algorithm": "fixed_stride"}},
    "other values": {
        "split": {"content": {"max_length_mode": "truncate", "crop_s": 0.25}},
        "motion": {"target_fps": 4},
        "quality": {"sample_fps": 2},
        "transcode": {"encoder": "copy"},
        "preview": {"target_height": 180},
        "windows": {"window_size": 128},
        "frames": {"write": True},
        "write": {"write_filtered_clips": True},
        "limits": {"max_duration_s": 3600},
    },
}


def digests(**changes: object) -> dict[str, str]:
    spec = CurateSpec.model_validate(changes)
    return plan_of_spec(spec, source="/videos", output="/out").digests()


def changed(**changes: object) -> set[str]:
    before, after = digests(), digests(**changes)
    return {stage for stage in before if before[stage] != after.get(stage)}


def test_ids_are_those_of_version_one() -> None:
    assert identity.clip_id(VIDEO, 10, 250) == "e4f5f132-9ad7-5f3c-ab6c-aba9cb69b3af"
    assert identity.video_id(5, [b"hello"]) == "f6402ee26b0e28dc5169cef65b0c111f"
    assert identity.source_version("/a.mp4", 5, "7") == "sv1:cfea5b44010771e928c98b7865784270"


def test_clip_id_names_the_span() -> None:
    assert len({identity.clip_id(VIDEO, start, end) for start, end in [(0, 5), (0, 6), (1, 5)]}) == 3
    assert identity.clip_id(VIDEO, 0, 5) != identity.clip_id(VIDEO[::-1], 0, 5)


@pytest.mark.parametrize("size", [0, 1, 3 << 20, (3 << 20) + 1, 10**9, 10**12])
def test_identity_ranges_cover_both_ends_and_never_overlap(size: int) -> None:
    ranges = identity.identity_ranges(size)
    assert all(start < end for start, end in ranges)
    assert all(before[1] <= after[0] for before, after in pairwise(ranges))
    if size:
        assert ranges[0][0] == 0
        assert ranges[-1][1] == size


def test_small_files_are_read_whole_and_large_ones_hardly() -> None:
    assert identity.identity_ranges(3 << 20) == [(0, 3 << 20)]
    assert sum(end - start for start, end in identity.identity_ranges(10**12)) == 3 << 20


def test_a_threshold_redoes_no_pixels() -> None:
    assert changed(motion_filter={"global_mean_threshold": 0.5}) == set()
    assert changed(quality={"sharpness": {"min": 2}}) == set()


def test_prompts_and_speed_redo_nothing() -> None:
    assert changed(windows={"prompt_text": "Say what happens."}) == set()
    assert changed(transcode={"num_cpus_per_worker": 1.0}, preview={"num_cpus_per_worker": 1.0}) == set()


def test_each_parameter_redoes_its_own_stage() -> None:
    assert changed(transcode={"quality": 30}) == {"encode"}
    assert changed(preview={"quality": 80}) == {"preview"}
    assert changed(windows={"window_size": 128}) == {"preview"}
    assert changed(embedding={"target_fps": 4}) == {"embedding"}
    assert changed(motion={"target_fps": 4}) == {"motion"}
    assert changed(split={"content": {"crop_s": 0}}) == {"content"}


def test_a_field_at_its_default_is_not_in_the_digest() -> None:
    assert changed(preview={"target_fps": 1.0}, transcode={"quality": 21}) == set()
    assert ClipTranscodingStage().result_fields() == {}


def test_digest_depends_on_upstream_but_not_its_order() -> None:
    stage = MotionVectorDecodeStage()
    assert stage.digest("a", "b") == stage.digest("b", "a") != stage.digest("a")


def test_stages_with_equal_fields_differ() -> None:
    assert MotionFilterStage().digest() != MotionVectorDecodeStage().digest()


def test_golden_stage_digests() -> None:
    """Change tests/golden_digests.json only together with a STAGE_VERSION and a line in CHANGELOG.md."""
    golden = json.loads((Path(__file__).parent / "golden_digests.json").read_text())
    assert {name: digests(**changes) for name, changes in GOLDEN.items()} == golden

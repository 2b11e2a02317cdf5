"""``split.algorithm: auto`` is what the machine has; on a cluster, whose images have all, weights decide."""

from pathlib import Path

import pytest

from clipmill.errors import SpecError
from clipmill.planning.from_spec import plan_of_spec
from clipmill.specs import CurateSpec
from clipmill.stages.video.clipping import transnetv2_extraction
from clipmill.stages.video.clipping.content_extraction import ContentClipExtractionStage
from clipmill.stages.video.clipping.transnetv2_extraction import TransNetV2ClipExtractionStage
from tasks.specs import Curation


def spec_of(model_dir: Path) -> CurateSpec:
    network = {"model_dir": str(model_dir), "crop_s": 2}
    split = {"algorithm": "auto", "content": {"crop_s": 0.1}, "transnetv2": network}
    return CurateSpec.model_validate({"split": split})


@pytest.mark.parametrize(("has_weights", "has_library"), [(True, True), (False, True), (True, False)])
def test_the_network_verifies_where_it_can_run(
    has_weights: bool, has_library: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transnetv2_extraction, "find_spec", lambda name: object() if has_library else None)
    if has_weights:
        (tmp_path / "transnetv2").mkdir()
        (tmp_path / "transnetv2" / "transnetv2-pytorch-weights.pth").write_bytes(b"\x80weights")
    for_images = Curation.of(spec_of(tmp_path)).decided_for_images()
    assert for_images.split.algorithm == ("transnetv2" if has_weights else "content")
    assert Curation.model_validate_json(for_images.model_dump_json()) == for_images
    plan = plan_of_spec(spec_of(tmp_path).decided(), source="films", output="out")
    stage = plan.extractor.stage
    assert isinstance(stage, TransNetV2ClipExtractionStage | ContentClipExtractionStage)
    assert stage.crop_s == 0.1
    assert isinstance(stage, TransNetV2ClipExtractionStage) == (has_weights and has_library)
    if isinstance(stage, TransNetV2ClipExtractionStage):
        assert stage.role == "verifier"
        detector = stage.model_copy(update={"role": "detector"})
        assert stage.digest() != detector.digest()
    else:
        assert stage.digest() == ContentClipExtractionStage(crop_s=0.1).digest()


def test_a_plan_needs_a_decision(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"auto was not decided: name content, or transnetv2 with role"):
        plan_of_spec(spec_of(tmp_path), source="films", output="out")
    plain = CurateSpec()
    assert plain.decided() == plain

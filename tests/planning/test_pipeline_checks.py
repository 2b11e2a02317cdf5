"""What a pipeline refuses before any work."""

from pathlib import Path

import pytest

from clipmill.errors import SourceError, SpecError
from clipmill.pipeline import Pipeline
from clipmill.stages.video.clipping.clip_extraction_stages import FixedStrideExtractorStage
from clipmill.stages.video.clipping.content_extraction import ContentClipExtractionStage
from clipmill.stages.video.io.clip_writer import ClipWriterStage
from clipmill.stages.video.io.video_reader import VideoReader


def writer(output: Path, input_path: str) -> ClipWriterStage:
    return ClipWriterStage(
        output_path=str(output),
        input_path=input_path,
        upload_clips=True,
        dry_run=False,
        generate_embeddings=False,
        generate_previews=False,
        generate_captions=False,
    )


def test_a_pipeline_needs_a_reader() -> None:
    with pytest.raises(SpecError, match="has no reader: add a VideoReader"):
        Pipeline(name="empty").run()


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        ([VideoReader(input_video_path="/films")] * 2, "2 stages of VideoReader"),
        (
            [
                VideoReader(input_video_path="/films"),
                FixedStrideExtractorStage(),
                ContentClipExtractionStage(),
            ],
            "two extractors",
        ),
        ([VideoReader(input_video_path="/films"), object()], "object is no stage"),
    ],
    ids=["two readers", "two extractors", "no stage"],
)
def test_stages_that_cannot_run_together(stages: list[object], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        Pipeline(name="wrong", stages=stages).plan()


def test_a_source_outside_the_writers_input_path(tmp_path: Path) -> None:
    stages = [VideoReader(input_video_path="/films"), writer(tmp_path / "out", "/elsewhere")]
    with pytest.raises(SpecError, match="/films does not lie under /elsewhere"):
        Pipeline(name="astray", stages=stages).run()
    assert not (tmp_path / "out").exists()


def test_embeddings_that_no_stage_makes_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    named = writer(tmp_path / "out", "/films").model_copy(
        update={"generate_embeddings": True, "embedding_algorithm": "internvideo2"}
    )
    with pytest.raises(SourceError):  # after the warning, before any work
        Pipeline(name="named", stages=[VideoReader(input_video_path="/films"), named]).run()
    assert "the writer names internvideo2 embeddings, the pipeline makes none" in caplog.text

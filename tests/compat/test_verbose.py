"""Every stage has something to say when it is verbose, and nothing when it is not."""

import logging
from pathlib import Path

import pytest

from clipmill.dataset.exports.embeddings import export_no_embeddings
from clipmill.dedup_job import steps
from clipmill.pipeline import Pipeline
from clipmill.specs import DedupSpec
from clipmill.stages.base import StageSpec
from clipmill.stages.video.caption.caption_preparation import CaptionPreparationStage
from clipmill.stages.video.clipping.clip_extraction_stages import (
    ClipTranscodingStage,
    FixedStrideExtractorStage,
)
from clipmill.stages.video.clipping.clip_frame_extraction import ClipFrameExtractionStage
from clipmill.stages.video.clipping.content_extraction import ContentClipExtractionStage
from clipmill.stages.video.clipping.video_frame_extraction import VideoFrameExtractionStage
from clipmill.stages.video.embedding.perceptual import PerceptualEmbeddingStage
from clipmill.stages.video.filtering.motion_filter import MotionFilterStage, MotionVectorDecodeStage
from clipmill.stages.video.filtering.quality_filter import QualityFilterStage
from clipmill.stages.video.io.clip_writer import ClipWriterStage
from clipmill.stages.video.io.video_reader import VideoReader
from clipmill.stages.video.preview.preview import PreviewStage
from tests.support.films.document_film import draw_parts

pytestmark = pytest.mark.integration


STAGES = {
    "read", "thumbnails", "fixed_stride", "motion", "motion_filter", "quality", "frames", "encode",
    "embedding", "windows", "preview", "write",
}  # fmt: skip


def by_the_clock(*, verbose: bool) -> StageSpec:
    return FixedStrideExtractorStage(clip_len_s=1, clip_stride_s=1, min_clip_length_s=1, verbose=verbose)


def run(folder: Path, *, verbose: bool, extractor: StageSpec | None = None) -> None:
    film = draw_parts(folder / "films" / "parts.mp4")
    stages = (
        VideoReader(input_video_path=str(film), verbose=verbose),
        VideoFrameExtractionStage(verbose=verbose),
        extractor or by_the_clock(verbose=verbose),
        MotionVectorDecodeStage(verbose=verbose),
        MotionFilterStage(verbose=verbose),
        QualityFilterStage(verbose=verbose),
        ClipFrameExtractionStage(verbose=verbose),
        ClipTranscodingStage(verbose=verbose),
        PerceptualEmbeddingStage(verbose=verbose),
        CaptionPreparationStage(verbose=verbose),
        PreviewStage(target_height=90, verbose=verbose),
        ClipWriterStage(
            output_path=str(folder / "out"), input_path=str(film), upload_clips=True, dry_run=False,
            generate_embeddings=True, generate_previews=True, generate_captions=False, verbose=verbose,
        ),
    )  # fmt: skip
    Pipeline(name="verbose", stages=stages).run()


@pytest.fixture(autouse=True)
def _quiet_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Levels set by one test are gone in the next."""
    for name in (*STAGES, "content", "dedup"):
        logger = logging.getLogger(f"clipmill.stages.{name}")
        monkeypatch.setattr(logger, "level", logging.NOTSET)
        logger.manager._clear_cache()


def speakers(caplog: pytest.LogCaptureFixture) -> set[str]:
    lines = [record for record in caplog.records if record.levelno == logging.DEBUG]
    return {line.name.removeprefix("clipmill.stages.") for line in lines if "clipmill.stages." in line.name}


def test_every_verbose_stage_speaks(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run(tmp_path, verbose=True)
    assert speakers(caplog) == STAGES


def test_stages_are_silent_otherwise(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run(tmp_path, verbose=False)
    assert speakers(caplog) == set()


def test_the_content_extractor_speaks(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run(tmp_path, verbose=True, extractor=ContentClipExtractionStage(verbose=True))
    assert "content" in speakers(caplog)


def test_dedup_speaks(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    output, spec = str(tmp_path), DedupSpec(verbose=True)
    fit = steps.fit_clusters(export_no_embeddings(output), output, spec)
    assigned = [steps.assign_clusters(shard) for shard in steps.embedding_shards(fit)]
    found = [steps.find_duplicates(group) for group in steps.cluster_groups(fit, assigned, spec)]
    steps.select_keepers(found, output, spec, algorithm="perceptual")
    assert speakers(caplog) == {"dedup"}

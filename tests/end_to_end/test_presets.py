"""The presets that need no weights, and a pipeline with deduplication, run over small films."""

from pathlib import Path

import pytest

from clipmill.pipeline import Pipeline
from clipmill.spec_file import load_spec
from clipmill.specs import DedupSpec
from clipmill.stages.video.clipping.clip_extraction_stages import (
    ClipTranscodingStage,
    FixedStrideExtractorStage,
)
from clipmill.stages.video.embedding.perceptual import PerceptualEmbeddingStage
from clipmill.stages.video.io.clip_writer import ClipWriterStage
from clipmill.stages.video.io.video_reader import VideoReader
from tests.support.runs.curation import ROOT, curate_here, rows

EXAMPLES = ROOT / "examples"


def test_own_footage_rejects_nothing_and_keeps_the_better_copy(collection: Path, output: Path) -> None:
    curate_here(collection, output, load_spec(str(EXAMPLES / "own_footage.yaml")))
    clips = rows(output, "clips")
    assert {row["status"] for row in clips} == {"kept", "duplicate"}
    copies = {Path(str(row["source_uri"])).name for row in clips if row["status"] == "duplicate"}
    assert copies == {"worn.mp4"}


@pytest.mark.parametrize("name", ["finetune", "world_model"])
def test_a_preset_runs(name: str, film: Path, output: Path) -> None:
    spec = load_spec(str(EXAMPLES / f"{name}.yaml"))
    curate_here(film, output, spec.model_copy(update={"preview": None}))
    sides = {(row["width"], row["height"]) for row in rows(output, "clips") if row["clip_uri"]}
    assert sides <= {(160, 64), (160, 80)}
    assert rows(output, "videos")[0]["status"] == "curated"


def test_a_pipeline_compares_its_clips_where_that_is_asked_for(collection: Path, output: Path) -> None:
    pipeline = Pipeline(
        "copies",
        stages=[
            VideoReader(input_video_path=str(collection)),
            FixedStrideExtractorStage(clip_len_s=2.0, clip_stride_s=2.0),
            ClipTranscodingStage(),
            PerceptualEmbeddingStage(),
            ClipWriterStage(
                output_path=str(output), input_path=str(collection), upload_clips=True, dry_run=False,
                generate_embeddings=True, generate_previews=False, generate_captions=False,
            ),
        ],
    )  # fmt: skip
    done = pipeline.run(dedup=DedupSpec())
    statuses = done.dataset.table("clips", ["status"])["status"].to_pylist()
    assert statuses.count("duplicate") > 0
    assert len(done.dataset) == statuses.count("kept") == len(list(done.dataset))
    assert done.published is not None
    assert Path(done.published.report_uri).is_file()
    assert "report:" in done.summary()
    assert {row["reason"] for row in done.dataset.table("rejections").to_pylist()}

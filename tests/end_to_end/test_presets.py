"""Each preset, and a pipeline, run over small films; models are stand-ins of a few lines."""

from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from clipmill.pipeline import Pipeline
from clipmill.planning.from_spec import plan_of_spec
from clipmill.spec_file import load_spec
from clipmill.specs import CurateSpec
from clipmill.stages.video.clipping.clip_extraction_stages import (
    ClipTranscodingStage,
    FixedStrideExtractorStage,
)
from clipmill.stages.video.clipping.content_extraction import ContentClipExtractionStage
from clipmill.stages.video.clipping.transnetv2_extraction import TransNetV2ClipExtractionStage
from clipmill.stages.video.embedding.perceptual import PerceptualEmbeddingStage
from clipmill.stages.video.io.clip_writer import ClipWriterStage
from clipmill.stages.video.io.video_reader import VideoReader
from tests.support.runs.curation import ROOT, curate_here, rows
from tests.support.stand_ins.stand_in_models import Seen, use_stand_ins

EXAMPLES = ROOT / "examples"


def preset(name: str) -> CurateSpec:
    spec = load_spec(str(EXAMPLES / f"{name}.yaml"))
    return spec.model_copy(update={"preview": None})


def fates(output: Path) -> Counter[tuple[object, object]]:
    """How many clips have a status and reason."""
    return Counter((row["status"], row["reason"]) for row in rows(output, "clips"))


def test_by_default_no_stage_rejects() -> None:
    plans = [
        plan_of_spec(spec, source="films", output="out") for spec in (CurateSpec(), preset("own_footage"))
    ]
    assert [node.key for plan in plans for node in plan.nodes if node.stage.rules()] == []


def test_own_footage_rejects_nothing_and_keeps_the_better_copy(collection: Path, output: Path) -> None:
    curate_here(collection, output, preset("own_footage"))
    assert fates(output).keys() == {("kept", None), ("duplicate", None)}
    clips = rows(output, "clips")
    copies = {Path(str(row["source_uri"])).name for row in clips if row["status"] == "duplicate"}
    assert copies == {"worn.mp4"}


@pytest.mark.parametrize("name", ["finetune", "world_model"])
def test_a_preset_for_training_gives_clips_of_the_sizes_that_it_names(
    name: str, film: Path, output: Path
) -> None:
    curate_here(film, output, preset(name))
    sides = {(row["width"], row["height"]) for row in rows(output, "clips") if row["clip_uri"]}
    assert sides <= {(160, 64), (160, 80)}
    assert rows(output, "videos")[0]["status"] == "curated"


def test_retrieval_embeds_clips_for_a_search_by_text(
    film: Path, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_stand_ins(monkeypatch, Seen())
    curate_here(film, output, preset("retrieval"))
    embedded = pq.read_table(output / "siglip2_embd_parquet")
    assert len(embedded) == len(rows(output, "clips")) > 0
    assert {row["embedding_algorithm"] for row in rows(output, "clips")} == {"siglip2"}


def test_nemo_like_filters_captions_and_keeps_the_unusual(
    collection: Path, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_stand_ins(monkeypatch, Seen())
    by_content = ContentClipExtractionStage()
    monkeypatch.setattr(
        TransNetV2ClipExtractionStage, "finder", lambda _self, context: by_content.finder(context)
    )
    curate_here(collection, output, preset("nemo_like"))
    plan = plan_of_spec(preset("nemo_like"), source="films", output="out")
    assert {"low_motion", "low_aesthetic"} <= {
        rule.reason for node in plan.nodes for rule in node.stage.rules()
    }
    assert fates(output)["kept", None] > 0
    assert {row["caption"] for row in rows(output, "windows")} == {f"{preset('nemo_like').windows.prompt}!"}
    repeats = [row for row in rows(output, "duplicates") if row["scope"] == "clip"]
    assert {row["kept_because"] for row in repeats} == {"farther from the centre of its cluster"}


def test_a_pipeline_finds_copies_and_tells_what_became_of_everything(collection: Path, output: Path) -> None:
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
    done = pipeline.run()
    clips = done.table("clips").to_pandas()
    assert (
        len(done.dataset)
        == done.counts.kept.items
        == (clips.status == "kept").sum()
        == len(list(done.dataset))
    )
    copies = done.table("duplicates", ["scope"])["scope"].to_pylist()
    assert (
        copies.count("clip") == done.counts.duplicate_clips.items == (clips.status == "duplicate").sum() > 0
    )
    assert set(done.rejections["reason"].to_pylist()) == set(done.counts.rejected) != set()
    assert done.failures == ()
    assert Path(done.report_uri).is_file()
    assert f"report: {done.report_uri}" in done.summary()
    again = pipeline.run(dedup=None)
    assert (list(again), again.counts.duplicate_clips.items) == ([], 0)

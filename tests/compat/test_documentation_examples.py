"""NeMo Curator's Python blocks run as they stand, with ``nemo_curator`` changed to ``clipmill``.

The blocks are the contract: nothing in them is ours. Its documentation leaves out what surrounds them.
"""

import json
from pathlib import Path
from typing import cast

import pyarrow.parquet as pq
import pytest
from PIL import Image

from clipmill.errors import ModelUnavailable, SpecError
from clipmill.models.captioning.chat import Caption, ChatRequest
from clipmill.pipeline import Pipeline
from clipmill.stages.video.clipping.clip_extraction_stages import (
    ClipTranscodingStage,
    FixedStrideExtractorStage,
)
from clipmill.stages.video.embedding.perceptual import PerceptualEmbeddingStage
from clipmill.stages.video.io.video_reader import VideoReader
from clipmill.tasks.video import VideoTask
from tests.support.films.document_film import draw_parts
from tests.support.stand_ins.stand_in_models import Seen, use_stand_ins

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("module_codec")]


WRITER = """
from nemo_curator.stages.video.io.clip_writer import ClipWriterStage

pipeline.add_stage(
    ClipWriterStage(
        output_path=OUT_DIR,
        input_path=VIDEO_DIR,
        upload_clips=True,
        dry_run=False,
        generate_embeddings=True,
        generate_previews=False,
        generate_captions=False,
        embedding_algorithm="internvideo2",
        caption_models=[],
        enhanced_caption_models=[],
        verbose=True,
    )
)
"""

PREPARATION = """
from nemo_curator.stages.video.caption.caption_preparation import CaptionPreparationStage
from nemo_curator.stages.video.preview.preview import PreviewStage

prep = CaptionPreparationStage(
    model_variant="qwen",
    prompt_variant="default",
    prompt_text=None,
    sampling_fps=2.0,
    window_size=256,
    remainder_threshold=128,
    preprocess_dtype="float16",
    model_does_preprocess=False,
    generate_previews=True,
    verbose=True,
)
"""

PREVIEW = """
preview = PreviewStage(
    target_fps=1.0,
    target_height=240,
    verbose=True,
)
"""

CONFIGURED_PREVIEW = """
from nemo_curator.stages.video.preview.preview import PreviewStage

preview = PreviewStage(
    target_fps=1.0,
    target_height=240,
    compression_level=6,
    quality=50,
    num_cpus_per_worker=4.0,
    verbose=False,
)
"""

PREVIEWS_DIR = """
from nemo_curator.stages.video.io.clip_writer import ClipWriterStage
previews_dir = ClipWriterStage.get_output_path_previews("/outputs")
"""

QUICKSTART = """
from nemo_curator.pipeline import Pipeline
from nemo_curator.stages.video.caption.caption_preparation import CaptionPreparationStage
from nemo_curator.stages.video.caption.caption_generation import CaptionGenerationStage
from nemo_curator.stages.video.caption.caption_enhancement import CaptionEnhancementStage
from nemo_curator.stages.video.preview.preview import PreviewStage

pipe = Pipeline(name="captions_preview")
pipe.add_stage(
    CaptionPreparationStage(
        model_variant="qwen",
        prompt_variant="default",
        prompt_text=None,
        sampling_fps=2.0,
        window_size=256,
        remainder_threshold=128,
        preprocess_dtype="float16",
        model_does_preprocess=False,
        generate_previews=True,
        verbose=True,
    )
)
pipe.add_stage(PreviewStage(target_fps=1.0, target_height=240, verbose=True))
pipe.add_stage(
    CaptionGenerationStage(
        model_dir="/models",
        model_variant="qwen",
        caption_batch_size=8,
        fp8=False,
        max_output_tokens=512,
        model_does_preprocess=False,
        generate_stage2_caption=False,
        stage2_prompt_text=None,
        disable_mmcache=True,
    )
)
pipe.run()
"""
EMPTY_PIPELINE = 'pipe = Pipeline(name="captions_preview")\n'

GENERATION = """
from nemo_curator.stages.video.caption.caption_generation import CaptionGenerationStage
from nemo_curator.stages.video.caption.caption_enhancement import CaptionEnhancementStage

gen = CaptionGenerationStage(
    model_dir="/models",
    model_variant="qwen",
    caption_batch_size=8,
    fp8=False,
    max_output_tokens=512,
    model_does_preprocess=False,
    generate_stage2_caption=False,
    stage2_prompt_text=None,
    disable_mmcache=True,
)
"""

ENHANCEMENT = """
enh = CaptionEnhancementStage(
    model_dir="/models",
    model_variant="qwen",
    prompt_variant="default",
    prompt_text=None,
    model_batch_size=128,
    fp8=False,
    max_output_tokens=512,
    verbose=True,
)
"""


def execute(block: str, **names: object) -> dict[str, object]:
    """The names that a block leaves, run with the import prefix changed and nothing else."""
    scope: dict[str, object] = dict(names)
    exec(block.replace("from nemo_curator.", "from clipmill."), scope)
    return scope


def started(source: Path) -> Pipeline:
    """What comes before the blocks: a reader, clips of a second, files of them."""
    pipeline = Pipeline(name="documents")
    pipeline.add_stage(VideoReader(input_video_path=str(source)))
    pipeline.add_stage(FixedStrideExtractorStage(clip_len_s=1, clip_stride_s=1, min_clip_length_s=1))
    return pipeline.add_stage(ClipTranscodingStage())


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    draw_parts(folder / "sub" / "parts.mp4")
    return folder


@pytest.fixture(scope="module")
def written(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of the writer's block at the end of a pipeline that embeds."""
    output = tmp_path_factory.mktemp("writer")
    pipeline = started(source).add_stage(PerceptualEmbeddingStage())
    execute(WRITER, pipeline=pipeline, OUT_DIR=str(output), VIDEO_DIR=str(source))
    pipeline.run()
    return output


@pytest.fixture(scope="module")
def previewed(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of the preview's blocks in NeMo Curator's order: preparation, preview, writer."""
    output = tmp_path_factory.mktemp("previews")
    stages = execute(PREPARATION + PREVIEW)
    pipeline = started(source).add_stage(stages["prep"]).add_stage(stages["preview"])
    block = WRITER.replace("generate_previews=False", "generate_previews=True")
    execute(block, pipeline=pipeline, OUT_DIR=str(output), VIDEO_DIR=str(source))
    pipeline.run()
    return output


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def clip_ids(output: Path) -> list[str]:
    return sorted(pq.read_table(output / "tables" / "clips.parquet")["clip_id"].to_pylist())


def test_the_writer_block_writes_clips(written: Path) -> None:
    assert names(written / "clips") == [f"{clip_id}.mp4" for clip_id in clip_ids(written)]
    assert len(clip_ids(written)) == 2


def test_the_writer_block_writes_a_json_per_clip(written: Path) -> None:
    documented = {
        "span_uuid", "source_video", "duration_span", "width_source", "height_source", "framerate_source",
        "clip_location", "width", "height", "framerate", "num_frames", "video_codec", "num_bytes", "windows",
        "valid",
    }  # fmt: skip
    for clip_id in clip_ids(written):
        assert documented <= set(json.loads((written / "metas" / "v0" / f"{clip_id}.json").read_text()))


def test_the_writer_block_writes_the_documented_json_of_videos_and_chunks(written: Path) -> None:
    assert names(written / "processed_videos") == ["sub/parts.mp4.json"]
    assert names(written / "processed_clip_chunks") == ["sub/parts.mp4_0.json"]


def test_the_writer_block_writes_embeddings_with_the_documented_columns(written: Path) -> None:
    table = pq.read_table(written / "perceptual_embd_parquet")
    assert table.column_names == ["id", "embedding"]
    assert sorted(table["id"].to_pylist()) == clip_ids(written)


def test_the_writer_block_writes_no_previews(written: Path) -> None:
    assert not (written / "previews").exists()


def test_the_preview_blocks_write_a_webp_per_window(previewed: Path) -> None:
    assert names(previewed / "previews") == [f"{clip_id}/0_24.webp" for clip_id in clip_ids(previewed)]
    with Image.open(next((previewed / "previews").rglob("*.webp"))) as image:
        assert image.format == "WEBP"


def test_the_preview_blocks_warn_of_a_low_source(
    source: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stages = execute(PREPARATION + PREVIEW)
    started(source).add_stage(stages["prep"]).add_stage(stages["preview"]).run()
    assert any("90 pixels high" in record.message for record in caplog.records)


def test_the_configured_preview_is_the_default() -> None:
    stage = execute(CONFIGURED_PREVIEW)["preview"]
    assert stage == type(stage)()


def test_the_helper_names_the_previews_folder() -> None:
    assert execute(PREVIEWS_DIR)["previews_dir"] == "/outputs/previews"


def test_the_quickstart_asks_for_a_reader() -> None:
    with pytest.raises(SpecError, match="has no reader: add a VideoReader"):
        execute(QUICKSTART)


def _asked(request: ChatRequest) -> Caption:
    """Repeats what was asked, in the place of models of several gigabytes."""
    return Caption(request.window_id, f"asked: {request.text[:16]}", "success", 5, 2)


@pytest.fixture
def _stand_in_models(monkeypatch: pytest.MonkeyPatch) -> None:
    use_stand_ins(monkeypatch, Seen(), answer=_asked)


@pytest.mark.usefixtures("_stand_in_models")
def test_the_quickstart_captions_what_a_reader_before_it_reads(source: Path) -> None:
    block = QUICKSTART.replace(EMPTY_PIPELINE, "").replace("pipe.run()", "tasks = pipe.run()")
    tasks = cast("list[VideoTask]", execute(block, pipe=started(source))["tasks"])
    texts = [window.caption for task in tasks for clip in task.data.clips for window in clip.windows]
    assert texts == [{"qwen": "asked: Write a detailed"}] * 2


@pytest.mark.usefixtures("_stand_in_models")
def test_the_caption_and_enhancement_blocks_write_the_documented_keys(source: Path, tmp_path: Path) -> None:
    stages = execute(PREPARATION + GENERATION + ENHANCEMENT)
    pipeline = started(source)
    for name in ("prep", "gen", "enh"):
        pipeline.add_stage(stages[name])
    block = WRITER.replace("generate_captions=False", "generate_captions=True")
    block = block.replace("caption_models=[]", "caption_models=None")
    execute(block, pipeline=pipeline, OUT_DIR=str(tmp_path), VIDEO_DIR=str(source))
    pipeline.run()
    record = json.loads(next((tmp_path / "metas" / "v0").glob("*.json")).read_text())
    assert record["windows"][0]["qwen_caption"] == "asked: Write a detailed"
    assert record["windows"][0]["qwen_lm_enhanced_caption"] == "asked: asked: Write a d"


@pytest.mark.usefixtures("_stand_in_models")
def test_captions_of_a_model_that_the_writer_does_not_name_stay_in_the_tables(
    source: Path, tmp_path: Path
) -> None:
    stages = execute(PREPARATION + GENERATION + ENHANCEMENT)
    pipeline = started(source)
    for name in ("prep", "gen", "enh"):
        pipeline.add_stage(stages[name])
    block = WRITER.replace("generate_captions=False", "generate_captions=True")
    block = block.replace(
        " caption_models=[]", ' caption_models=["qwen"]'
    )  # enhanced_caption_models stays []
    execute(block, pipeline=pipeline, OUT_DIR=str(tmp_path), VIDEO_DIR=str(source))
    pipeline.run()
    record = json.loads(next((tmp_path / "metas" / "v0").glob("*.json")).read_text())
    assert set(record["windows"][0]) == {"start_frame", "end_frame", "qwen_caption"}
    assert pq.read_table(tmp_path / "tables" / "windows.parquet")["enhanced_caption"].null_count == 0


@pytest.mark.skipif(Path("/models").exists(), reason="weights are there")
def test_without_weights_the_quickstart_says_which_are_missing(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelUnavailable, match="model qwen at /models"):
        execute(QUICKSTART.replace(EMPTY_PIPELINE, ""), pipe=started(source))


def written_with(source: Path, output: Path, *, before: str, after: str) -> Path:
    """The output of the writer's block with one of its values changed."""
    pipeline = started(source).add_stage(PerceptualEmbeddingStage())
    execute(WRITER.replace(before, after), pipeline=pipeline, OUT_DIR=str(output), VIDEO_DIR=str(source))
    pipeline.run()
    return output


def test_without_generate_embeddings_there_are_none(source: Path, tmp_path: Path) -> None:
    switched = {"before": "generate_embeddings=True", "after": "generate_embeddings=False"}
    assert not (written_with(source, tmp_path, **switched) / "perceptual_embd_parquet").exists()


def test_a_dry_run_writes_the_json_of_videos_only(source: Path, tmp_path: Path) -> None:
    output = written_with(source, tmp_path, before="dry_run=False", after="dry_run=True")
    folders = {path.name for path in output.iterdir() if path.is_dir()}
    assert {"processed_videos", "processed_clip_chunks"} <= folders
    assert folders.isdisjoint({"clips", "previews", "metas", "perceptual_embd_parquet"})

"""Effects of NeMo Curator's parameters and names that no other test shows."""

import io
import json
import logging
import pickle
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from clipmill.errors import SourceError
from clipmill.media.encode.preview import encode_preview
from clipmill.models.captioning.frames import prepared
from clipmill.pipeline import Pipeline
from clipmill.stages.base import ProcessingStage
from clipmill.stages.deduplication.semantic.kmeans import KMeansStage
from clipmill.stages.resources import Resources
from clipmill.stages.video.caption.caption_enhancement import CaptionEnhancementStage
from clipmill.stages.video.caption.caption_generation import CaptionGenerationStage
from clipmill.stages.video.caption.caption_preparation import CaptionPreparationStage
from clipmill.stages.video.clipping.clip_extraction_stages import (
    SUPPORTED_ENCODERS,
    ClipTranscodingStage,
    FixedStrideExtractorStage,
)
from clipmill.stages.video.clipping.clip_frame_extraction import ClipFrameExtractionStage
from clipmill.stages.video.clipping.video_frame_extraction import VideoFrameExtractionStage
from clipmill.stages.video.embedding.cosmos_embed1 import (
    CosmosEmbed1EmbeddingStage,
    CosmosEmbed1FrameCreationStage,
)
from clipmill.stages.video.embedding.learned import LearnedEmbeddingStage
from clipmill.stages.video.embedding.perceptual import PerceptualEmbeddingStage
from clipmill.stages.video.filtering.clip_aesthetic_filter import ClipAestheticFilterStage
from clipmill.stages.video.filtering.motion_filter import MotionVectorDecodeStage
from clipmill.stages.video.io.clip_writer import ClipWriterStage
from clipmill.stages.video.io.video_reader import VideoReader, VideoReaderStage
from clipmill.stages.video.preview.preview import PreviewStage
from clipmill.storage.listing import list_source
from clipmill.tasks import VideoTask
from tests.support.films.small_films import draw_film
from tests.support.stand_ins.stand_in_models import Seen, use_stand_ins

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("module_codec")]


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two films, of five seconds and of one."""
    folder = tmp_path_factory.mktemp("films")
    draw_film(folder / "long.mp4", seed=3, shots=(120,))
    draw_film(folder / "short.mp4", seed=4, shots=(24,))
    return folder


def splitter(**fields: Any) -> FixedStrideExtractorStage:  # noqa: ANN401 - parameters of the stage
    return FixedStrideExtractorStage(
        **{"clip_len_s": 1, "clip_stride_s": 1, "min_clip_length_s": 1, **fields}
    )


def writer(films: Path, output: Path, **fields: Any) -> ClipWriterStage:  # noqa: ANN401 - parameters of the stage
    plain = {
        "output_path": str(output), "input_path": str(films), "upload_clips": True, "dry_run": False,
        "generate_embeddings": True, "generate_previews": False, "generate_captions": False,
    }  # fmt: skip
    return ClipWriterStage(**{**plain, **fields})


def run(films: Path, *stages: object) -> list[VideoTask]:
    return Pipeline("effects", stages=[VideoReader(input_video_path=str(films)), *stages]).run()


@pytest.fixture(scope="module")
def written(films: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Overlapping clips in chunks of eight seconds, with embeddings."""
    output = tmp_path_factory.mktemp("written")
    stages = (
        splitter(clip_stride_s=0.5), ClipTranscodingStage(num_clips_per_chunk=1), PerceptualEmbeddingStage(),
    )  # fmt: skip
    run(films, *stages, writer(films, output))
    return output


def test_a_smaller_chunk_makes_more_files_of_chunks(written: Path) -> None:
    chunks = sorted((written / "processed_clip_chunks").glob("long*.json"))
    assert [path.name for path in chunks] == ["long.mp4_0.json", "long.mp4_1.json"]
    assert [len(json.loads(path.read_text())["clips"]) for path in chunks] == [8, 1]


def test_the_helpers_of_the_writer_name_what_a_run_writes(written: Path) -> None:
    helpers = ClipWriterStage
    ids = pq.read_table(written / "tables" / "clips.parquet")["clip_id"].to_pylist()
    clips = Path(helpers.get_output_path_clips(str(written)))
    assert sorted(path.stem for path in clips.glob("*.mp4")) == sorted(ids)
    metas = Path(helpers.get_output_path_metas(str(written), "v0"))
    first = json.loads((metas / f"{ids[0]}.json").read_text())
    assert first["source_video"] == str(Path(first["source_video"]))
    videos = Path(helpers.get_output_path_processed_videos(str(written)))
    assert sorted(path.name for path in videos.iterdir()) == ["long.mp4.json", "short.mp4.json"]
    assert len(list(Path(helpers.get_output_path_processed_clip_chunks(str(written))).iterdir())) == 3
    vectors = pq.read_table(helpers.get_output_path_embd_parquet(str(written), "perceptual"))
    assert sorted(vectors["id"].to_pylist()) == sorted(ids)
    assert helpers.get_output_path_ce1_embd_parquet("out").endswith("/ce1_embd_parquet")
    assert helpers.get_output_path_clips("out", filtered=True).endswith("/filtered_clips")
    assert helpers.calculate_sha256(b"abc").startswith("ba7816bf8f01cfea")


def test_readers_of_nemo_curators_pickles_find_those_of_cosmos_embed1(
    films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NeMo Curator's own evaluation of captions reads ``ce1_embd/<clip>.pickle``, ``(1, D)``, beside JSON."""
    use_stand_ins(monkeypatch, Seen())
    pair = (CosmosEmbed1FrameCreationStage(), CosmosEmbed1EmbeddingStage())
    run(films, splitter(), *pair, writer(films, tmp_path, upload_clips=False))
    pickles = Path(ClipWriterStage.get_output_path_ce1_embd(str(tmp_path)))
    assert {path.stem for path in pickles.iterdir()} == {path.stem for path in tmp_path.glob("metas/v0/*")}
    vectors = pq.read_table(ClipWriterStage.get_output_path_ce1_embd_parquet(str(tmp_path))).to_pylist()
    assert len(vectors) == 6
    for row in vectors:
        found = pickle.loads((pickles / f"{row['id']}.pickle").read_bytes())
        np.testing.assert_array_equal(found, np.array([row["embedding"]], np.float32), strict=True)
    run(films, splitter(), *pair, writer(films, tmp_path, upload_clips=False, generate_embeddings=False))
    assert not list(pickles.iterdir())


def test_without_upload_there_are_no_files_of_clips(films: Path, tmp_path: Path) -> None:
    run(films, splitter(), ClipTranscodingStage(), writer(films, tmp_path, upload_clips=False))
    assert not (tmp_path / "clips").exists()
    assert len(list((tmp_path / "metas" / "v0").glob("*.json"))) == 6


@pytest.mark.parametrize(
    ("fields", "spans"),
    [
        ({"clip_stride_s": 2}, [(0, 1), (2, 3), (4, 5)]),
        ({"clip_len_s": 2, "clip_stride_s": 2, "min_clip_length_s": 1}, [(0, 2), (2, 4), (4, 5)]),
        ({"clip_len_s": 2, "clip_stride_s": 2, "min_clip_length_s": 1.5}, [(0, 2), (2, 4)]),
    ],
)
def test_the_stride_and_the_least_length_decide_the_clips(
    films: Path, fields: dict[str, object], spans: list[tuple[float, float]]
) -> None:
    tasks = run(films / "long.mp4", splitter(**fields))
    assert [clip.span for clip in tasks[0].data.clips] == [pytest.approx(span, abs=0.01) for span in spans]


def test_a_json_list_is_read_by_the_documented_pair_of_stages(
    films: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    partitioning = import_module("clipmill.stages.client_partitioning").ClientPartitioningStage
    (tmp_path / "list.json").write_text(json.dumps([str(films / "short.mp4")]))
    with caplog.at_level(logging.WARNING):
        read = partitioning(
            file_paths=str(films), input_list_json_path=str(tmp_path / "list.json"), files_per_partition=1
        )
    assert "ClientPartitioningStage: files_per_partition has no effect here" in caplog.text
    stages = [read, VideoReaderStage(input_path=str(films), verbose=True), splitter()]
    with caplog.at_level(logging.DEBUG, logger="clipmill.stages.read"):
        tasks = Pipeline("list", stages=stages).run()
    assert [Path(task.data.input_path).name for task in tasks] == ["short.mp4"]
    assert VideoReaderStage(verbose=True).log().name == "clipmill.stages.read"
    assert any("short.mp4" in record.message for record in caplog.records)


def test_files_are_listed_by_their_place_their_ending_and_a_limit(films: Path) -> None:
    partitioning = import_module("clipmill.stages.file_partitioning").FilePartitioningStage

    def listed(**fields: Any) -> list[str]:  # noqa: ANN401 - parameters of the stage
        source = partitioning(**{"file_paths": str(films), **fields}).source()
        return [Path(one.uri).name for one in list_source(source)]

    assert listed() == listed(file_extensions=[".MP4", ".mov"]) == ["long.mp4", "short.mp4"]
    assert listed(limit=1) == ["long.mp4"]
    assert listed(file_paths=str(films / "short.mp4")) == ["short.mp4"]
    with pytest.raises(SourceError, match=r"holds no video that ends with \.webm"):
        listed(file_extensions=[".webm"])


def test_frames_are_asked_for_by_the_documented_names(films: Path) -> None:
    names = import_module("clipmill.utils.decoder_utils")
    stage = ClipFrameExtractionStage(
        extraction_policies=[names.FrameExtractionPolicy.sequence],
        extract_purposes=[names.FramePurpose.EMBEDDINGS],
        target_res=[-1, -1],
    )
    key = names.FrameExtractionSignature(
        extraction_policy=names.FrameExtractionPolicy.sequence, target_fps=2.0
    ).to_str()
    (task,) = run(films / "short.mp4", splitter(), stage)
    assert [list(clip.extracted_frames) for clip in task.data.clips] == [[key]] == [["sequence-2000"]]
    with pytest.raises(ImportError, match=r"clipmill has no clipmill\.utils\.file_utils: it has no helpers"):
        import_module("clipmill.utils.file_utils")


def test_frames_have_the_size_asked_for_in_stages_and_models(
    films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = Seen()
    use_stand_ins(monkeypatch, seen)
    frames = ClipFrameExtractionStage(target_res=[64, 48], write=True)
    models = ClipAestheticFilterStage(score_threshold=0), LearnedEmbeddingStage(algorithm="siglip2")
    (task,) = run(films / "short.mp4", splitter(), frames, *models)
    assert seen.sizes == {(64, 48)}
    assert [clip.extracted_frames["sequence-2000"].shape[1:] for clip in task.data.clips] == [(64, 48, 3)]
    run(films / "short.mp4", splitter(), frames, writer(films / "short.mp4", tmp_path))
    assert {Image.open(path).size for path in (tmp_path / "frames").rglob("*.jpg")} == {(48, 64)}
    assert ClipFrameExtractionStage(target_res=[-1, -1]).digest() == ClipFrameExtractionStage().digest()
    for wrong in ([64], [64, 0], [64, 9000]):
        with pytest.raises(ValueError, match=r"target_res is \[height, width\], each from 16 to 4320"):
            ClipFrameExtractionStage(target_res=wrong)


def test_a_stage_holds_a_model_of_the_documented_kind(films: Path) -> None:
    interface = import_module("clipmill.models.base").ModelInterface

    class Brightness(interface):
        @property
        def model_id_names(self) -> list[str]:
            return ["my/brightness"]

        def setup(self) -> None:
            self.bias = 1.5

    class Score(ProcessingStage[VideoTask, VideoTask]):
        name = "score"

        def __init__(self) -> None:
            self.model = Brightness()

        def setup(self, worker_metadata: object = None) -> None:
            self.model.setup()

        def process(self, task: VideoTask) -> VideoTask:
            for clip in task.data.clips:
                clip.aesthetic_score = self.model.bias
            return task

    (task,) = run(films / "short.mp4", splitter(), Score())
    assert [clip.aesthetic_score for clip in task.data.clips] == [1.5]
    with pytest.raises(TypeError, match="abstract"):
        interface()


def test_what_a_worker_reserves_follows_the_parameters() -> None:
    assert ClipAestheticFilterStage(num_gpus_per_worker=0.5).resources().gpus == 0.5
    assert MotionVectorDecodeStage(num_cpus_per_worker=2).resources().cpus == 2
    assert PreviewStage(num_cpus_per_worker=2).resources().cpus == 2
    assert ClipTranscodingStage(encode_batch_size=4).resources().batch_items == 4
    captioned = CaptionPreparationStage(), CaptionGenerationStage()
    at_once = [
        Pipeline("p", stages=[VideoReader(input_video_path="v"), *captioned, stage]).plan().nodes[-1].stage
        for stage in (CaptionEnhancementStage(model_batch_size=size) for size in (2, 4))
    ]
    assert [one.resources().batch_items for one in at_once] == [16, 32]


def test_the_encoders_are_listed() -> None:
    for encoder in SUPPORTED_ENCODERS:
        assert ClipTranscodingStage(encoder=encoder).encoder == encoder
    assert {"h264_nvenc", "libvpx-vp9", "libopenh264"} < set(SUPPORTED_ENCODERS)


def test_resources_of_both_generations_ask_for_a_gpu() -> None:
    assert not Resources(cpus=2).requires_gpu
    assert Resources(gpus=0.5).requires_gpu
    assert Resources(gpu_memory_gb=8).requires_gpu
    assert [Resources(**{name: 1}).gpus for name in ("nvdecs", "nvencs", "entire_gpu")] == [1, 1, 1]
    assert Resources(gpu_memory_gb=8, nvdecs=1).gpus == 0


def test_a_preview_is_as_high_and_as_fast_as_asked_for() -> None:
    noise = np.random.default_rng(1).integers(0, 255, (4, 180, 320, 3), dtype=np.uint8)

    def image(**fields: Any) -> tuple[Image.Image, int]:  # noqa: ANN401 - parameters of the stage
        data = encode_preview(noise, options=PreviewStage(**fields).options)
        return Image.open(io.BytesIO(data)), len(data)

    small, _ = image(target_height=90, target_fps=4)
    small.load()
    assert (small.size, small.info["duration"]) == ((160, 90), 250)
    assert image(quality=90)[1] > 1.5 * image(quality=10)[1]


def test_a_variant_names_the_prompt_and_a_text_replaces_it() -> None:
    for stage in (CaptionPreparationStage, CaptionEnhancementStage):
        prompts = [stage(prompt_variant=variant).prompt for variant in ("default", "av", "av-surveillance")]
        assert len(set(prompts)) == 3
        assert stage(prompt_variant="av", prompt_text="Count the cars.").prompt == "Count the cars."


def test_the_numbers_in_which_frames_are_resized_show_in_them() -> None:
    noise = np.random.default_rng(0).integers(90, 160, (4, 90, 160, 3), dtype=np.uint8)
    shown = [
        prepared(noise, CaptionPreparationStage(preprocess_dtype=dtype).options)
        for dtype in ("float32", "uint8")
    ]
    assert shown[0].shape == shown[1].shape != noise.shape
    assert 0 < np.abs(shown[0].astype(int) - shown[1]).max() <= 2


def test_a_captioner_keeps_prepared_frames_unless_that_is_off() -> None:
    kept = [CaptionGenerationStage(disable_mmcache=off).serving(gpu_share=1).vision for off in (False, True)]
    assert [vision.keeps_prepared for vision in kept if vision] == [True, False]


def centroids(folder: Path, **fields: Any) -> np.ndarray:  # noqa: ANN401 - parameters of the stage
    """Of 300 directions without any order, so that nothing hides what a parameter does."""
    vectors = np.random.default_rng(2).normal(size=(300, 8)).astype(np.float32)
    if not (folder / "in").exists():
        (folder / "in").mkdir()
        table = pa.table({"id": [f"{number:03d}" for number in range(300)], "embedding": list(vectors)})
        pq.write_table(table, folder / "in" / "part.parquet")
    stage = KMeansStage(
        n_clusters=9, id_field="id", embedding_field="embedding", input_path=str(folder / "in"),
        output_path=str(folder / "out"), cache_path=str(folder), **fields,
    )  # fmt: skip
    stage.run("")
    return np.load(folder / "kmeans_centroids.npy")


@pytest.mark.parametrize(
    "changed",
    [
        {"max_iter": 1}, {"tol": 0.5}, {"random_state": 7}, {"init": "random"}, {"n_init": 20},
        {"oversampling_factor": 0.2}, {"fit_data_fraction": 0.3},
    ],
    ids=lambda changed: next(iter(changed)),
)  # fmt: skip
def test_each_parameter_of_the_fit_moves_the_centroids(tmp_path: Path, changed: dict[str, object]) -> None:
    plain = centroids(tmp_path)
    assert np.array_equal(plain, centroids(tmp_path, n_init="auto"))
    assert not np.array_equal(plain, centroids(tmp_path, **changed))


def test_the_name_of_a_stage_is_shown_where_a_pipeline_is_described(films: Path) -> None:
    stages = (
        splitter(name="seconds"),
        ClipTranscodingStage().with_(name="cutter"),
        PerceptualEmbeddingStage(),
    )
    said = Pipeline("p", stages=[VideoReader(input_video_path=str(films)), *stages]).describe()
    assert "fixed_stride (FixedStrideExtractorStage, named seconds)" in said
    assert "encode (ClipTranscodingStage, named cutter): reads" in said
    assert "embedding (PerceptualEmbeddingStage): reads" in said
    assert splitter(name="seconds").digest() == splitter().digest()


def test_what_has_no_effect_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            VideoFrameExtractionStage(decoder_mode="ffmpeg_cpu").with_(batch_size=4)
            Pipeline("p", config={"a": 1})
    assert [record.message for record in caplog.records] == [
        "VideoFrameExtractionStage: decoder_mode has no effect here",
        "VideoFrameExtractionStage: with_(batch_size=...) has no effect here",
        "Pipeline: config has no effect here",
    ]
    assert (
        VideoFrameExtractionStage(decoder_mode="ffmpeg_gpu").digest() == VideoFrameExtractionStage().digest()
    )

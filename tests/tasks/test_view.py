"""The documented view of a chunk: which rows and samples fill which fields."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from clipmill import identity
from clipmill.engine.chunk import Chunk
from clipmill.planning.judgement import Rejection
from clipmill.planning.plan import Plan
from clipmill.records import SourceFile
from clipmill.stages.base import Frames
from clipmill.stages.video.caption.caption_generation import CaptionGenerationStage
from clipmill.stages.video.caption.caption_preparation import CaptionPreparationStage
from clipmill.stages.video.clipping.clip_extraction_stages import ClipTranscodingStage
from clipmill.stages.video.clipping.clip_frame_extraction import (
    ClipFrameExtractionStage,
    FrameExtractionPolicy,
)
from clipmill.stages.video.embedding.learned import LearnedEmbeddingStage
from clipmill.stages.video.embedding.perceptual import PerceptualEmbeddingStage
from clipmill.stages.video.filtering.clip_aesthetic_filter import ClipAestheticFilterStage
from clipmill.stages.video.filtering.motion_filter import MotionFilterStage, MotionVectorDecodeStage
from clipmill.stages.video.filtering.quality_filter import QualityFilterStage
from clipmill.stages.video.preview.preview import PreviewStage
from clipmill.tasks.video import Clip, RemotePath, Video
from clipmill.tasks.view import task_of
from tests.support.hand_made import FACTS, IDS, SPANS, chunk, plan, rows, samples, work

PIXELS = np.zeros((4, 90, 160, 3), np.uint8)


def video_of(made: Chunk, of: Plan) -> Video:
    return task_of(made, of).data


def first(made: Chunk, of: Plan) -> Clip:
    return video_of(made, of).clips[0]


def test_video_says_what_its_source_is() -> None:
    task = task_of(chunk(index=1, num_chunks=2, num_clips=5), plan())
    video = task.data
    assert task.task_id == f"{'f' * 32}_1"
    assert (video.input_video, video.video_id, video.facts) == (Path("films/film.mp4"), "f" * 32, FACTS)
    assert (video.metadata.size, video.metadata.width, video.metadata.framerate) == (4, 160, 24.0)
    assert (video.num_total_clips, video.num_clip_chunks, video.clip_chunk_index) == (5, 2, 1)
    assert video.fraction == pytest.approx(3 / 5)


def test_remote_source_keeps_its_uri() -> None:
    remote = replace(work(), source=SourceFile("s3://bucket/a.mp4", 4, "v1"))
    assert video_of(chunk(work=remote), plan()).input_video == RemotePath("s3://bucket/a.mp4")


def test_rejected_video_says_why() -> None:
    video = video_of(chunk(clips=(), num_clips=0, error="less than a clip"), plan())
    assert (video.clips, video.errors) == ([], {"scan": "less than a clip"})


def test_clip_has_its_span_and_place() -> None:
    clip = video_of(chunk(), plan()).clips[1]
    assert (str(clip.uuid), clip.span, clip.place) == (IDS[1], (2.0, 4.0), SPANS[1])
    assert clip.source_video == "films/film.mp4"


def test_windows_have_inclusive_ends() -> None:
    clip = first(chunk(), plan(CaptionPreparationStage(window_size=20, remainder_threshold=6)))
    assert [(one.start_frame, one.end_frame) for one in clip.windows] == [(0, 19), (20, 39), (40, 47)]


def test_buffer_is_the_file_where_nothing_is_written() -> None:
    assert first(chunk(files={IDS[0]: b"mp4"}), plan()).buffer == b"mp4"


def test_rejected_clips_stand_apart_with_their_reason() -> None:
    made = chunk(rejected={IDS[1]: Rejection("quality", "black", "black_ratio 1 is above 0.5")})
    video = video_of(made, plan(QualityFilterStage()))
    assert [str(clip.uuid) for clip in video.clips] == [IDS[0], IDS[2]]
    assert [(str(clip.uuid), clip.reason) for clip in video.filtered_clips] == [(IDS[1], "black")]
    assert video.filtered_clips[0].errors == {}


def test_reason_of_a_stage_of_the_users_own_stays_a_word() -> None:
    made = chunk(rejected={IDS[0]: Rejection("quality", "dark", "luma 0 is below 1")})
    assert video_of(made, plan(QualityFilterStage())).filtered_clips[0].reason == "dark"


def test_frames_lie_under_documented_keys() -> None:
    frames = ClipFrameExtractionStage(target_fps=[2.0], extraction_policies=list(FrameExtractionPolicy))
    of = plan(frames)
    clip = first(chunk(samples={frames.shows()[0]: (samples(PIXELS), None, None)}), of)
    assert {key: value.shape for key, value in clip.extracted_frames.items()} == {
        "sequence-2000": (4, 90, 160, 3),
        "middle-2000": (1, 90, 160, 3),
    }


@pytest.mark.parametrize("has_own", [True, False], ids=["frames stage", "no frames stage"])
def test_frames_of_one_rate_are_the_frames_stage_s_or_the_highest(has_own: bool) -> None:
    frames = ClipFrameExtractionStage(target_fps=[2.0])
    low, high = frames.shows()[0], Frames(Fraction(2), 336)
    held = {high: (samples(PIXELS + 1), None, None), low: (samples(PIXELS), None, None)}
    clip = first(chunk(samples=held), plan(*([frames] if has_own else [])))
    assert clip.extracted_frames["sequence-2000"].max() == (0 if has_own else 1)


def test_clip_without_an_instant_of_the_grid_says_so() -> None:
    frames = ClipFrameExtractionStage(target_fps=[2.0])
    clip = first(chunk(samples={frames.shows()[0]: (samples(PIXELS[:0]), None, None)}), plan(frames))
    assert clip.errors == {"frames": "no sampled frame at 2 a second inside the clip"}


def test_motion_is_seen_as_scores_and_blocks() -> None:
    of = plan(MotionVectorDecodeStage(target_duration_ratio=0.5))
    node = of.by_key["motion"]
    read = node.reads.motion
    assert read is not None
    blocks = np.ones((4, 3, 5), np.float32)
    table = rows(node, {"motion_global_mean": [0.5, None, 0.25], "motion_per_patch_min_256": [0.1, 0.2, 0.3]})
    held = {read: (samples(blocks, np.zeros((4, 2))), None, None)}
    clip = first(chunk(samples=held, made={"motion": table}), of)
    assert (clip.motion_score_global_mean, clip.motion_score_per_patch_min_256) == (0.5, 0.1)
    assert (clip.motion_score_camera_mean, clip.motion_score_object_mean) == (None, None)
    assert clip.decoded_motion_data is not None
    assert clip.decoded_motion_data.shape == (2, 3, 5)


def test_failure_is_an_error_of_the_clip() -> None:
    of = plan(MotionVectorDecodeStage())
    failed = {"outcome": ["final"] * 3, "message": ["no motion data"] * 3}
    clip = first(chunk(made={"motion": rows(of.by_key["motion"], failed)}), of)
    assert (clip.errors, clip.motion_score_global_mean) == ({"motion": "no motion data"}, None)


def test_quality_is_seen_as_scores() -> None:
    of = plan(QualityFilterStage())
    clip = first(chunk(made={"quality": rows(of.by_key["quality"], {"sharpness": [3.0] * 3})}), of)
    assert clip.quality is not None
    assert (clip.quality.sharpness, clip.quality.exposure) == (3.0, None)


def test_aesthetic_score_is_the_reduction_that_was_asked_for() -> None:
    of = plan(ClipAestheticFilterStage(reduction="mean"))
    values = {"aesthetic_min": [4.0] * 3, "aesthetic_mean": [5.0] * 3}
    assert first(chunk(made={"aesthetic": rows(of.by_key["aesthetic"], values)}), of).aesthetic_score == 5.0


def test_file_is_described() -> None:
    of = plan(ClipTranscodingStage())
    values = {
        "clip_uri": [f"clips/{one}.mp4" for one in IDS], "clip_digest": ["ab"] * 3,
        "width": [160] * 3, "height": [90] * 3, "framerate": [24.0] * 3, "num_frames": [48] * 3,
        "has_audio": [True] * 3, "crop_x": [0, None, None], "crop_y": [2, None, None],
        "crop_width": [160, None, None], "crop_height": [80, None, None],
        "audio_status": ["copied", "lost", None], "audio_reason": ["", "no packet could be decoded", None],
        "audio_errors": [None, '{"sound": "no packet could be decoded"}', None],
    }  # fmt: skip
    clips = video_of(chunk(made={"encode": rows(of.by_key["encode"], values)}), of).clips
    file = clips[0].file
    assert file is not None
    assert (file.path, file.width, file.num_frames, file.has_audio) == (f"clips/{IDS[0]}.mp4", 160, 48, True)
    assert (clips[0].file_digest, file.crop) == ("ab", (0, 2, 160, 80))
    assert clips[1].file is not None
    assert clips[1].file.crop is None
    assert (file.sound.status, clips[1].file.sound.status) == ("copied", "lost")
    assert clips[1].errors == {"sound": "no packet could be decoded"}
    assert clips[0].errors == {}


def test_embedding_and_sketch_are_seen() -> None:
    of = plan(PerceptualEmbeddingStage())
    values = {
        "embedding": [[0.6, 0.8]] * 3, "sketch": [b"s"] * 3, "embedding_algorithm": ["perceptual"] * 3,
    }  # fmt: skip
    clip = first(chunk(made={"embedding": rows(of.by_key["embedding"], values)}), of)
    assert clip.embedding is not None
    assert clip.embedding.dtype == np.float32
    np.testing.assert_array_equal(clip.embedding, np.array([0.6, 0.8], np.float32))
    assert (clip.sketch, clip.text_match, clip.cosmos_embed1_embedding) == (b"s", None, None)


def test_family_with_documented_fields_fills_them() -> None:
    of = plan(LearnedEmbeddingStage(algorithm="cosmos-embed1-224p", allow_remote_code=["cosmos-embed1-224p"]))
    values = {
        "embedding": [[1.0, 0.0]] * 3, "embedding_algorithm": ["cosmos-embed1-224p"] * 3,
        "text_match": ["a dog"] * 3, "text_match_score": [0.75] * 3,
    }  # fmt: skip
    clip = first(chunk(made={"embedding": rows(of.by_key["embedding"], values)}), of)
    assert clip.cosmos_embed1_embedding is clip.embedding
    assert (clip.text_match, clip.cosmos_embed1_text_match) == (("a dog", 0.75), ("a dog", 0.75))
    assert (clip.intern_video_2_embedding, clip.intern_video_2_text_match) == (None, None)


def window_ids(of: Plan) -> list[str]:
    return [
        identity.window_id(span.clip_id, window.start_frame, window.end_frame)
        for span in SPANS
        for window in of.windows_of(span)
    ]


def test_captions_lie_under_the_model_s_variant() -> None:
    endpoint = {"backend": "endpoint", "endpoint_url": "http://host/v1", "endpoint_model": "m"}
    of = plan(CaptionGenerationStage.model_validate(endpoint))
    ids = window_ids(of)
    texts = ["a dog", *[None] * (len(ids) - 1)]
    statuses = ["success", *["error"] * (len(ids) - 1)]
    messages = [None, *["blocked"] * (len(ids) - 1)]
    values = {"caption": texts, "status": statuses, "message": messages, "output_tokens": [2] * len(ids)}
    video = video_of(chunk(made={"caption": rows(of.by_key["caption"], values, ids=ids)}), of)
    window, other = video.clips[0].windows[0], video.clips[1].windows[0]
    assert (window.caption, other.caption) == ({"qwen": "a dog"}, {})
    assert window.answer is not None
    assert (window.answer.status, window.answer.output_tokens, window.answer.window_id) == (
        "success",
        2,
        ids[0],
    )
    assert video.clips[1].errors == {"caption_0_47": "blocked"}
    assert video.clip_stats.num_with_caption == 1


@pytest.mark.parametrize("is_held", [True, False], ids=["in memory", "written"])
def test_preview_is_there_as_bytes_or_as_a_word(is_held: bool) -> None:
    of = plan(PreviewStage())
    ids = window_ids(of)
    uris = [f"previews/{name}.webp" for name in ids]
    table = rows(of.by_key["preview"], {"preview_uri": uris}, ids=ids)
    video = video_of(chunk(made={"preview": table}, files={uris[0]: b"webp"} if is_held else {}), of)
    window = video.clips[0].windows[0]
    assert (bool(window.preview_path), window.webp_bytes) == (True, b"webp" if is_held else None)
    assert video.clip_stats.num_with_webp == 3


def test_counts_are_true() -> None:
    of = plan(MotionFilterStage(), PerceptualEmbeddingStage())
    low = Rejection("motion_filter", "low_motion", "motion_global_mean 0 is below 0.1")
    table = rows(of.by_key["embedding"], {"embedding": [[1.0]] * 2}, ids=IDS[1:])
    stats = video_of(chunk(rejected={IDS[0]: low}, made={"embedding": table}), of).clip_stats
    assert (stats.num_filtered_by_motion, stats.num_passed, stats.num_with_embeddings) == (1, 2, 2)
    assert (stats.total_clip_duration, stats.max_clip_duration) == (6.0, 2.0)


def test_rows_of_an_earlier_run_count_where_they_were_read() -> None:
    of = plan(PerceptualEmbeddingStage())
    table = rows(of.by_key["embedding"], {}).drop_columns(["embedding", "sketch"])
    assert first(chunk(known={"embedding": table}), of).embedding is None

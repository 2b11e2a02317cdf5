"""NeMo Curator's data model: fields, defaults, methods and errors."""

import uuid
from dataclasses import MISSING, fields
from pathlib import Path

import numpy as np
import pytest

from clipmill.errors import UnreadableVideo
from clipmill.tasks.video import Clip, ClipStats, RemotePath, Video, VideoMetadata, VideoTask, Window

REQUIRED = object()

DOCUMENTED = {
    Window: {
        "start_frame": REQUIRED, "end_frame": REQUIRED, "mp4_bytes": None, "qwen_llm_input": None,
        "llm_inputs": {}, "x1_input": None, "caption": {}, "enhanced_caption": {}, "webp_bytes": None,
    },
    Clip: {
        "uuid": REQUIRED, "source_video": REQUIRED, "span": REQUIRED, "buffer": None, "extracted_frames": {},
        "decoded_motion_data": None, "motion_score_global_mean": None, "motion_score_per_patch_min_256": None,
        "aesthetic_score": None, "cosmos_embed1_frames": None, "cosmos_embed1_embedding": None,
        "intern_video_2_frames": None, "intern_video_2_embedding": None, "windows": [], "egomotion": {},
        "cosmos_embed1_text_match": None, "intern_video_2_text_match": None, "errors": {},
    },
    ClipStats: {
        "num_filtered_by_motion": 0, "num_filtered_by_aesthetic": 0, "num_passed": 0, "num_transcoded": 0,
        "num_with_embeddings": 0, "num_with_caption": 0, "num_with_webp": 0, "total_clip_duration": 0.0,
        "max_clip_duration": 0.0,
    },
    VideoMetadata: {
        "size": None, "height": None, "width": None, "framerate": None, "num_frames": None, "duration": None,
        "video_codec": None, "pixel_format": None, "audio_codec": None, "bit_rate_k": None,
    },
    Video: {
        "input_video": REQUIRED, "source_bytes": None, "metadata": VideoMetadata(), "frame_array": None,
        "clips": [],
        "filtered_clips": [], "num_total_clips": 0, "num_clip_chunks": 0, "clip_chunk_index": 0,
        "clip_stats": ClipStats(), "errors": {},
    },
}  # fmt: skip


def make_clip(**changes: object) -> Clip:
    return Clip(**{"uuid": uuid.uuid4(), "source_video": "film.mp4", "span": (5.0, 15.0), **changes})


def make_video(**metadata: object) -> Video:
    return Video(Path("film.mp4"), metadata=VideoMetadata(**metadata))


@pytest.mark.parametrize(
    ("kind", "name", "default"),
    [(kind, name, default) for kind, names in DOCUMENTED.items() for name, default in names.items()],
    ids=[f"{kind.__name__}.{name}" for kind, names in DOCUMENTED.items() for name in names],
)
def test_documented_field_and_default(kind: type, name: str, default: object) -> None:
    found = {field.name: field for field in fields(kind)}[name]
    value = found.default_factory() if found.default_factory is not MISSING else found.default
    assert (value is MISSING) if default is REQUIRED else (value == default)


def test_clip_duration_is_the_length_of_its_span() -> None:
    assert make_clip().duration == 10.0


def test_an_empty_clip_holds_at_least_its_uuid() -> None:
    assert make_clip().get_major_size() >= 16


def test_clip_size_counts_buffer_frames_and_windows() -> None:
    clip = make_clip(buffer=b"x" * 100, extracted_frames={"sequence-2000": np.zeros((2, 4, 4, 3), np.uint8)})
    clip.windows = [Window(0, 9, mp4_bytes=b"y" * 50, webp_bytes=b"z" * 7)]
    assert clip.get_major_size() >= 16 + 100 + 96 + 50 + 7


def test_clip_without_buffer_has_no_metadata() -> None:
    assert make_clip().extract_metadata() is None


def test_clip_whose_buffer_is_no_video_says_so() -> None:
    with pytest.raises(UnreadableVideo):
        make_clip(buffer=b"not a video at all" * 100).extract_metadata()


def test_stats_combine_sums_counts_and_keeps_the_longest() -> None:
    stats = ClipStats(num_passed=3, num_transcoded=4, total_clip_duration=120.5, max_clip_duration=15.2)
    stats.combine(
        ClipStats(num_passed=2, num_filtered_by_motion=1, total_clip_duration=60.3, max_clip_duration=20.1)
    )
    assert stats == ClipStats(
        num_passed=5,
        num_transcoded=4,
        num_filtered_by_motion=1,
        total_clip_duration=180.8,
        max_clip_duration=20.1,
    )


@pytest.mark.parametrize(
    ("total", "clips", "filtered", "expected"),
    [(0, 0, 0, 1.0), (10, 3, 2, 0.5)],
    ids=["no clips yet", "half"],
)
def test_fraction(total: int, clips: int, filtered: int, expected: float) -> None:
    video = make_video()
    video.num_total_clips = total
    video.clips = [make_clip() for _ in range(clips)]
    video.filtered_clips = [make_clip() for _ in range(filtered)]
    assert video.fraction == expected


def test_weight_is_zero_while_the_size_is_unknown() -> None:
    assert make_video(duration=300.0).weight == 0


def test_weight_is_the_share_of_five_minutes_times_the_fraction() -> None:
    video = make_video(size=1000, duration=150.0)
    video.num_total_clips = 10
    video.clips = [make_clip() for _ in range(5)]
    video.filtered_clips = [make_clip() for _ in range(3)]
    assert video.weight == pytest.approx(0.4)


def test_weight_needs_a_duration() -> None:
    with pytest.raises(ValueError, match=r"metadata\.duration is None"):
        _ = make_video(size=1000).weight


@pytest.mark.parametrize(
    ("pixel_format", "expected"),
    [(None, None), ("yuv420p", False), ("yuv420p10le", True), ("yuv420p10be", True)],
)
def test_is_10_bit_color(pixel_format: str | None, expected: bool | None) -> None:
    assert make_video(pixel_format=pixel_format).is_10_bit_color() is expected


def test_has_metadata_needs_six_fields() -> None:
    known = {
        "height": 1,
        "width": 1,
        "duration": 1.0,
        "framerate": 1.0,
        "num_frames": 1,
        "video_codec": "h264",
    }
    assert make_video(**known).has_metadata()
    for name in known:
        assert not make_video(**{**known, name: None}).has_metadata()


def test_populate_metadata_needs_bytes() -> None:
    with pytest.raises(ValueError, match="source_bytes is None"):
        make_video().populate_metadata()


def test_populate_metadata_names_what_is_no_video() -> None:
    video = Video(Path("notes.mp4"), source_bytes=b"hello, this is text" * 50)
    with pytest.raises(UnreadableVideo, match=r"notes\.mp4"):
        video.populate_metadata()


def test_input_path_of_local_and_remote_videos() -> None:
    assert Video(Path("/a/b.mp4")).input_path == "/a/b.mp4"
    assert Video(RemotePath("s3://bucket/b.mp4")).input_path == "s3://bucket/b.mp4"


def test_task_of_a_missing_file_is_not_valid(tmp_path: Path) -> None:
    assert not VideoTask(Video(tmp_path / "gone.mp4")).validate()
    (tmp_path / "there.mp4").write_bytes(b"")
    assert VideoTask(Video(tmp_path / "there.mp4")).validate()


def test_a_task_is_one_item() -> None:
    assert VideoTask(make_video()).num_items == 1

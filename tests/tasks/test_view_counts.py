"""The counts a video carries, and the numbers of its chunks."""

import uuid
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from clipmill.engine.scan import chunker
from clipmill.engine.scan.chunker import Chunker
from clipmill.engine.work import Work
from clipmill.media.types import Samples, ScanArrays
from clipmill.records import ClipSpan, CutClip, FrameSpan, SourceFile
from clipmill.stages.reads import Frames
from clipmill.stages.video.embedding.perceptual import PerceptualEmbeddingStage
from clipmill.tasks.video import Clip, ClipStats, Video, Window
from clipmill.tasks.view import clip_stats, task_of
from tests.support import hand_made
from tests.support.hand_made import plan

FACTS = replace(
    hand_made.FACTS,
    width_px=64,
    height_px=36,
    framerate=Fraction(10),
    time_base=Fraction(1, 10),
    duration_s=8.0,
    num_frames=80,
    bit_rate_k=9,
)
FRAME_BYTES = 36 * 64 * 3
(DETAIL,) = PerceptualEmbeddingStage(target_fps=2.0).reads().measures


def clip(end_s: float = 2.0, **fields: object) -> Clip:
    return replace(Clip(uuid.uuid4(), "film.mp4", (0.0, end_s)), **fields)


def scanned(num_frames: int = 80) -> ScanArrays:
    """Ten frames a second, two of which are sampled."""
    sampled = np.arange(0, num_frames, 5)
    return ScanArrays(
        pts=np.arange(num_frames + 1),
        times_s=np.arange(num_frames + 1) / 10,
        is_key=np.ones(num_frames, bool),
        thumbnails=np.zeros(0),
        samples={
            Frames(Fraction(2), 240): Samples(sampled),
            DETAIL: Samples(sampled, (np.zeros((len(sampled), *DETAIL.shape), np.float32),)),
        },
        pictures={240: Samples(sampled, (np.zeros((len(sampled), 36, 64, 3), np.uint8),))},
    )


def spans(num: int, num_frames: int = 20) -> list[ClipSpan]:
    starts = range(0, num * num_frames, num_frames)
    return [
        ClipSpan(
            str(uuid.uuid4()), FrameSpan(s, s + num_frames), s, s + num_frames, s / 10, (s + num_frames) / 10
        )
        for s in starts
    ]


def chunked(num_clips: int) -> list[Video]:
    of = plan(PerceptualEmbeddingStage(target_fps=2.0))
    work = Work(SourceFile("film.mp4", 9, "sv"), "vid", FACTS)
    made = Chunker(work, of, {}).chunks(spans(num_clips), scanned())
    return [task_of(chunk, of).data for chunk in made]


@pytest.mark.parametrize(
    ("fields", "counted"),
    [
        ({}, {"num_passed": 1}),
        ({"reason": "low_motion"}, {"num_filtered_by_motion": 1}),
        ({"reason": "low_aesthetic"}, {"num_filtered_by_aesthetic": 1}),
        ({"reason": "black"}, {}),
        ({"file": CutClip("id", path="clips/a.mp4")}, {"num_passed": 1, "num_transcoded": 1}),
        ({"embedding": np.zeros(3, np.float32)}, {"num_passed": 1, "num_with_embeddings": 1}),
        ({"windows": [Window(0, 9, caption={"qwen": "a"})]}, {"num_passed": 1, "num_with_caption": 1}),
        ({"windows": [Window(0, 9, webp_bytes=b"a")]}, {"num_passed": 1, "num_with_webp": 1}),
        (
            {"windows": [Window(0, 9, preview_path="a.webp")] * 2},
            {"num_passed": 1, "num_with_webp": 1},
        ),
    ],
    ids=[
        "passed",
        "motion",
        "aesthetic",
        "black",
        "cut",
        "embedded",
        "captioned",
        "previewed",
        "once a clip",
    ],
)
def test_a_clip_is_counted(fields: dict[str, object], counted: dict[str, int]) -> None:
    expected = ClipStats(total_clip_duration=2.0, max_clip_duration=2.0, **counted)
    assert clip_stats(Video(Path("film.mp4"), clips=[clip(**fields)])) == expected


def test_durations_count_kept_and_filtered_clips() -> None:
    video = Video(Path("film.mp4"), clips=[clip(2.0)], filtered_clips=[clip(3.0)])
    stats = clip_stats(video)
    assert (stats.total_clip_duration, stats.max_clip_duration) == (5.0, 3.0)


def test_every_chunk_knows_how_many_chunks_and_clips_its_video_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunker, "FRAME_BUDGET_BYTES", 9 * FRAME_BYTES)  # a clip samples 4 frames
    videos = chunked(4)
    assert [(v.clip_chunk_index, v.num_clip_chunks, v.num_total_clips) for v in videos] == [
        (0, 2, 4),
        (1, 2, 4),
    ]


def test_the_fractions_of_the_chunks_add_up_to_the_video(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunker, "FRAME_BUDGET_BYTES", 4 * FRAME_BYTES)
    assert [video.fraction for video in chunked(4)] == [0.25] * 4


def test_frames_of_a_chunk_fit_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunker, "FRAME_BUDGET_BYTES", 9 * FRAME_BYTES)
    held = [
        sum(frames.nbytes for clip in video.clips for frames in clip.extracted_frames.values())
        for video in chunked(4)
    ]
    assert held == [8 * FRAME_BYTES] * 2


def test_a_video_without_clips_is_one_chunk() -> None:
    [video] = chunked(0)
    assert (video.num_clip_chunks, video.num_total_clips, video.fraction) == (1, 0, 1.0)

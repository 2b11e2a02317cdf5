"""Stages of the user's own: what they see, what they may do, and what is left when they err."""

import uuid
from collections.abc import Callable, Iterable
from pathlib import Path

import av
import pytest

from clipmill.errors import SpecError
from clipmill.media.io.source import bytes_source
from clipmill.pipeline import Pipeline
from clipmill.stages.video.caption.caption_preparation import CaptionPreparationStage
from clipmill.stages.video.clipping.clip_extraction_stages import (
    ClipTranscodingStage,
    FixedStrideExtractorStage,
)
from clipmill.stages.video.clipping.clip_frame_extraction import ClipFrameExtractionStage
from clipmill.stages.video.embedding.perceptual import PerceptualEmbeddingStage
from clipmill.stages.video.filtering.motion_filter import MotionFilterStage
from clipmill.stages.video.io.clip_writer import ClipWriterStage
from clipmill.stages.video.io.video_reader import VideoReader
from clipmill.stages.video.preview.preview import PreviewStage
from clipmill.tasks.video import Clip, Video, VideoTask
from tests.support.runs.curation import rows
from tests.support.stages.process_objects import Change, Fail, Observer, Return, give_reason, leave_out, move

pytestmark = pytest.mark.usefixtures("shared_codec")


def seconds(film: Path) -> list[object]:
    """Three clips of two seconds of the film."""
    return [
        VideoReader(input_video_path=str(film)),
        FixedStrideExtractorStage(clip_len_s=2.0, clip_stride_s=2.0, min_clip_length_s=1.0, limit_clips=3),
    ]


def writer(film: Path, output: Path) -> ClipWriterStage:
    return ClipWriterStage(
        output_path=str(output),
        input_path=str(film),
        upload_clips=True,
        dry_run=False,
        generate_embeddings=True,
        generate_previews=True,
        generate_captions=False,
    )


def run(stages: Iterable[object]) -> Video:
    """The only video of a run, in one chunk."""
    (task,) = Pipeline("customs", stages=stages).run()
    return task.data


def sizes(video: Video) -> tuple[object, object]:
    thumbnails, data = video.frame_array, video.source_bytes
    return (thumbnails is not None and thumbnails.shape, data is not None and len(data))


def test_stage_after_the_extractor_sees_thumbnails_and_source(film: Path) -> None:
    observer = Observer(sizes)
    run([*seconds(film), observer, ClipTranscodingStage()])
    assert observer.seen == [((156, 27, 48, 3), film.stat().st_size)]


def test_source_and_thumbnails_do_not_travel_on(film: Path) -> None:
    assert sizes(run([*seconds(film), Observer(sizes)])) == (False, False)


def test_source_over_the_limit_is_not_read_into_memory(film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clipmill.engine.runners.process_inputs.MAX_SOURCE_BYTES", 1000)
    observer = Observer(lambda video: video.source_bytes)
    run([*seconds(film), observer])
    assert observer.seen == [None]


def num_frames(data: bytes | None) -> int:
    assert data is not None
    with av.open(bytes_source(data, "clip")) as container:
        return sum(1 for _ in container.decode(video=0))


def buffers(video: Video) -> list[int]:
    return [num_frames(clip.buffer) for clip in video.clips]


@pytest.mark.parametrize("place", [1, 2, 3], ids=["after cut", "after embedding", "at the end"])
def test_stage_after_transcoding_sees_the_clips_files(film: Path, tmp_path: Path, place: int) -> None:
    observer = Observer(buffers)
    made = [ClipTranscodingStage(), PerceptualEmbeddingStage(), PreviewStage(target_height=90)]
    run([*seconds(film), *made[:place], observer, *made[place:], writer(film, tmp_path / "out")])
    assert observer.seen == [[48, 48, 48]]


def test_windows_hold_their_own_frames(film: Path) -> None:
    observer = Observer(lambda video: [num_frames(window.mp4_bytes) for window in video.clips[0].windows])
    windows = CaptionPreparationStage(window_size=20, remainder_threshold=6)
    video = run([*seconds(film), ClipTranscodingStage(), windows, observer])
    assert observer.seen == [[20, 20, 8]]
    assert all(window.mp4_bytes is None for clip in video.clips for window in clip.windows)


def test_no_pixels_come_back_from_a_run_that_writes(film: Path, tmp_path: Path) -> None:
    stages = [ClipTranscodingStage(), Observer(buffers), PreviewStage(target_height=90)]
    video = run([*seconds(film), *stages, writer(film, tmp_path / "out")])
    clip = video.clips[0]
    assert (clip.buffer, clip.extracted_frames, clip.windows[0].webp_bytes) == (None, {}, None)
    assert clip.windows[0].preview_path


def test_run_without_a_writer_hands_back_files_frames_and_previews(film: Path) -> None:
    stages = [
        ClipTranscodingStage(),
        ClipFrameExtractionStage(target_fps=[2.0]),
        PreviewStage(target_height=90),
    ]
    clip = run([*seconds(film), *stages]).clips[0]
    assert num_frames(clip.buffer) == 48
    assert clip.extracted_frames["sequence-2000"].shape == (4, 90, 160, 3)
    webp = clip.windows[0].webp_bytes
    assert webp is not None
    assert webp[8:12] == b"WEBP"


def test_run_without_a_writer_writes_nothing(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run([*seconds(film), ClipTranscodingStage()])
    assert list(tmp_path.iterdir()) == []


def test_motion_of_each_clip_is_seen_as_blocks(film: Path) -> None:
    observer = Observer(lambda video: [clip.decoded_motion_data is not None for clip in video.clips])
    run([*seconds(film), MotionFilterStage(score_only=True), observer])
    assert observer.seen == [[True, True, True]]


@pytest.mark.parametrize("drop", [move, leave_out, give_reason], ids=["moved", "left out", "given a reason"])
@pytest.mark.parametrize("place", [0, 1, 2], ids=["after scan", "after cut", "at the end"])
def test_dropped_clip_is_filtered_and_names_the_stage(
    film: Path, tmp_path: Path, drop: Callable[[Video, Clip], object], place: int
) -> None:
    made = [ClipTranscodingStage(), PreviewStage(target_height=90)]
    stages = [*seconds(film), *made[:place], Change(drop, from_s=2.0), *made[place:]]
    run([*stages, writer(film, tmp_path / "out")])
    reason = "low_quality" if drop is give_reason else "custom"
    dropped = ("filtered", reason)
    clips = rows(tmp_path / "out", "clips")
    assert [(clip["status"], clip["reason"]) for clip in clips] == [("kept", None), dropped, dropped]
    assert {row["message"] for row in rows(tmp_path / "out", "rejections")} == {"stage change dropped it"}


def test_dropped_clip_costs_no_encoding(film: Path, tmp_path: Path) -> None:
    stages = [
        *seconds(film),
        Change(move, from_s=2.0),
        ClipTranscodingStage(),
        writer(film, tmp_path / "out"),
    ]
    run(stages)
    assert len(list((tmp_path / "out" / "clips").iterdir())) == 1


def test_dropped_clip_is_not_looked_at_again(film: Path, tmp_path: Path) -> None:
    stages = [
        *seconds(film),
        Change(move, from_s=2.0),
        ClipTranscodingStage(),
        writer(film, tmp_path / "out"),
    ]
    run(stages)
    assert Pipeline("again", stages=stages).run() == []


def test_stage_added_later_sees_what_was_done_before(film: Path, tmp_path: Path) -> None:
    done = [*seconds(film), ClipTranscodingStage()]
    run([*done, writer(film, tmp_path / "out")])
    observer = Observer(buffers)
    run([*done, observer, writer(film, tmp_path / "out")])
    assert observer.seen == [[48, 48, 48]]


def test_stage_for_whole_videos_runs_again_when_there_are_other_clips(film: Path, tmp_path: Path) -> None:
    seen: list[object] = []
    for limit in (3, 3, 2, 2, 3, 3):
        observer = Observer(lambda video: len(video.clips))
        observer.__dict__ |= {"whole_video": True}
        reader, extractor = seconds(film)
        assert isinstance(extractor, FixedStrideExtractorStage)
        stages = [reader, extractor.model_copy(update={"limit_clips": limit}), observer]
        Pipeline("whole", stages=[*stages, writer(film, tmp_path / "out")]).run()
        seen += observer.seen
    assert seen == [3, 2, 3]


def test_filtered_clip_cannot_be_brought_back(film: Path) -> None:
    class BringBack:
        name = "bring_back"

        def process(self, task: VideoTask) -> VideoTask:
            task.data.clips, task.data.filtered_clips = task.data.filtered_clips, []
            return task

    video = run([*seconds(film), MotionFilterStage(global_mean_threshold=1.0), BringBack()])
    assert (len(video.clips), len(video.filtered_clips)) == (0, 3)


def test_failing_stage_is_named_and_the_clips_stay(film: Path, tmp_path: Path) -> None:
    video = run([*seconds(film), ClipTranscodingStage(), Fail(), writer(film, tmp_path / "out")])
    assert video.errors == {"fail": "RuntimeError: no such model"}
    assert [clip["status"] for clip in rows(tmp_path / "out", "clips")] == ["kept"] * 3


@pytest.mark.parametrize("value", [None, [], "task"], ids=["nothing", "a list", "text"])
def test_stage_that_returns_no_task_ends_the_run(film: Path, value: object) -> None:
    with pytest.raises(SpecError, match=r"stage return returned (NoneType|list|str), and must return"):
        run([*seconds(film), Return(value)])


def test_stage_that_makes_up_a_clip_ends_the_run(film: Path) -> None:
    made_up = Clip(uuid.uuid4(), "elsewhere.mp4", (0.0, 1.0))
    with pytest.raises(SpecError, match="stages can only drop clips"):
        run([*seconds(film), Change(lambda video, clip: video.clips.append(made_up))])


def test_what_is_no_stage_is_refused_before_any_work(film: Path) -> None:
    with pytest.raises(SpecError, match="str is no stage"):
        Pipeline("nonsense", stages=[*seconds(film), "stage"]).run()


def test_rejected_video_is_shown_to_no_stage(film: Path) -> None:
    observer = Observer(sizes)
    minute = FixedStrideExtractorStage(clip_len_s=60.0, clip_stride_s=60.0, min_clip_length_s=60.0)
    stages = [VideoReader(input_video_path=str(film)), minute]
    (task,) = Pipeline("rejected", stages=[*stages, observer]).run()
    assert observer.seen == []
    assert "less than the minimum clip length" in task.data.errors["scan"]

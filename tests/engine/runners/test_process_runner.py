"""Objects with ``process(task)``: what they see, what they may do, and what is left when they err."""

import logging
import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import av
import numpy as np
import pytest

from clipmill import identity
from clipmill.engine.chunk import Chunk, WholeVideo
from clipmill.engine.runners.context import Shared, WorkerContext
from clipmill.engine.runners.process_runner import ProcessRunner
from clipmill.errors import SpecError, StageBroken
from clipmill.media.io.source import bytes_source
from clipmill.planning.judgement import Rejection
from clipmill.planning.plan import Plan
from clipmill.planning.process_stages import clips_digest
from clipmill.records import SourceFile
from clipmill.stages.video.caption.caption_preparation import CaptionPreparationStage
from clipmill.stages.video.clipping.clip_extraction_stages import ClipTranscodingStage
from clipmill.stages.video.embedding.perceptual import PerceptualEmbeddingStage
from clipmill.stages.video.filtering.motion_filter import MotionVectorDecodeStage
from clipmill.stages.video.filtering.quality_filter import QualityFilterStage
from clipmill.stages.video.preview.preview import PreviewStage
from clipmill.tasks.video import Clip, Video, VideoTask
from clipmill.tasks.view import task_of
from tests.support.hand_made import IDS, SPANS, chunk, lacking, mp4, plan, rows, samples, work
from tests.support.stages.process_objects import Change, Fail, Observer, Return, give_reason, leave_out, move

pytestmark = pytest.mark.usefixtures("shared_codec")

THUMBNAILS = np.zeros((144, 27, 48, 3), np.uint8)
FILM = mp4()


def runner(of: Plan, name: str) -> ProcessRunner:
    node = of.by_key[name]
    return ProcessRunner(node, of, WorkerContext(node, Shared(), output_uri=of.output_uri))


def run(
    stage: object, *others: object, made: Chunk | None = None, output: str | None = None
) -> tuple[Chunk, Plan]:
    """What is left of a chunk behind a stage that stands behind ``others``."""
    of = plan(*others, stage, output=output)
    (done,) = runner(of, cast(Observer, stage).name)([made or chunk()])
    return done, of


def column(made: Chunk, key: str, name: str) -> list[object]:
    return made.made[key][name].to_pylist()


def sizes(video: Video) -> tuple[object, object]:
    thumbnails, data = video.frame_array, video.source_bytes
    return (thumbnails is not None and thumbnails.shape, data is not None and len(data))


def sourced(path: Path) -> Chunk:
    """A chunk in the scan's worker, of a source of four bytes."""
    path.write_bytes(b"film")
    source = SourceFile(str(path), 4, "v1")
    return chunk(work=replace(work(), source=source), whole=WholeVideo(THUMBNAILS))


def test_stage_behind_the_scan_sees_thumbnails_and_source(tmp_path: Path) -> None:
    observer = Observer(sizes)
    run(observer, made=sourced(tmp_path / "film.mp4"))
    assert observer.seen == [((144, 27, 48, 3), 4)]


def test_source_and_thumbnails_are_gone_from_what_is_handed_back(tmp_path: Path) -> None:
    done, of = run(Observer(sizes), made=sourced(tmp_path / "film.mp4"))
    assert sizes(task_of(done, of).data) == (False, False)


def test_source_over_the_limit_is_not_read_into_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clipmill.engine.runners.process_inputs.MAX_SOURCE_BYTES", 3)
    observer = Observer(lambda video: video.source_bytes)
    run(observer, made=sourced(tmp_path / "film.mp4"))
    assert observer.seen == [None]


def test_stage_that_names_other_inputs_gets_neither(tmp_path: Path) -> None:
    observer = Observer(sizes, inputs=("Clip.span",))
    run(observer, made=sourced(tmp_path / "film.mp4"))
    assert observer.seen == [(False, False)]


def num_frames(data: bytes | None) -> int:
    assert data is not None
    with av.open(bytes_source(data, "clip"), mode="r") as container:
        return sum(1 for _ in container.decode(video=0))


def buffers(video: Video) -> list[int]:
    return [num_frames(clip.buffer) for clip in video.clips]


def encoded(of: Plan, **values: Sequence[object]) -> Chunk:
    """A chunk whose clips were encoded."""
    uris = [f"clips/{one}.mp4" for one in IDS]
    return chunk(
        made={"encode": rows(of.by_key["encode"], {"clip_uri": uris, "num_frames": [48] * 3, **values})}
    )


@pytest.mark.parametrize("is_known", [False, True], ids=["this run", "earlier run"])
@pytest.mark.parametrize("place", [1, 2, 3], ids=["after cut", "after embedding", "at the end"])
def test_stage_behind_the_encoder_sees_the_clips_files(tmp_path: Path, place: int, is_known: bool) -> None:
    made = [ClipTranscodingStage(), PerceptualEmbeddingStage(), PreviewStage(target_height=90)]
    (tmp_path / "clips").mkdir()
    for name in IDS:
        (tmp_path / "clips" / f"{name}.mp4").write_bytes(FILM)
    observer = Observer(buffers)
    of = plan(*made[:place], observer, *made[place:], output=str(tmp_path))
    held = encoded(of)
    runner(of, "observer")([chunk(known=held.made) if is_known else held])
    assert observer.seen == [[48, 48, 48]]


def test_stage_in_a_run_that_writes_nothing_sees_the_files_too() -> None:
    observer = Observer(buffers)
    held = replace(encoded(plan(ClipTranscodingStage())), files=dict.fromkeys(IDS, FILM))
    run(observer, ClipTranscodingStage(), made=held)
    assert observer.seen == [[48, 48, 48]]


def test_stage_that_does_not_name_buffers_gets_none() -> None:
    observer = Observer(lambda video: [clip.buffer for clip in video.clips], inputs=["extracted_frames"])
    held = replace(encoded(plan(ClipTranscodingStage())), files=dict.fromkeys(IDS, FILM))
    run(observer, ClipTranscodingStage(), made=held)
    assert observer.seen == [[None, None, None]]


def test_file_that_cannot_be_read_now_is_tried_again(tmp_path: Path) -> None:
    of = plan(ClipTranscodingStage(), Observer(buffers), output=str(tmp_path))
    (done,) = runner(of, "observer")([encoded(of)])
    assert column(done, "observer", "outcome") == ["retryable"] * 3
    assert column(done, "observer", "reason") == ["store_error"] * 3


def test_windows_hold_their_own_frames() -> None:
    observer = Observer(lambda video: [num_frames(window.mp4_bytes) for window in video.clips[0].windows])
    windows = CaptionPreparationStage(window_size=20, remainder_threshold=6)
    held = replace(encoded(plan(ClipTranscodingStage())), files=dict.fromkeys(IDS, FILM))
    done, of = run(observer, ClipTranscodingStage(), windows, made=held)
    assert observer.seen == [[20, 20, 8]]
    video = task_of(done, of).data
    assert all(window.mp4_bytes is None for clip in video.clips for window in clip.windows)


def test_window_that_cannot_be_cut_out_is_named() -> None:
    windows = CaptionPreparationStage(window_size=20, remainder_threshold=6)
    held = replace(encoded(plan(ClipTranscodingStage())), files=dict.fromkeys(IDS, b"no mp4"))
    done, of = run(Observer(sizes), ClipTranscodingStage(), windows, made=held)
    assert list(task_of(done, of).data.clips[0].errors) == ["window_0_19", "window_20_39", "window_40_47"]


def test_previews_are_lent_from_the_output(tmp_path: Path) -> None:
    of = plan(
        PreviewStage(),
        observer := Observer(lambda video: video.clips[0].windows[0].webp_bytes),
        output=str(tmp_path),
    )
    windows = [(span, of.windows_of(span)[0]) for span in SPANS]
    ids = [identity.window_id(span.clip_id, one.start_frame, one.end_frame) for span, one in windows]
    (tmp_path / "previews").mkdir()
    (tmp_path / "previews" / "x.webp").write_bytes(b"webp")
    table = rows(of.by_key["preview"], {"preview_uri": ["previews/x.webp"] * 3}, ids=ids)
    runner(of, "observer")([chunk(made={"preview": table})])
    assert observer.seen == [b"webp"]


def test_motion_of_each_clip_is_seen_as_blocks() -> None:
    of = plan(MotionVectorDecodeStage())
    read = of.by_key["motion"].reads.motion
    assert read is not None
    blocks = samples(np.ones((4, 3, 5), np.float32), np.zeros((4, 2)))
    observer = Observer(lambda video: [clip.decoded_motion_data is not None for clip in video.clips])
    run(observer, MotionVectorDecodeStage(), made=chunk(samples={read: (blocks,) * 3}))
    assert observer.seen == [[True, True, True]]


def test_counts_are_true_when_a_stage_runs() -> None:
    observer = Observer(lambda video: video.clip_stats.num_passed)
    run(observer)
    assert observer.seen == [3]


@pytest.mark.parametrize("drop", [move, leave_out, give_reason], ids=["moved", "left out", "given a reason"])
@pytest.mark.parametrize("place", [0, 1, 2], ids=["after scan", "after cut", "at the end"])
def test_dropped_clip_is_filtered_and_names_the_stage(
    drop: Callable[[Video, Clip], object], place: int
) -> None:
    made = [ClipTranscodingStage(), PreviewStage(target_height=90)]
    of = plan(*made[:place], Change(drop, from_s=2.0, name="drop"), *made[place:])
    (done,) = runner(of, "drop")([chunk()])
    reason = "low_quality" if drop is give_reason else "custom"
    rejection = Rejection("drop", reason, "stage drop dropped it")
    assert done.rejected == {IDS[1]: rejection, IDS[2]: rejection}
    video = task_of(done, of).data
    assert [str(clip.uuid) for clip in video.clips] == IDS[:1]
    assert [(clip.reason, clip.errors) for clip in video.filtered_clips] == [
        (reason, {"custom": "stage drop dropped it"})
    ] * 2


def test_dropped_clip_costs_no_encoding() -> None:
    of = plan(Change(move, from_s=2.0, name="drop"), ClipTranscodingStage())
    (done,) = runner(of, "drop")([chunk()])
    encoder = of.by_key["encode"]
    assert [done.wants(encoder, clip_id) for clip_id in IDS] == [True, False, False]


def test_dropped_clip_is_not_looked_at_again() -> None:
    done, of = run(Change(move, name="drop"))
    assert lacking(of, done.rows, SPANS) == {}


def test_clip_with_a_row_is_not_judged_again() -> None:
    observer = Observer(sizes)
    done, of = run(observer)
    runner(of, "observer")([done])
    assert len(observer.seen) == 1


def test_filtered_clip_cannot_be_brought_back() -> None:
    class BringBack:
        name = "bring_back"

        def process(self, task: VideoTask) -> VideoTask:
            task.data.clips, task.data.filtered_clips = task.data.filtered_clips, []
            return task

    low = Rejection("quality", "low_quality", "sharpness 0 is below 1")
    of = plan(QualityFilterStage.model_validate({"sharpness": {"min": 1.0}}), BringBack())
    scores = rows(of.by_key["quality"], {"sharpness": [0.0, 0.0, 2.0]})
    held = chunk(made={"quality": scores}).judged(of.nodes)
    (done,) = runner(of, "bring_back")([held])
    video = task_of(done, of).data
    assert [str(clip.uuid) for clip in video.filtered_clips] == IDS
    assert done.rejected[IDS[0]] == replace(low)
    assert done.rejected[IDS[2]].reason == "custom"


def test_chunk_in_which_nothing_passed_is_shown_to_no_stage() -> None:
    observer = Observer(sizes)
    low = Rejection("quality", "low_quality", "")
    run(observer, QualityFilterStage(), made=chunk(rejected=dict.fromkeys(IDS, low)))
    assert observer.seen == []


def test_failing_stage_is_named_and_the_clips_stay(caplog: pytest.LogCaptureFixture) -> None:
    done, of = run(Fail())
    video = task_of(done, of).data
    assert video.errors == {"fail": "RuntimeError: no such model"}
    assert (len(video.clips), video.clips[0].errors) == (3, {})
    assert column(done, "fail", "outcome") == ["retryable"] * 3
    assert "Traceback" in str(column(done, "fail", "message")[0])
    assert "stage fail failed on films/film.mp4: no such model" in caplog.text


def test_stage_that_fails_on_many_chunks_in_a_row_ends_the_run() -> None:
    failing = runner(plan(Fail()), "fail")
    for _ in range(19):
        failing([chunk()])
    with pytest.raises(StageBroken, match="no such model"):
        failing([chunk()])


@pytest.mark.parametrize("value", [None, [], "task"], ids=["nothing", "a list", "text"])
def test_stage_that_returns_no_task_ends_the_run(value: object) -> None:
    with pytest.raises(SpecError, match=r"stage return returned (NoneType|list|str), and must return"):
        run(Return(value))


def test_stage_that_makes_up_a_clip_ends_the_run() -> None:
    made_up = Clip(uuid.uuid4(), "elsewhere.mp4", (0.0, 1.0))
    with pytest.raises(SpecError, match="stages can only drop clips"):
        run(Change(lambda video, clip: video.clips.append(made_up)))


def test_stage_may_return_another_task_of_the_same_clips() -> None:
    class Copy:
        name = "copy"

        def process(self, task: VideoTask) -> VideoTask:
            clips = [Clip(clip.uuid, clip.source_video, clip.span) for clip in task.data.clips[:2]]
            return VideoTask(Video(task.data.input_video, clips=clips))

    done, _ = run(Copy())
    assert list(done.rejected) == IDS[2:]


def test_rejected_video_is_shown_to_no_stage() -> None:
    observer = Observer(sizes)
    done, of = run(observer, made=chunk(clips=(), num_clips=0, error="less than the minimum clip length"))
    assert observer.seen == []
    assert task_of(done, of).data.errors == {"scan": "less than the minimum clip length"}


def test_changed_score_is_kept_beside_the_one_that_was_measured() -> None:
    def change(video: Video, clip: Clip) -> None:
        clip.motion_score_global_mean, clip.aesthetic_score = 0.75, 9.0

    of = plan(MotionVectorDecodeStage(), Change(change, from_s=4.0))
    measured = rows(of.by_key["motion"], {"motion_global_mean": [0.5] * 3})
    (done,) = runner(of, "change")([chunk(made={"motion": measured})])
    assert done.made["motion"].equals(measured)
    assert column(done, "change", "motion_global_mean") == [None, None, 0.75]
    assert column(done, "change", "aesthetic_score") == [None, None, 9.0]
    clips = task_of(done, of).data.clips
    assert [clip.motion_score_global_mean for clip in clips] == [0.5, 0.5, 0.75]


def test_errors_that_a_stage_adds_are_kept() -> None:
    def add(video: Video, clip: Clip) -> None:
        clip.errors["mine"] = "too blue"
        video.errors["mine"] = "blue film"

    done, of = run(Change(add, from_s=4.0))
    video = task_of(done, of).data
    assert [clip.errors for clip in video.clips] == [{}, {}, {"mine": "too blue"}]
    assert video.errors == {"mine": "blue film"}
    assert column(done, "change", "errors") == [None, None, '{"mine": "too blue"}']


def test_changes_that_are_not_kept_are_named_once(caplog: pytest.LogCaptureFixture) -> None:
    def change(video: Video, clip: Clip) -> None:
        clip.egomotion["pose"] = b"1"
        clip.extracted_frames["mine"] = np.zeros(1, np.uint8)

    changing = runner(plan(Change(change)), "change")
    with caplog.at_level(logging.WARNING):
        changing([chunk()])
        changing([chunk()])
    assert [record.getMessage() for record in caplog.records] == [
        "stage change changed Clip.extracted_frames: no later stage sees it, and it is not written; "
        "Clip.egomotion keeps bytes and arrays by name"
    ]


def test_stage_that_changes_nothing_is_not_warned_of(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    run(Observer(sizes), made=sourced(tmp_path / "film.mp4"))
    run(Change(give_reason))
    assert caplog.text == ""


def test_clip_that_an_earlier_stage_tries_again_gets_no_row() -> None:
    of = plan(PerceptualEmbeddingStage(), observer := Observer(lambda video: len(video.clips)))
    table = rows(of.by_key["embedding"], {"outcome": ["result", "retryable", "result"]})
    (done,) = runner(of, "observer")([chunk(made={"embedding": table})])
    assert observer.seen == [3]
    assert column(done, "observer", "id") == [IDS[0], IDS[2]]


def test_stage_behind_one_that_failed_has_rows() -> None:
    of = plan(Fail(), Observer(sizes))
    (done,) = runner(of, "fail")([chunk()])
    (done,) = runner(of, "observer")([done])
    assert column(done, "observer", "outcome") == ["result"] * 3


def test_stage_for_whole_videos_notes_the_clips_of_its_call() -> None:
    observer = Observer(lambda video: len(video.clips), whole_video=True)
    done, _ = run(observer)
    assert observer.seen == [3]
    assert column(done, "observer", "seen_clips") == [clips_digest(IDS)] * 3


def test_stage_for_whole_videos_runs_again_when_other_clips_pass() -> None:
    filters = [QualityFilterStage.model_validate({"sharpness": {"min": least}}) for least in (1.0, 3.0)]
    first, second = (plan(one, Change(move, from_s=4.0, name="whole")) for one in filters)
    for of in (first, second):
        of.by_key["whole"].stage.wrapped.whole_video = True  # pyright: ignore[reportAttributeAccessIssue] set here
    scores = {"quality": rows(first.by_key["quality"], {"sharpness": [2.0, 4.0, 4.0]})}
    (done,) = runner(first, "whole")([chunk(made=scores).judged(first.nodes)])
    assert done.rejected.keys() == {IDS[2]}
    assert lacking(first, done.rows, SPANS) == {}
    lacks = lacking(second, done.rows, SPANS)
    assert lacks == dict.fromkeys(IDS[1:], frozenset({"whole"}))
    again = chunk(work=work(clips=SPANS[1:], lacks=lacks), clips=SPANS[1:], known=done.rows)
    (done,) = runner(second, "whole")([again.judged(second.nodes)])
    assert column(done, "whole", "id") == IDS[1:]
    assert column(done, "whole", "seen_clips") == [clips_digest(IDS[1:])] * 2
    assert column(done, "whole", "dropped") == [None, "custom"]


def test_stage_for_whole_videos_is_not_given_a_part() -> None:
    observer = Observer(sizes, whole_video=True)
    done, _ = run(observer, made=chunk(num_chunks=2))
    assert observer.seen == []
    assert column(done, "observer", "reason") == ["not_whole"] * 3


def test_input_that_is_no_field_is_refused() -> None:
    with pytest.raises(SpecError, match="stage observer names bufer in inputs"):
        run(Observer(sizes, inputs=("bufer",)))

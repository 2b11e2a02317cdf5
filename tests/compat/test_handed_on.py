"""What users' stages hand to each other, in the ways that NeMo Curator's tutorials show."""

import logging
from pathlib import Path
from typing import ClassVar, cast

import numpy as np
import pytest

from clipmill.errors import SpecError
from clipmill.pipeline import Pipeline
from clipmill.stages.base import ProcessingStage
from clipmill.stages.resources import Resources
from clipmill.stages.video.caption.caption_generation import CaptionGenerationStage
from clipmill.stages.video.caption.caption_preparation import CaptionPreparationStage
from clipmill.stages.video.clipping.clip_extraction_stages import (
    ClipTranscodingStage,
    FixedStrideExtractorStage,
)
from clipmill.stages.video.filtering.motion_filter import MotionFilterStage
from clipmill.stages.video.io.clip_writer import ClipWriterStage
from clipmill.stages.video.io.video_reader import VideoReader
from clipmill.stages.video.preview.preview import PreviewStage
from clipmill.tasks.video import Video, VideoTask
from tests.support.films.small_films import draw_film
from tests.support.stand_ins.stand_in_models import Seen, use_stand_ins

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("module_codec")]

AnyStage = ProcessingStage[VideoTask, VideoTask]


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    draw_film(folder / "one.mp4", seed=3, shots=(60,))
    return folder


def pipeline_of(films: Path, *stages: object) -> Pipeline:
    clips = FixedStrideExtractorStage(clip_len_s=1, clip_stride_s=1, min_clip_length_s=1)
    return Pipeline("handed on", stages=[VideoReader(input_video_path=str(films)), clips, *stages])


class Measured(AnyStage):
    """Has no name of its own, as in the tutorial; stores derived arrays with the clip."""

    def process(self, task: VideoTask) -> VideoTask:
        for clip in task.data.clips:
            clip.egomotion["speed"] = np.array([clip.span[0], 2.0])
            clip.egomotion["raw"] = b"\x00\xff"
        return task


class Renewed(AnyStage):
    """Returns a new task of the same clips, each in a task of its own."""

    def process(self, task: VideoTask) -> list[VideoTask]:
        assert self.validate_input(task)
        video = task.data
        return [
            VideoTask(
                dataset_name=task.dataset_name,
                data=Video(input_video=video.input_video, metadata=video.metadata, clips=[clip]),
                _metadata=task._metadata,
                _stage_perf=task._stage_perf,
            )
            for clip in video.clips
        ]

    def inputs(self) -> tuple[list[str], list[str]]:
        return ["data", "_metadata"], ["clips"]


class Judged(AnyStage):
    """Keeps the clips that an earlier stage found slow."""

    def __init__(self, name: str, most: float) -> None:
        self.name = name
        self.most = most

    def process(self, task: VideoTask) -> VideoTask | list[VideoTask]:
        kept = [clip for clip in task.data.clips if speed_of(clip.egomotion["speed"]) < self.most]
        task.data.clips = kept
        return task if kept else []


def speed_of(value: object) -> float:
    return float(cast(np.ndarray, value)[0])


def test_what_a_stage_stores_with_a_clip_reaches_later_stages_and_runs(films: Path, tmp_path: Path) -> None:
    """Stages of one class or without a name get keys of their own; a second run reads the state."""
    writer = ClipWriterStage(
        output_path=str(tmp_path), input_path=str(films), upload_clips=False, dry_run=False,
        generate_embeddings=False, generate_previews=False, generate_captions=False,
    )  # fmt: skip
    stages = [Measured(), Renewed(), Judged("slow", 9.0), Judged("slow", 0.5)]
    pipeline = pipeline_of(films, *stages, writer)
    assert [one.name for one in pipeline.stages[2:-1]] == ["Measured", "Renewed", "slow", "slow_2"]
    first = pipeline.run()
    statuses = first.table("clips", ["status", "reason"]).to_pylist()
    assert statuses == [{"status": "kept", "reason": None}, {"status": "filtered", "reason": "custom"}]
    (kept,) = first[0].data.clips
    assert kept.egomotion["raw"] == b"\x00\xff"
    stricter = [Measured(), Renewed(), Judged("slow", 9.0), Judged("slow", -1.0)]
    again = pipeline_of(films, *stricter, writer).run()
    assert again.table("clips", ["status"])["status"].to_pylist() == ["filtered", "filtered"]


def test_what_a_clip_cannot_keep_is_refused(films: Path) -> None:
    class Stores(AnyStage):
        def process(self, task: VideoTask) -> VideoTask:
            vars(task.data.clips[0])["egomotion"] = {"when": "today"}
            return task

    with pytest.raises(
        SpecError, match=r"put str into Clip.egomotion\['when'\], which keeps bytes and array"
    ):
        pipeline_of(films, Stores()).run()


def test_a_need_that_no_task_meets_stops_the_run(films: Path) -> None:
    class Needy(AnyStage):
        name = "needy"

        def inputs(self) -> tuple[list[str], list[str]]:
            return ["data"], ["clips", "audio"]

        def process(self, task: VideoTask) -> VideoTask:
            return task

    with pytest.raises(SpecError, match=r"needy names audio in inputs\(\), and a Video has none"):
        pipeline_of(films, Needy()).run()
    assert not Needy().validate_input(VideoTask(Video(films / "one.mp4")))


class Looking(AnyStage):
    """Notes what the captioner is about to be given."""

    def __init__(self, seen: list[object]) -> None:
        self.name = f"looking {id(seen)}"
        self.seen = seen

    def process(self, task: VideoTask) -> VideoTask:
        for clip in task.data.clips:
            for window in clip.windows:
                assert window.qwen_llm_input is window.llm_inputs.get("qwen")
                given = window.qwen_llm_input
                self.seen += [(given["prompt"], given["multi_modal_data"])] if given else [window.caption]
        return task


def test_a_stage_before_the_captioner_sees_what_it_is_given(
    films: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, before, behind = Seen(), list[object](), list[object]()
    use_stand_ins(monkeypatch, asked)
    prepared = CaptionPreparationStage(prompt_text="Say it.", sampling_fps=4)
    pipeline_of(films, prepared, Looking(before), CaptionGenerationStage(), Looking(behind)).run()
    prompts, data = zip(*cast("list[tuple[str, dict[str, np.ndarray]]]", before), strict=True)
    assert list(prompts) == asked.prompts == ["Say it."] * 2
    assert [one["video"].shape for one in data] == asked.frames
    assert behind == [{"qwen": "Say it.!"}] * 2


def test_without_generate_previews_windows_have_no_mp4_and_no_preview(films: Path) -> None:
    sizes: list[list[int]] = []

    class Sizes(AnyStage):
        def process(self, task: VideoTask) -> VideoTask:
            sizes.append(
                [len(window.mp4_bytes or b"") for clip in task.data.clips for window in clip.windows]
            )
            return task

    for allowed in (True, False):
        prepared = CaptionPreparationStage(generate_previews=allowed)
        pipeline_of(films, ClipTranscodingStage(), prepared, Sizes()).run()
    assert [[size > 0 for size in one] for one in sizes] == [[True, True], [False, False]]
    with pytest.raises(SpecError, match="generate_previews off: turn it on, or leave out PreviewStage"):
        pipeline_of(films, CaptionPreparationStage(generate_previews=False), PreviewStage()).build()


def test_a_built_in_class_has_no_process() -> None:
    with pytest.raises(TypeError, match=r"Mine defines process\(\), which is never called"):

        class Mine(MotionFilterStage):  # pyright: ignore[reportUnusedClass] it cannot be made
            def process(self, task: VideoTask) -> VideoTask:
                return task


def test_workers_are_bounded_and_an_environment_of_ray_is_named(
    films: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Own(AnyStage):
        name = "own"
        runtime_env: ClassVar = {"env_vars": {"A": "1"}}

        def process(self, task: VideoTask) -> VideoTask:
            return task

    with caplog.at_level(logging.WARNING):
        stage = Own().with_(num_workers=2, resources=Resources(cpus=3))
        found = pipeline_of(films, stage).plan().nodes[-1].stage.resources()
    assert (found.max_workers, found.cpus) == (2, 3)
    assert "Own: runtime_env has no effect here" in caplog.text


def test_a_class_or_a_name_of_an_engine_that_is_none_is_refused(films: Path) -> None:
    with pytest.raises(SpecError, match=r"MotionFilterStage is a class: add an object of it"):
        pipeline_of(films, MotionFilterStage)
    with pytest.raises(SpecError, match="no engine 'xenna': it is inline or ray, or an executor"):
        pipeline_of(films).run("xenna")  # pyright: ignore[reportArgumentType] a user's mistake

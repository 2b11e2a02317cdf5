"""Stages written for NeMo Curator's base classes run with the package renamed, on its executors' names."""

import json
import logging
from dataclasses import dataclass
from pathlib import Path

import pytest

from clipmill.backends.ray_actor_pool import RayActorPoolExecutor
from clipmill.backends.ray_data import RayDataExecutor
from clipmill.backends.xenna import XennaExecutor
from clipmill.errors import SpecError, StageBroken
from clipmill.pipeline import Pipeline
from clipmill.stages.base import CompositeStage, ProcessingStage
from clipmill.stages.resources import Resources
from clipmill.stages.video.clipping.clip_extraction_stages import FixedStrideExtractorStage
from clipmill.stages.video.io.video_reader import VideoReader
from clipmill.tasks.video import VideoTask
from tests.support.films.small_films import draw_film
from tests.support.runs.one_codec import one_codec_process

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    draw_film(folder / "one.mp4", seed=3, shots=(75,))
    return folder


@dataclass
class Note(ProcessingStage[VideoTask, VideoTask]):
    """Writes what was prepared into the errors of each clip."""

    name: str = "note"
    log: str = ""
    resources = Resources(cpus=0.5)

    def inputs(self) -> tuple[list[str], list[str]]:
        return ["data"], ["clips"]

    def outputs(self) -> tuple[list[str], list[str]]:
        return ["data"], ["clips"]

    def setup_on_node(self, node_info: object = None, worker_metadata: object = None) -> None:
        self._write("node")

    def setup(self, worker_metadata: object = None) -> None:
        self._write("worker")
        self.model = object()

    def teardown(self) -> None:
        self._write("end")

    def process(self, task: VideoTask) -> VideoTask | list[VideoTask] | None:
        assert self.model
        for clip in task.data.clips:
            clip.errors[self.name] = f"{clip.duration:.0f} s"
        return [task]

    def _write(self, word: str) -> None:
        if self.log:
            with Path(self.log).open("a") as file:
                file.write(f"{word}\n")


class DropAll(ProcessingStage[VideoTask, VideoTask]):
    name = "drop_all"

    def process(self, task: VideoTask) -> None:
        return None


class Batched(ProcessingStage[VideoTask, VideoTask]):
    """Does its work by ``process_batch``."""

    name = "batched"

    def process(self, task: VideoTask) -> VideoTask:
        raise AssertionError("process_batch is called in its place")

    def process_batch(self, tasks: list[VideoTask]) -> list[VideoTask]:
        for task in tasks:
            for clip in task.data.clips:
                clip.aesthetic_score = 5.0
        return tasks


class NeedsWeights(ProcessingStage[VideoTask, VideoTask]):
    name = "needs_weights"

    def setup(self, worker_metadata: object = None) -> None:
        raise OSError("weights.pt is not there")

    def process(self, task: VideoTask) -> VideoTask:
        return task


class Both(CompositeStage[VideoTask, VideoTask]):
    name = "both"

    def decompose(self) -> list[ProcessingStage[VideoTask, VideoTask]]:
        return [Note(), Batched()]


def pipeline_of(films: Path, *stages: object) -> Pipeline:
    pipeline = Pipeline(name="own", description="stages of one's own")
    pipeline.add_stage(VideoReader(input_video_path=str(films)))
    pipeline.add_stage(FixedStrideExtractorStage(clip_len_s=1, clip_stride_s=1, min_clip_length_s=0.5))
    for stage in stages:
        pipeline.add_stage(stage)
    return pipeline


def test_a_stage_is_set_up_once_then_called(films: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with one_codec_process():
        (task,) = pipeline_of(films, Note(log=str(log))).run()
    assert [clip.errors["note"] for clip in task.data.clips] == ["1 s"] * 3
    assert log.read_text().split() == ["node", "worker", "end"]


def test_what_setup_loads_is_no_part_of_the_stage(films: Path) -> None:
    """Otherwise its digest would be another one in the next run of the same process."""
    stage = Note()
    pipeline = pipeline_of(films, stage)
    before = pipeline.plan().nodes[-1].digest
    with one_codec_process():
        pipeline.run()
    assert not hasattr(stage, "model")
    assert pipeline.plan().nodes[-1].digest == before


def test_none_drops_all_clips_and_a_batch_is_taken(films: Path) -> None:
    with one_codec_process():
        (task,) = pipeline_of(films, Batched(), DropAll()).run()
    assert task.data.clips == []
    assert [clip.aesthetic_score for clip in task.data.filtered_clips] == [5.0] * 3


def test_a_setup_that_fails_stops_the_run_in_one_line(films: Path) -> None:
    with (
        one_codec_process(),
        pytest.raises(StageBroken, match=r"setup\(\) raised OSError: weights.pt is not"),
    ):
        pipeline_of(films, NeedsWeights()).run()


def test_a_composite_stage_stands_for_its_parts(films: Path) -> None:
    stage = Both().with_({"note": {"name": "renamed", "resources": Resources(cpus=2)}})
    pipeline = pipeline_of(films, stage)
    assert [placed.name for placed in pipeline.stages[2:]] == ["renamed", "batched"]
    assert pipeline.plan().nodes[-2].stage.resources().cpus == 2
    with pytest.raises(ValueError, match="both has no stage other"):
        Both().with_({"other": {}}).stages()


def test_with_changes_a_copy() -> None:
    stage = Note()
    changed = stage.with_(name="other", batch_size=4, ray_stage_spec={"is_actor_stage": True})
    assert (changed.name, changed.batch_size, stage.name, stage.batch_size) == ("other", 4, "note", 1)
    with pytest.raises(TypeError, match="no option colour"):
        stage.with_(colour="red")


def test_describe_says_what_runs(films: Path) -> None:
    said = pipeline_of(films, Note()).describe().splitlines()
    assert said[0] == "Pipeline own: stages of one's own"
    assert said[-1].startswith("  note (ProcessStage)")


def test_a_stage_that_needs_its_abstract_method_cannot_be_made() -> None:
    with pytest.raises(TypeError, match="abstract"):
        ProcessingStage()  # pyright: ignore[reportAbstractUsage, reportUnknownVariableType] asked for


@pytest.mark.parametrize("kind", [XennaExecutor, RayDataExecutor, RayActorPoolExecutor])
def test_options_of_an_executor_are_taken(
    kind: type[XennaExecutor], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        kind({"execution_mode": "batch"}, ignore_head_node=True)
    assert f"{kind.__name__}: execution_mode has no effect" in caplog.text


def test_an_executor_runs_in_this_process_where_ray_is_not_installed(
    films: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("clipmill.pipeline.has_ray", lambda: False)
    with one_codec_process(), caplog.at_level(logging.WARNING):
        (task,) = pipeline_of(films).run(executor=XennaExecutor())
    assert len(task.data.clips) == 3
    assert "Ray is not installed" in caplog.text


@pytest.mark.parametrize(
    ("module", "remedy"),
    [
        ("clipmill.models.qwen_vl", "CaptionGenerationStage"),
        ("clipmill.models.cosmos_embed1", "CosmosEmbed1EmbeddingStage"),
        ("clipmill.utils.file_utils", "reads frames by Reads"),
        ("clipmill.core.client", "starts Ray"),
    ],
)
def test_an_absent_module_names_what_takes_its_place(module: str, remedy: str) -> None:
    with pytest.raises(ImportError, match=remedy):
        __import__(module)
    with pytest.raises(ModuleNotFoundError):
        __import__("clipmill.no_such_module")


def test_an_object_that_is_no_stage_is_refused(films: Path) -> None:
    with pytest.raises(SpecError, match="is no stage"):
        pipeline_of(films, json)

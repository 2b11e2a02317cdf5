"""docs/data-model.md says who fills each documented field; a run with custom stages shows that it is so."""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import MISSING, fields
from pathlib import Path

import pytest

from clipmill.engine.scan import chunker
from clipmill.pipeline import Pipeline
from clipmill.stages.video.caption.caption_preparation import CaptionPreparationStage
from clipmill.stages.video.clipping.clip_extraction_stages import (
    ClipTranscodingStage,
    FixedStrideExtractorStage,
)
from clipmill.stages.video.clipping.clip_frame_extraction import ClipFrameExtractionStage
from clipmill.stages.video.clipping.video_frame_extraction import VideoFrameExtractionStage
from clipmill.stages.video.embedding.perceptual import PerceptualEmbeddingStage
from clipmill.stages.video.filtering.motion_filter import MotionFilterStage
from clipmill.stages.video.filtering.quality_filter import QualityFilterStage
from clipmill.stages.video.io.video_reader import VideoReader
from clipmill.stages.video.preview.preview import PreviewStage
from clipmill.tasks.video import Clip, ClipStats, Video, VideoMetadata, VideoTask, Window
from tests.support.films.document_film import draw_parts

pytestmark = pytest.mark.integration


PAGE = Path(__file__).parents[2] / "docs" / "data-model.md"
Thing = Window | Clip | ClipStats | VideoMetadata | Video | VideoTask
KINDS = (Window, Clip, ClipStats, VideoMetadata, Video, VideoTask)

UNUSED = {
    "Window.x1_input", "Clip.egomotion", "VideoTask._stage_perf", "VideoTask._metadata",
    "Clip.cosmos_embed1_frames", "Clip.intern_video_2_frames",
}  # fmt: skip
"""Filled by nothing: the first in NeMo Curator's own code neither, the next are for users, the last because
models take the sampled frames as they are."""

BY_MODEL_STAGES = {
    "Window.qwen_llm_input", "Window.llm_inputs",
    "Window.caption", "Window.enhanced_caption", "Window.answer", "Window.enhanced_answer",
    "Clip.aesthetic_score", "Clip.answers", "Clip.text_match",
    "Clip.cosmos_embed1_embedding", "Clip.cosmos_embed1_text_match", "Clip.intern_video_2_embedding",
    "Clip.intern_video_2_text_match",
    "ClipStats.num_filtered_by_aesthetic", "ClipStats.num_with_caption",
}  # fmt: skip
"""Filled by the model stages, which need weights."""

OURS = {
    "Window.preview_path", "Clip.place", "Clip.reason", "Clip.quality", "Clip.file", "Clip.file_digest",
    "Clip.embedding", "Clip.sketch", "Clip.motion_score_camera_mean", "Clip.motion_score_object_mean",
    "Video.source", "Video.video_id", "Video.facts", "VideoTask.task_id", "VideoTask.dataset_name",
}  # fmt: skip
"""Not NeMo Curator's."""

NAMES = [f"{kind.__name__}.{field.name}" for kind in KINDS for field in fields(kind)]
FILLED = [name for name in NAMES if name not in UNUSED | BY_MODEL_STAGES | OURS]


class Looker:
    """A custom stage that notes the fields that hold something."""

    def __init__(self, name: str, seen: set[str]) -> None:
        self.name = name
        self._seen = seen

    def process(self, task: VideoTask) -> VideoTask:
        for thing in _things(task):
            self._seen.update(f"{type(thing).__name__}.{name}" for name in _filled(thing))
        return task


class Thrower:
    """A custom stage that fails."""

    name = "thrower"

    def process(self, task: VideoTask) -> VideoTask:
        raise RuntimeError("no film today")


def _things(task: VideoTask) -> Iterator[Thing]:
    video = task.data
    clips = [*video.clips, *video.filtered_clips]
    yield from (task, video, video.metadata, video.clip_stats, *clips)
    yield from (window for clip in clips for window in clip.windows)


def _filled(thing: Thing) -> Iterator[str]:
    for field in fields(thing):
        default = field.default_factory() if field.default_factory is not MISSING else field.default
        value = getattr(thing, field.name)
        if default is MISSING or (value is not None and not _is_equal(value, default)):
            yield field.name


def _is_equal(value: object, default: object) -> bool:
    return type(value) is type(default) and value == default


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The fields that custom stages saw filled, wherever they stood, in two chunks."""
    film = draw_parts(tmp_path_factory.mktemp("films") / "parts.mp4")
    noted: set[str] = set()
    pipeline = Pipeline(name="looked at")
    for stage in (
        VideoReader(input_video_path=str(film)),
        VideoFrameExtractionStage(),
        FixedStrideExtractorStage(clip_len_s=1, clip_stride_s=1, min_clip_length_s=0),
        MotionFilterStage(),
        QualityFilterStage(),
        ClipFrameExtractionStage(),
        ClipTranscodingStage(),
        PerceptualEmbeddingStage(),
        CaptionPreparationStage(generate_previews=True),
        PreviewStage(target_height=90),
    ):
        pipeline.add_stage(stage).add_stage(Looker(f"after {type(stage).__name__}", noted))
    pipeline.add_stage(Thrower()).add_stage(Looker("last", noted))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunker, "FRAME_BUDGET_BYTES", 300_000)
        pipeline.run()
    return noted


@pytest.mark.parametrize("name", FILLED)
def test_a_documented_field_is_filled(name: str, seen: set[str]) -> None:
    assert name in seen


@pytest.mark.parametrize("name", sorted(UNUSED | BY_MODEL_STAGES))
def test_a_field_named_as_an_exception_is_one(name: str, seen: set[str]) -> None:
    assert name in NAMES
    assert name not in seen


def documented() -> dict[str, list[str]]:
    """Class -> fields of its table on the page, in order."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    kind = ""
    for line in PAGE.read_text().splitlines():
        if heading := re.match(r"## (\w+)", line):
            kind = heading[1]
        elif row := re.match(r"\| `(\w+)`", line):
            found[kind].append(row[1])
    return found


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_the_page_has_every_field(kind: type) -> None:
    assert sorted(documented()[kind.__name__]) == sorted(field.name for field in fields(kind))


@pytest.mark.parametrize("name", sorted(BY_MODEL_STAGES))
def test_the_page_says_what_waits_for_model_stages(name: str) -> None:
    kind, field = name.split(".")
    section = PAGE.read_text().split(f"## {kind}\n")[1].split("\n## ")[0]
    [line] = [line for line in section.splitlines() if line.startswith(f"| `{field}`")]
    assert "model stages" in line

"""Previews and frame files by the contract of stages."""

import io
from dataclasses import dataclass

import numpy as np
import pytest
from PIL import Image

from clipmill.errors import CodecChildDied, CodecChildError
from clipmill.media.encode.jpeg import frame_jpeg
from clipmill.media.encode.preview import encode_preview
from clipmill.records import FrameSpan
from clipmill.sandbox.runner import InThisProcess
from clipmill.stages.base import Batch, Frames, FrameSamples, VideoPart
from clipmill.stages.video.clipping.clip_frame_extraction import (
    ClipFrameExtractionStage,
    FrameExtractionPolicy,
    FramePurpose,
    WholeVideoFramesStage,
)
from clipmill.stages.video.preview.preview import CODEC_RUNNER, PreviewStage
from tests.support.stages.stage_context import PlainContext
from tests.support.stages.stage_items import FACTS, window_item


@dataclass
class Failing:
    """A codec process that always fails."""

    error: Exception
    cpu_s: float = 0.0

    def run(self, *_args: object, **_kwargs: object) -> bytes:
        raise self.error

    def kill(self) -> None:
        pass


def context(codecs: object = None) -> PlainContext:
    made = PlainContext()
    made.shared(CODEC_RUNNER, lambda: codecs or InThisProcess())
    return made


def test_a_preview_shows_the_frames_of_its_window() -> None:
    items = tuple(
        window_item(name, FrameSpan(start, start + 30), num_samples=4)
        for name, start in (("a", 0), ("b", 30))
    )
    kept, stage = context(), PreviewStage()
    found = stage.open(kept)(Batch(items))
    assert found.columns == {"preview_uri": ["preview/a", "preview/b"]}
    assert items[1].frames is not None
    assert kept.files["preview", "b"] == encode_preview(items[1].frames[2:], options=stage.options)


def test_previews_lie_where_they_did() -> None:
    (artifact,) = PreviewStage.artifacts
    assert artifact.path.format(clip_id="c", start=0, end=29) == "previews/c/0_29.webp"
    assert PreviewStage.runs_on == "all"


@pytest.mark.parametrize(("height", "expected"), [(90, 240), (480, 480)])
def test_previews_read_frames_of_at_least_240_lines(height: int, expected: int) -> None:
    assert PreviewStage(target_height=height, target_fps=2).reads().frames == Frames(2, expected)


@pytest.mark.parametrize(
    ("error", "reason"),
    [(CodecChildDied(-9), "decoder_crashed"), (CodecChildError("ValueError", "bad frame"), "unexpected")],
    ids=["killed", "an error of the code"],
)
def test_a_preview_that_fails_is_named_and_tried_again(error: Exception, reason: str) -> None:
    found = PreviewStage().open(context(Failing(error)))(Batch((window_item("a"),)))
    assert found.columns == {"preview_uri": [None]}
    assert (found.failed[0].kind, found.failed[0].reason) == ("retryable", reason)
    assert str(error) in found.failed[0].message


def test_a_low_source_is_warned_of_once(caplog: pytest.LogCaptureFixture) -> None:
    worker = PreviewStage().open(context())
    for _ in range(2):
        worker(Batch((window_item("a"), window_item("b"))))
    assert [record.getMessage() for record in caplog.records if "pixels high" in record.getMessage()] == [
        f"films/a.mp4: the video is {FACTS.height_px} pixels high, its previews should be 240: they keep its "
        "height"
    ]


def test_nothing_of_a_previews_cores_is_in_its_digest() -> None:
    assert PreviewStage(num_cpus_per_worker=1).digest() == PreviewStage().digest()
    assert PreviewStage(quality=51).digest() != PreviewStage().digest()


# Frame files

BOTH = [FrameExtractionPolicy.MIDDLE, FrameExtractionPolicy.SEQUENCE]


def samples(num: int) -> FrameSamples:
    item = window_item(num_samples=num)
    assert item.frames is not None
    assert item.frame_numbers is not None
    assert item.frame_times_s is not None
    return FrameSamples(item.frames, item.frame_numbers, item.frame_times_s)


def test_frames_of_several_rates_are_read_and_stored() -> None:
    stage = ClipFrameExtractionStage(
        write=True, target_fps=[2.0, 1.0], extraction_policies=BOTH, target_height_px=24
    )
    assert (stage.reads().frames, stage.reads().more_frames) == (Frames(1, 240), (Frames(2, 240),))
    item = window_item("c", num_samples=2)
    object.__setattr__(item, "more_frames", (samples(4),))
    kept = PlainContext()
    assert stage.open(kept)(Batch((item,))) == {"num_frame_files": [8]}
    assert [name for _, name in kept.files] == [
        "c/middle-1000/0", "c/sequence-1000/0", "c/sequence-1000/1", "c/middle-2000/0",
        "c/sequence-2000/0", "c/sequence-2000/1", "c/sequence-2000/2", "c/sequence-2000/3",
    ]  # fmt: skip
    assert kept.files["frame", "c/middle-2000/0"] == kept.files["frame", "c/sequence-2000/2"]
    assert Image.open(io.BytesIO(kept.files["frame", "c/middle-2000/0"])).size == (32, 24)


def test_frame_files_lie_where_they_did() -> None:
    (artifact,) = ClipFrameExtractionStage.artifacts
    path = artifact.path.format(clip_id="c", signature="sequence-2000", index=7)
    assert path == "frames/c/sequence-2000_00007.jpg"


def test_without_files_there_is_nothing_to_read() -> None:
    stage = ClipFrameExtractionStage(extract_purposes=[FramePurpose.AESTHETICS])
    assert (stage.reads().frames, stage.requires(), stage.sampled) == (None, (), (Frames(1, 240),))
    assert stage.open(PlainContext())(Batch((window_item("c"),))) == {"num_frame_files": [0]}


def test_frames_of_whole_videos_are_a_stage_of_their_own() -> None:
    stage = ClipFrameExtractionStage(write=True, target="videos", target_fps=[4.0], target_height_px=300)
    assert stage.requires() == (WholeVideoFramesStage(target_fps=[4.0], target_height_px=300),)
    assert stage.reads().frames is None
    assert stage.requires()[0].reads().frames == Frames(4, 300)


@pytest.mark.parametrize("parts", [[1], [2], [1, 1, 1], [3, 4], [5, 0, 5]])
def test_the_middle_of_a_video_does_not_depend_on_its_parts(parts: list[int]) -> None:
    kept, stage = PlainContext(), WholeVideoFramesStage(extraction_policies=BOTH)
    worker = stage.open(kept)
    whole = samples(sum(parts)).frames
    worker.begin("v", FACTS)
    for part in np.split(whole, np.cumsum(parts)[:-1]):
        times_s = np.arange(len(part)) / 2
        worker.feed(VideoPart(times_s, (FrameSamples(part, np.arange(len(part)), times_s),)))
    assert worker.finish(sum(parts), sum(parts) / 2) == {"num_frame_files": sum(parts) + 1}
    assert kept.files["frame", "v/middle-2000/0"] == frame_jpeg(whole[len(whole) // 2], height_px=240)
    assert len(kept.files) == sum(parts) + 1


def test_a_video_without_samples_has_no_files() -> None:
    worker = WholeVideoFramesStage(extraction_policies=BOTH).open(PlainContext())
    worker.begin("v", FACTS)
    assert worker.finish(0, 0.0) == {"num_frame_files": 0}


def test_cores_are_not_in_the_digest_of_frames() -> None:
    assert ClipFrameExtractionStage(num_cpus=1).digest() == ClipFrameExtractionStage().digest()

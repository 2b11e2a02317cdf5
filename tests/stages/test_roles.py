"""Reader, extractors, encoder and writer, each asked by its role and without an engine."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import pytest

from clipmill.models.shots.detector import NetworkCutFinder
from clipmill.records import CutClip, SoundFacts, SoundStatus
from clipmill.shots.windows import WINDOW_FRAMES
from clipmill.stages.base import Reads, Stage
from clipmill.stages.encode_options import EncodeOptions
from clipmill.stages.roles import ClipRules, EncoderStage, ExtractorStage, ReaderStage, WriterStage
from clipmill.stages.video.clipping.clip_extraction_stages import (
    ClipTranscodingStage,
    FixedStrideExtractorStage,
    file_row,
)
from clipmill.stages.video.clipping.content_extraction import ContentClipExtractionStage
from clipmill.stages.video.clipping.transnetv2_extraction import TransNetV2ClipExtractionStage
from clipmill.stages.video.clipping.video_frame_extraction import VideoFrameExtractionStage
from clipmill.stages.video.io.clip_writer import ClipWriterStage
from clipmill.stages.video.io.video_reader import VideoReader
from tests.support.stages.stage_context import PlainContext

T = TypeVar("T")
CUT = CutClip(
    "id", path="/tmp/id.mp4", clip_mode="smart", mode_reason="", file_start_s=2.5, width=640, height=360,
    framerate=25.0, num_frames=50, num_bytes=1234, video_codec="h264", has_audio=True, crop=(0, 60, 640, 360),
)  # fmt: skip
WRITER = ClipWriterStage(
    output_path="out", input_path="films", upload_clips=True, dry_run=False, generate_embeddings=True,
    generate_previews=False, generate_captions=True, caption_models=("qwen",),
)  # fmt: skip


class NoNetwork:
    """Sees no transition anywhere."""

    batch_windows = 1

    def predict(self, windows: np.ndarray) -> np.ndarray:
        return np.zeros((len(windows), WINDOW_FRAMES), np.float32)


@dataclass
class NetworkContext(PlainContext):
    """Lends a network that is made once, and notes under which keys it was asked for."""

    keys: list[str] = field(default_factory=list[str])

    def shared(self, key: str, make: Callable[[], T]) -> T:
        self.keys.append(key)
        return super().shared("network", NoNetwork)  # pyright: ignore[reportReturnType] the one that is lent


@pytest.mark.parametrize(
    ("stage", "role", "name", "grain"),
    [
        (VideoReader(input_video_path="films"), ReaderStage, "read", "run"),
        (WRITER, WriterStage, "write", "run"),
        (ContentClipExtractionStage(), ExtractorStage, "content", "video"),
        (FixedStrideExtractorStage(), ExtractorStage, "fixed_stride", "video"),
        (TransNetV2ClipExtractionStage(), ExtractorStage, "transnetv2", "video"),
        (ClipTranscodingStage(), EncoderStage, "encode", "clip"),
        (VideoFrameExtractionStage(), Stage, "thumbnails", "run"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_stage_has_its_role_and_name(stage: Stage, role: type[Stage], name: str, grain: str) -> None:
    assert isinstance(stage, role)
    assert (stage.name, stage.stage_name, stage.grain) == (name, name, grain)


def test_a_reader_says_where_videos_are() -> None:
    source = VideoReader(input_video_path="films", video_limit=3, decoder="cpu").source()
    assert (source.path, source.list_json_path, source.limit, source.decoder) == ("films", None, 3, "cpu")


def test_an_encoders_options_are_its_parameters() -> None:
    options = ClipTranscodingStage(encoder="libvpx-vp9", max_height=360, quality=30).options()
    assert isinstance(options, EncodeOptions)
    assert (options.encoder, options.max_height, options.quality) == ("libvpx-vp9", 360, 30)
    assert options.encodes
    assert options.changes_size
    assert not ClipTranscodingStage(encoder="smart").options().encodes


def test_a_row_has_the_columns_that_the_encoder_declares() -> None:
    stage = ClipTranscodingStage()
    row = stage.row(CUT, clip_uri="clips/id.mp4", clip_digest="d1")
    assert tuple(row) == tuple(column.name for column in stage.writes)
    assert (row["clip_uri"], row["clip_digest"], row["file_start_s"]) == ("clips/id.mp4", "d1", 2.5)


@pytest.mark.parametrize(("crop", "shown"), [((0, 60, 640, 360), (0, 60, 640, 360)), (None, (None,) * 4)])
def test_a_crop_is_four_columns(
    crop: tuple[int, int, int, int] | None, shown: tuple[int | None, ...]
) -> None:
    row = file_row(CutClip("id", "clip.mp4", crop=crop), clip_uri="", clip_digest="")
    assert tuple(row[name] for name in ("crop_x", "crop_y", "crop_width", "crop_height")) == shown


@pytest.mark.parametrize(
    ("status", "errors"),
    [("lost", '{"sound": "no packet could be decoded"}'), ("partial", None), ("copied", None)],
)
def test_lost_sound_is_an_error_of_the_clip(status: SoundStatus, errors: str | None) -> None:
    cut = CutClip("id", "clip.mp4", sound=SoundFacts(status, "no packet could be decoded"))
    row = file_row(cut, clip_uri="", clip_digest="")
    assert (row["audio_status"], row["audio_errors"]) == (status, errors)


@pytest.mark.parametrize("fields", [{"audio": {"rate": 16000}}, {"hdr": "keep"}])
def test_options_of_some_films_are_effects_and_in_no_digest(fields: dict[str, object]) -> None:
    changed, plain = ClipTranscodingStage.model_validate(fields), ClipTranscodingStage()
    assert changed.digest() == plain.digest()
    assert changed.effects() != plain.effects()
    (name,) = fields
    assert any(effect.text.startswith(f"{name}=") for effect in changed.effects())


@pytest.mark.parametrize(
    "audio",
    [
        {"track": -1},
        {"track": "first"},
        {"codec": "mp3"},
        {"rate": 1},
        {"x": 1},
        {"track": True},
        {"track": 10**20},
        {"channels": True},
    ],
)
def test_impossible_sound_is_refused(audio: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="audio"):
        ClipTranscodingStage.model_validate({"audio": audio})


def test_an_encoder_reads_the_source_and_drops_what_it_cannot_encode() -> None:
    stage = ClipTranscodingStage(num_cpus_per_worker=2, encode_batch_size=8)
    assert stage.reads() == Reads(source=True)
    assert (stage.on_failure, stage.failure_reason) == ("drop", "encode_failed")
    assert (stage.resources().cpus, stage.resources().batch_items) == (2, 8)
    assert [one.path for one in stage.artifacts] == ["clips/{clip_id}{suffix}"]


def test_speed_is_not_in_the_encoders_digest() -> None:
    fast = ClipTranscodingStage(num_cpus_per_worker=1, encode_batch_size=2, nb_streams_per_gpu=1)
    assert fast.digest() == ClipTranscodingStage().digest() != ClipTranscodingStage(quality=30).digest()


def test_clips_by_the_clock_need_no_cuts() -> None:
    stage = FixedStrideExtractorStage(clip_len_s=4.0, clip_stride_s=5.0, min_clip_length_s=0.0, limit_clips=7)
    assert stage.clip_rules() == ClipRules(min_length_s=0.0, max_length_s=4.0, stride_s=5.0, limit_clips=7)
    assert stage.length_bounds() == (0.0, 4.0)
    assert stage.finder() is None
    assert not stage.reads().thumbnails


def test_rules_of_shots_leave_no_value_that_means_off_but_none_and_0() -> None:
    stage = ContentClipExtractionStage(
        min_length_s=None, max_length_s=None, crop_s=None, entire_scene_as_clip=False
    )
    assert stage.clip_rules() == ClipRules(entire_scene_as_clip=False)
    assert stage.length_bounds() == (None, None)
    assert stage.reads().thumbnails


@pytest.mark.parametrize(
    ("stage", "decides_early"),
    [
        (FixedStrideExtractorStage(), True),
        (FixedStrideExtractorStage(clip_len_s=2, clip_stride_s=1), False),
        (ContentClipExtractionStage(), True),
        (ContentClipExtractionStage(entire_scene_as_clip=False), False),
        (TransNetV2ClipExtractionStage(), False),
    ],
    ids=["by the clock", "overlapping", "content", "needs a cut", "network"],
)
def test_early_clips_neither_overlap_nor_hang_on_the_end(stage: ExtractorStage, decides_early: bool) -> None:
    assert stage.decides_early == decides_early


def test_the_content_detector_needs_no_worker() -> None:
    rng = np.random.default_rng(0)
    shots = [np.full((60, 27, 48, 3), value, np.uint8) for value in (30, 220)]
    film = np.concatenate(shots) + rng.integers(0, 5, (120, 27, 48, 3), dtype=np.uint8)
    finder = ContentClipExtractionStage().finder(None)
    assert finder.feed(film).hard + finder.finish().hard == (60,)
    assert ContentClipExtractionStage(find_gradual=False).finder().latency_frames < finder.latency_frames


def test_the_network_needs_a_worker() -> None:
    with pytest.raises(ValueError, match="needs a worker"):
        TransNetV2ClipExtractionStage().finder(None)


def test_videos_of_one_worker_share_a_network() -> None:
    stage, context = TransNetV2ClipExtractionStage(), NetworkContext()
    finders = [stage.finder(context) for _ in range(2)]
    assert all(isinstance(finder, NetworkCutFinder) for finder in finders)
    assert len(context.keys) == 2
    assert len(set(context.keys)) == 1
    assert finders[0].latency_frames > WINDOW_FRAMES


def test_a_network_is_named_with_its_revision_and_place() -> None:
    (pinned,), (own,) = (
        TransNetV2ClipExtractionStage(revision=revision, model_dir="weights").models()
        for revision in (None, "abc")
    )
    assert (pinned.name, bool(pinned.revision), pinned.place) == ("transnetv2", True, "weights")
    assert own.revision == "abc"


def test_a_network_on_a_processor_asks_for_no_memory_of_a_gpu() -> None:
    assert TransNetV2ClipExtractionStage(device="cpu").resources().gpu_memory_gb == 0
    assert TransNetV2ClipExtractionStage(gpu_memory_gb=6).resources().gpu_memory_gb == 6

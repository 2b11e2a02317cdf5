"""Every reason of the closed list that needs no weights, from a real file or a real fault.

A decoder that crashes or hangs: ``tests/end_to_end/test_faults.py``.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import av
import pytest

from clipmill.pipeline import Pipeline
from clipmill.records import VideoReason
from clipmill.specs import CurateSpec
from clipmill.stages.video.clipping.clip_extraction_stages import (
    ClipTranscodingStage,
    FixedStrideExtractorStage,
)
from clipmill.stages.video.io.video_reader import VideoReader
from clipmill.tasks.video import VideoTask
from footage import copies
from footage.encode import H264, write_sound
from footage.shot_plan import STILL, Style
from footage.sound import sound_bed
from tests.support.films.container_films import CENC, PLAIN_X264
from tests.support.films.scan_films import write_film
from tests.support.films.small_films import draw_film
from tests.support.runs.curation import curate_here, fates, plain_spec, rows, small_spec
from tests.support.runs.one_codec import one_codec_process

pytestmark = pytest.mark.usefixtures("shared_codec")

BLACK = replace(Style(), min_gain=0.0, max_gain=0.0)
# Coded so well that what stands still looks the same in every frame.
CLEAN = replace(H264, options={**H264.options, "crf": "4"})
ALLOWED_PIXELS = 160 * 90


def letter(path: Path) -> None:
    path.write_text("The film will follow by post.\n" * 40)


def without_index(path: Path) -> None:
    draw_film(path, seed=3, shots=(12,))
    copies.cut_short(path, path, share=0.5)


def radio_play(path: Path) -> None:
    write_sound(path, sound_bed(1.0, seed=4))


def unknown_codec(path: Path) -> None:
    draw_film(path, seed=5, shots=(12,))
    path.write_bytes(path.read_bytes().replace(b"avc1", b"zzz9").replace(b"avcC", b"zzzC"))


def too_large(path: Path) -> None:
    draw_film(path, seed=6, shots=(4,), size_px=(320, 180))


def without_pictures(path: Path) -> None:
    draw_film(path, seed=7, shots=(12,))
    with av.open(path) as container:
        places = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    data = bytearray(path.read_bytes())
    for start, size in places:
        data[start : start + size] = b"\xff" * size
    path.write_bytes(data)


def encrypted(path: Path) -> None:
    write_film(path, range(12), options=PLAIN_X264, mux=CENC)


def half_a_second(path: Path) -> None:
    draw_film(path, seed=8, shots=(12,))


BAD_FILES: dict[VideoReason, Callable[[Path], None]] = {
    VideoReason.NOT_A_VIDEO: letter,
    VideoReason.UNREADABLE: without_index,
    VideoReason.NO_VIDEO_STREAM: radio_play,
    VideoReason.UNSUPPORTED_CODEC: unknown_codec,
    VideoReason.ENCRYPTED: encrypted,
    VideoReason.OVER_LIMIT: too_large,
    VideoReason.NO_FRAMES: without_pictures,
    VideoReason.TOO_SHORT: half_a_second,
}


@pytest.fixture(scope="module")
def bad_folder(tmp_path_factory: pytest.TempPathFactory, film: Path) -> Path:
    """One bad file of each kind and a good one; the output lies beside it."""
    folder = tmp_path_factory.mktemp("bad") / "source"
    folder.mkdir()
    for reason, draw in BAD_FILES.items():
        draw(folder / f"{reason}.mp4")
    (folder / "notes.txt").write_text("Bad ones and a good one, whose name is no UTF-8.")
    copies.rename(film, folder / "good\udcff.mp4")
    spec = small_spec(preview=None, limits={"max_pixels": ALLOWED_PIXELS})
    with one_codec_process():
        curate_here(folder, folder.parent / "out", spec)
    return folder


@pytest.mark.parametrize("reason", BAD_FILES, ids=str)
def test_bad_file_is_rejected_for_its_reason(bad_folder: Path, reason: VideoReason) -> None:
    assert fates(bad_folder.parent / "out", bad_folder)[f"{reason}.mp4"] == reason


@pytest.mark.parametrize("reason", BAD_FILES, ids=str)
def test_rejection_names_file_and_cause(bad_folder: Path, reason: VideoReason) -> None:
    uri = str(bad_folder / f"{reason}.mp4")
    (row,) = [row for row in rows(bad_folder.parent / "out", "rejections") if row["uri"] == uri]
    assert row["reason"] == reason
    assert Path(uri).name in str(row["message"])
    assert len(str(row["message"]).split(": ", 1)[1]) > 10


def test_good_file_among_bad_ones_is_curated(bad_folder: Path) -> None:
    assert fates(bad_folder.parent / "out", bad_folder)["good\\xff.mp4"] == "curated"


def test_listed_file_that_is_not_there_is_a_store_error(tmp_path: Path, film: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    copies.rename(film, source / "good.mp4")
    (tmp_path / "list.json").write_text(json.dumps(["good.mp4", "gone.mp4"]))
    spec = small_spec(preview=None, input_list_json_path=str(tmp_path / "list.json"))
    curate_here(source, tmp_path / "out", spec)
    assert fates(tmp_path / "out", source) == {"good.mp4": "curated", "gone.mp4": "store_error"}


def test_truncated_file_with_a_clip_left_is_curated_as_partial(tmp_path: Path) -> None:
    source = tmp_path / "source"
    whole = draw_film(source / "street.mp4", seed=9, shots=(160,))
    copies.move_index_first(whole, tmp_path / "street.mp4")
    copies.cut_short(tmp_path / "street.mp4", whole, share=0.7)
    copies.cut_short(tmp_path / "street.mp4", source / "stub.mp4", share=0.15)
    (source / "notes.txt").write_text("none")
    published = curate_here(source, tmp_path / "out", small_spec(preview=None))
    assert "skipped, no videos: 1 file (1 .txt)" in published.summary()
    (stub,) = rows(tmp_path / "out", "rejections")
    assert stub["reason"] == "too_short"
    assert "; the file is damaged or cut off: " in str(stub["message"])
    video, _ = rows(tmp_path / "out", "videos")
    assert (video["status"], video["is_partial"]) == ("curated", True)
    assert video["num_clips"]
    assert "s: " in str(video["partial_reason"])
    assert {row["damage"] for row in rows(tmp_path / "out", "clips")} == {0.0}


FILTERS: dict[str, tuple[Style, dict[str, object]]] = {
    "low_motion": (STILL, {"motion_filter": {"score_only": False}}),
    "low_quality": (Style(), {"quality": {"sharpness": {"min": 1000.0}}}),
    "black": (BLACK, {"quality": {"black_ratio": {"max": 0.5}}}),
    "frozen": (STILL, {"quality": {"frozen_ratio": {"max": 0.5}}}),
}


@pytest.mark.parametrize("reason", FILTERS, ids=str)
def test_clip_is_filtered_for_its_reason(tmp_path: Path, reason: str) -> None:
    style, fields = FILTERS[reason]
    draw_film(tmp_path / "source" / "film.mp4", seed=10, shots=(24,), style=style, encoding=CLEAN)
    curate_here(tmp_path / "source", tmp_path / "out", plain_spec(**fields))
    (clip,) = rows(tmp_path / "out", "clips")
    assert (clip["status"], clip["reason"]) == ("filtered", reason)


def test_clip_without_sampled_frame_is_embedded_by_its_first_one(tmp_path: Path, film: Path) -> None:
    """Clips of 0.3 s and two frames a second: some clips lie between two sampled instants."""
    stride = {"clip_len_s": 0.3, "clip_stride_s": 0.3, "min_clip_length_s": 0.1, "limit_clips": 4}
    split = {"algorithm": "fixed_stride", "fixed_stride": stride}
    spec = CurateSpec.model_validate({"split": split, "preview": None, "embedding": {"target_fps": 2.0}})
    curate_here(film, tmp_path / "out", spec)
    assert [clip["reason"] for clip in rows(tmp_path / "out", "clips")] == [None] * 4


class LoseTheSource:
    """Deletes the file once it has been scanned."""

    name = "lose_the_source"

    def process(self, task: VideoTask) -> VideoTask:
        Path(task.data.input_path).unlink()
        return task


def test_clip_whose_source_is_gone_is_encode_failed(tmp_path: Path, film: Path) -> None:
    source = tmp_path / "film.mp4"
    copies.rename(film, source)
    stages = [
        VideoReader(input_video_path=str(source)),
        FixedStrideExtractorStage(clip_len_s=1.0, clip_stride_s=9.0, min_clip_length_s=1.0),
        LoseTheSource(),
        ClipTranscodingStage(),
    ]
    (task,) = Pipeline("lose", stages=stages).run()
    (clip,) = task.data.filtered_clips
    assert clip.reason == "encode_failed"
    assert str(source) in clip.errors["encode"]

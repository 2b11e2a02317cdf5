"""Clips for training: bars off, scaled, sides of a multiple, frames on a grid, no sound."""

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from pydantic import ValidationError

from clipmill.media.cut.cut import cut_clips
from clipmill.media.frames.geometry import Rect, fit, without_bars
from clipmill.media.frames.time_grid import grid_rate, instants
from clipmill.records import CutClip
from clipmill.stages.video.clipping.clip_extraction_stages import ClipTranscodingStage
from tests.support.films.numbered_films import draw, read_back, source_pts, spans

NUM_FRAMES = 30


def spec_of(**fields: object) -> ClipTranscodingStage:
    return ClipTranscodingStage.model_validate(fields)


def cut(path: Path, out: Path, start: int, end: int, **fields: object) -> CutClip:
    with av.open(str(path)) as container:
        time_base = container.streams.video[0].time_base or Fraction(1)
    times = source_pts(path)
    clips = spans(len(times) - 1, (start, end), pts=times, time_base=time_base)
    return cut_clips(str(path), clips, spec_of(**fields).options(), out_dir=str(out), min_length_s=0.1)[0]


def bright(height: int, width: int, rect: Rect) -> np.ndarray:
    luma = np.full((height, width), 16, np.uint8)
    luma[rect.y : rect.y + rect.height, rect.x : rect.x + rect.width] = 120
    return luma


def draw_letterboxed(path: Path, num_frames: int = NUM_FRAMES) -> Path:
    """128x96: a picture of 128x72 that brightens, between bars of 12 lines."""
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=25, options={"g": "10"})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        for index in range(num_frames):
            picture = np.zeros((96, 128, 3), np.uint8)
            picture[12:84] = 90 + 4 * index
            output.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        output.mux(stream.encode(None))
    return path


# --- the rules


@pytest.mark.parametrize(
    ("crop", "max_height", "multiple_of", "scaled", "size"),
    [
        (Rect(0, 0, 1920, 1080), None, 2, (1920, 1080), (1920, 1080)),
        (Rect(0, 0, 1920, 1080), 480, 2, (854, 480), (854, 480)),
        (Rect(0, 0, 1920, 1080), 480, 16, (854, 480), (848, 480)),
        (Rect(0, 0, 640, 360), 480, 32, (640, 360), (640, 352)),
        (Rect(0, 140, 1920, 800), 400, 16, (960, 400), (960, 400)),
    ],
    ids=["as it is", "scaled", "scaled to a multiple", "never enlarged", "without bars"],
)
def test_sizes(
    crop: Rect, max_height: int | None, multiple_of: int, scaled: tuple[int, int], size: tuple[int, int]
) -> None:
    geometry = fit(crop, max_height=max_height, multiple_of=multiple_of)
    assert (geometry.scaled, geometry.size) == (scaled, size)


def test_what_is_shown_is_told_in_pixels_of_the_source() -> None:
    assert fit(Rect(0, 140, 1920, 800), max_height=400, multiple_of=128).shown == Rect(64, 156, 1792, 768)


def test_a_picture_smaller_than_the_multiple_is_refused() -> None:
    with pytest.raises(ValueError, match="no multiple of 256"):
        fit(Rect(0, 0, 320, 180), max_height=None, multiple_of=256)


@pytest.mark.parametrize(
    "rect",
    [Rect(0, 12, 128, 72), Rect(16, 0, 96, 96), Rect(0, 0, 128, 96)],
    ids=["letterbox", "pillarbox", "no bars"],
)
def test_bars_are_found(rect: Rect) -> None:
    assert without_bars([bright(96, 128, rect)]) == rect


def test_a_bar_is_black_in_every_picture() -> None:
    night = bright(96, 128, Rect(0, 40, 128, 20))
    assert without_bars([night, bright(96, 128, Rect(0, 12, 128, 72))]) == Rect(0, 12, 128, 72)


def test_a_dark_picture_says_nothing_about_bars() -> None:
    assert without_bars([np.full((96, 128), 20, np.uint8)]) is None


def test_a_lamp_in_the_night_is_not_a_picture_between_bars() -> None:
    assert without_bars([bright(96, 128, Rect(0, 60, 128, 8))]) == Rect(0, 0, 128, 96)


def test_an_odd_edge_loses_a_line_of_the_picture_rather_than_keeping_one_of_the_bar() -> None:
    assert without_bars([bright(96, 128, Rect(0, 11, 128, 74))]) == Rect(0, 12, 128, 72)


@pytest.mark.parametrize(
    ("fps", "rate"), [(10, Fraction(10)), (29.97, Fraction(30000, 1001)), (12.5, Fraction(25, 2))]
)
def test_rates(fps: float, rate: Fraction) -> None:
    assert grid_rate(fps) == rate


def test_instants_of_neighbours_neither_overlap_nor_leave_out() -> None:
    borders = [Fraction(index, 24) for index in range(25)]
    steps = [k for a, b in pairwise(borders) for k in instants(a, b, rate=Fraction(10))]
    assert steps == list(range(10))


# --- the files


def test_letterbox_is_cropped_and_recorded(tmp_path: Path) -> None:
    clip = cut(draw_letterboxed(tmp_path / "film.mp4"), tmp_path / "out", 3, 28, crop_letterbox=True)
    assert (clip.width, clip.height, clip.crop) == (128, 72, (0, 12, 128, 72)), clip.message
    with av.open(clip.path) as container:
        frame = next(container.decode(container.streams.video[0])).to_ndarray(format="gray")
    assert frame.min() > 60


def test_frames_and_times_survive_scaling(tmp_path: Path) -> None:
    path = draw(tmp_path / "film.mp4", NUM_FRAMES, size=(256, 144))
    clip = cut(path, tmp_path / "out", 5, 25, max_height=72, multiple_of=16)
    numbers, shown = read_back(clip.path)
    assert (clip.width, clip.height) == (128, 64)
    assert numbers == list(range(5, 25))
    assert shown == [pts - source_pts(path)[5] for pts in source_pts(path)[5:25]]


@pytest.mark.parametrize("encoder", ["libopenh264", "libvpx-vp9", "libsvtav1"])
def test_every_encoder_takes_the_geometry(tmp_path: Path, encoder: str) -> None:
    path = draw(tmp_path / "film.mp4", NUM_FRAMES, size=(256, 144))
    clip = cut(path, tmp_path / "out", 5, 25, max_height=96, target_fps=10, encoder=encoder)
    assert (clip.height, clip.num_frames, clip.framerate) == (96, 8, 10.0), clip.message


def test_colour_tags_survive(tmp_path: Path) -> None:
    options = {"colorspace": "1", "color_primaries": "1", "color_trc": "1", "color_range": "1"}
    path = draw(tmp_path / "film.mp4", 8, size=(256, 144), options=options)
    clip = cut(path, tmp_path / "out", 0, 8, max_height=72)
    with av.open(clip.path) as container:
        frame = next(container.decode(container.streams.video[0]))
    assert (frame.color_range, frame.colorspace, frame.color_primaries, frame.color_trc) == (1, 1, 1, 1)


@pytest.mark.parametrize(
    ("fps", "expected"),
    [(5, [5, 10, 15, 20]), (50, [n for n in range(5, 25) for _ in "12"])],
    ids=["fewer", "more"],
)
def test_frames_are_put_on_the_grid(tmp_path: Path, fps: float, expected: list[int]) -> None:
    path = draw(tmp_path / "film.mp4", NUM_FRAMES)
    clip = cut(path, tmp_path / "out", 5, 25, target_fps=fps)
    numbers, _ = read_back(clip.path)
    with av.open(clip.path) as container:
        stream = container.streams.video[0]
        shown = [(frame.pts or 0) * (stream.time_base or 0) for frame in container.decode(stream)]
    assert numbers == expected
    assert shown == [Fraction(k) / Fraction(fps) for k in range(len(expected))]


def test_a_variable_rate_becomes_a_constant_one(tmp_path: Path) -> None:
    pts = [0, 3600, 5400, 18000, 21600, 25200, 36000, 39600]
    path = draw(tmp_path / "film.mp4", len(pts), pts=pts)
    clip = cut(path, tmp_path / "out", 0, 8, target_fps=25)
    assert read_back(clip.path)[0] == [0, 1, 2, 2, 2, 3, 4, 5, 5, 5, 6, 7]


def test_sound_is_left_out_when_asked(tmp_path: Path) -> None:
    path = draw(tmp_path / "film.mp4", NUM_FRAMES, audio="aac", options={"g": "10"})
    for encoder in ("libx264", "smart", "copy"):
        clip = cut(path, tmp_path / encoder, 5, 30, encoder=encoder, strip_audio=True)
        assert not clip.has_audio, encoder


def test_without_a_wish_nothing_is_recorded(tmp_path: Path) -> None:
    assert cut(draw(tmp_path / "film.mp4", 8), tmp_path / "out", 0, 8).crop is None


def test_a_clip_too_small_for_the_multiple_fails_by_name(tmp_path: Path) -> None:
    clip = cut(draw(tmp_path / "film.mp4", 8), tmp_path / "out", 0, 8, multiple_of=256)
    assert (clip.path, clip.message) == ("", "128x72 pixels hold no multiple of 256")


@pytest.mark.parametrize("encoder", ["copy", "smart"])
@pytest.mark.parametrize(
    "fields", [{"crop_letterbox": True}, {"max_height": 64}, {"multiple_of": 16}, {"target_fps": 5}], ids=str
)
def test_pictures_that_are_not_encoded_keep_their_shape(encoder: str, fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=f"{next(iter(fields))} needs an encoder"):
        spec_of(encoder=encoder, **fields)

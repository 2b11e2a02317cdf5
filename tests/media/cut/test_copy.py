"""Clips that are copied: packets of the source, from the first key picture of the span on."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from clipmill.media.cut.cut import cut_clips
from tests.support.films.cut_cases import COPY, Film, cut, drawn_in, pictures, scanned
from tests.support.films.numbered_films import draw, read_back, source_pts

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Film:
    return drawn_in(tmp_path_factory.mktemp("films"))


@pytest.mark.parametrize(
    ("name", "start", "suffix"),
    [
        ("h264.mp4", 30, ".mp4"),
        ("h264.ts", 30, ".mp4"),
        ("hevc.mp4", 30, ".mp4"),
        ("ten_bit.mp4", 30, ".mp4"),
        ("vp9.mp4", 30, ".mp4"),
        ("av1.mkv", 30, ".mp4"),
        ("mpeg4.mp4", 30, ".mp4"),
        ("vp8.webm", 30, ".webm"),
        ("vfr.mp4", 30, ".mp4"),
    ],
)
def test_a_copied_clip_begins_at_the_first_key_picture_and_decodes_alone(
    film: Film, tmp_path: Path, name: str, start: int, suffix: str
) -> None:
    path = film(name)
    (clip,) = cut(path, tmp_path, (25, 77), spec=COPY)
    numbers, shown = read_back(clip.path)
    times = source_pts(path)
    assert (clip.clip_mode, clip.mode_reason, Path(clip.path).suffix) == ("copy", "", suffix)
    assert numbers == list(range(start, start + len(numbers)))
    assert 77 - 5 <= start + len(numbers) <= 77
    assert shown == [pts - times[start] for pts in times[start : start + len(numbers)]]
    assert clip.num_frames == len(numbers)


@pytest.mark.parametrize(
    ("codec", "audio", "suffix", "kept_as"),
    [
        ("libx264", "aac", ".mp4", "aac"),
        ("libvpx", None, ".webm", None),
        ("libvpx", "libopus", ".webm", "opus"),
        ("libvpx", "aac", ".mkv", "aac"),
        ("libvpx", "flac", ".mkv", "aac"),
        ("ffv1", None, ".mkv", None),
    ],
)
def test_the_container_of_a_copy_holds_its_pictures_and_its_sound(
    tmp_path: Path, codec: str, audio: str | None, suffix: str, kept_as: str | None
) -> None:
    path = draw(tmp_path / "film.mkv", 50, codec=codec, audio=audio, options={"g": "10"})
    (clip,) = cut(path, tmp_path / "out", (0, 40), spec=COPY)
    assert (clip.clip_mode, Path(clip.path).suffix) == ("copy", suffix)
    with av.open(clip.path) as container:
        sounds = [stream.codec_context.codec.canonical_name for stream in container.streams.audio]
    assert sounds == [kept_as] * (kept_as is not None)


@pytest.mark.parametrize("name", ["h264.mp4", "hevc.mp4", "vp9.mp4", "mpeg4.mp4"])
def test_a_copied_clip_shows_the_source_pixels(film: Film, tmp_path: Path, name: str) -> None:
    (clip,) = cut(film(name), tmp_path, (25, 77), spec=COPY)
    whole, copied = pictures(str(film(name))), pictures(clip.path)
    assert all(np.array_equal(frame, whole[30 + index]) for index, frame in enumerate(copied))


def test_file_start_is_the_time_of_the_first_copied_frame(film: Film, tmp_path: Path) -> None:
    (clip,) = cut(film("h264.mp4"), tmp_path, (25, 77), spec=COPY)
    assert clip.file_start_s == pytest.approx(30 / 25)


def test_a_span_without_key_picture_is_encoded(film: Film, tmp_path: Path) -> None:
    (clip,) = cut(film("h264.mp4"), tmp_path, (31, 55), spec=COPY)
    assert (clip.clip_mode, clip.mode_reason) == ("encode", "no key picture inside the span")
    assert read_back(clip.path)[0] == list(range(31, 55))
    assert clip.file_start_s == pytest.approx(31 / 25)


@pytest.mark.parametrize(
    ("name", "mode"), [("h264.mp4", "smart"), ("hevc.mp4", "smart"), ("vp9.mp4", "encode")]
)
def test_a_span_with_too_little_after_its_key_picture_is_spliced_or_encoded(
    film: Film, tmp_path: Path, name: str, mode: str
) -> None:
    (clip,) = cut(film(name), tmp_path, (31, 70), spec=COPY, min_s=0.5)
    assert clip.clip_mode == mode
    assert "follow its first key picture" in clip.mode_reason
    assert ("no splicing of vp9" in clip.mode_reason) == (mode == "encode")
    assert read_back(clip.path)[0] == list(range(31, 70))
    assert clip.file_start_s == pytest.approx(31 / 25)


def test_recovery_points_are_no_key_pictures_of_a_copy(film: Film, tmp_path: Path) -> None:
    for name in ("open_gop.mp4", "refresh.mp4"):
        (clip,) = cut(film(name), tmp_path, (25, 77), spec=COPY)
        assert clip.mode_reason == "no key picture inside the span", name


def test_avi_gives_no_picture_times_to_copy_by(film: Film, tmp_path: Path) -> None:
    (clip,) = cut(film("mpeg4.avi"), tmp_path, (25, 77), spec=COPY)
    assert clip.clip_mode == "encode"
    assert clip.mode_reason == "the container gives no picture times; no splicing of mpeg4"


def test_a_rotated_film_is_not_copied(tmp_path: Path) -> None:
    path = draw(tmp_path / "rotated.mp4", 12, rotation=180)
    (clip,) = cut(path, tmp_path / "out", (0, 12), spec=COPY)
    assert clip.clip_mode == "encode"
    assert "rotated by 180 degrees" in clip.mode_reason


@pytest.mark.parametrize(
    ("codec", "options"),
    [("libx264", {"g": "20", "bf": "0"}), ("mpeg2video", {"g": "20", "qscale": "2"})],
)
def test_a_span_across_a_change_of_size_is_not_copied(
    tmp_path: Path, codec: str, options: dict[str, str]
) -> None:
    parts = [
        draw(
            tmp_path / f"{first}.ts", 50, codec=codec, options=options | {"sc_threshold": "0"}, size=size,
            first_number=first, pts=list(range(first, first + 50)), time_base=Fraction(1, 25),
        )
        for first, size in ((0, (128, 72)), (50, (192, 112)))
    ]  # fmt: skip
    path = tmp_path / "film.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    clips, _ = scanned(path, tmp_path / "spool", (5, 45), (30, 70), (60, 95))
    before, across, behind = cut_clips(
        str(path), clips, COPY.options(), out_dir=str(tmp_path), min_length_s=0.2
    )
    assert before.clip_mode == "copy"
    for clip, (start, end) in ((across, (30, 70)), (behind, (60, 95))):
        assert clip.clip_mode == "encode"
        assert clip.mode_reason.startswith("the size or format of the pictures changes")
        assert clip.num_frames == end - start


def test_a_codec_that_mp4_cannot_hold_goes_to_mkv(tmp_path: Path) -> None:
    path = draw(tmp_path / "film.mkv", 12, codec="ffv1", options={"g": "1"})
    (clip,) = cut(path, tmp_path / "out", (3, 12), spec=COPY)
    assert (Path(clip.path).suffix, clip.video_codec, clip.clip_mode) == (".mkv", "ffv1", "copy")
    assert read_back(clip.path)[0] == list(range(3, 12))


def test_the_reason_of_a_copy_that_fails_names_no_folder_of_the_moment(tmp_path: Path) -> None:
    path = tmp_path / "film.y4m"
    with av.open(str(path), "w", format="yuv4mpegpipe") as container:
        stream = container.add_stream("wrapped_avframe", rate=25)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        for index in range(12):
            picture = np.full((32, 48, 3), 20 * index, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
    (clip,) = cut(path, tmp_path / "out", (0, 12), spec=COPY)
    assert clip.mode_reason == "copying failed: Invalid argument; no splicing of rawvideo"

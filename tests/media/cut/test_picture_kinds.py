"""High dynamic range and interlaced films: previews, frames of stages and encoded clips look alike."""

from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame
from av.video.reformatter import ColorPrimaries, ColorTrc

from clipmill.errors import SpecError
from clipmill.media.cut.window import window_mp4
from clipmill.media.encode.availability import check_encoder
from clipmill.media.frames.deinterlace import is_combed
from clipmill.media.frames.orientation import side_data
from clipmill.media.scan.scan import load_arrays, scan
from clipmill.stages.decoder import Deinterlace
from clipmill.stages.video.clipping.clip_extraction_stages import ClipTranscodingStage
from tests.support.films.chirps import Curated, curated, join
from tests.support.films.container_films import write_tagged
from tests.support.films.numbered_films import bar_in, bar_start, draw_fields, read_number
from tests.support.scan_plans import pictures, plan_of

pytestmark = pytest.mark.integration

PQ, HLG, BT709 = int(ColorTrc.SMPTE2084), int(ColorTrc.ARIB_STD_B67), 1
BT2020 = int(ColorPrimaries.BT2020)
EVERY_FRAME = plan_of(frames_fps=25.0, quality_fps=25.0, motion_fps=25.0)


def frames_of(path: str) -> list[VideoFrame]:
    with av.open(path) as container:
        return list(container.decode(video=0))


def rgb(frame: VideoFrame) -> np.ndarray:
    return frame.to_ndarray(format="rgb24").astype(int)


def tags(frame: VideoFrame) -> tuple[int, int, int]:
    return frame.color_trc, frame.color_primaries, frame.colorspace


def sampled(path: Path, folder: Path) -> np.ndarray:
    scan(str(path), EVERY_FRAME, str(folder / "pictures"))
    return pictures(load_arrays(str(folder / "pictures"))).astype(int)


# --- high dynamic range


@pytest.mark.parametrize("transfer", [PQ, HLG], ids=["PQ", "HLG"])
def test_high_range_looks_alike_in_frames_and_clips(tmp_path: Path, transfer: int) -> None:
    film = write_tagged(tmp_path / "a.mkv", 20, transfer=transfer, primaries=BT2020, matrix=9)
    (clip,) = curated(film, tmp_path / "out", quality=5).clips
    shown = frames_of(clip.path)
    assert clip.pictures.hdr == "tone_mapped"
    assert {(*tags(frame), frame.format.name) for frame in shown} == {(BT709, BT709, BT709, "yuv420p")}
    assert np.abs(np.stack([rgb(frame) for frame in shown]) - sampled(film, tmp_path)).mean() < 2.5

    kept = curated(film, tmp_path / "kept", hdr="keep", quality=5).clips[0]
    assert kept.pictures.hdr == "kept"
    assert {(*tags(frame), frame.format.name) for frame in frames_of(kept.path)} == {
        (transfer, BT2020, 9, "yuv420p10le")
    }
    window = tmp_path / "window.mp4"
    window.write_bytes(window_mp4(kept.path, 2, 8, options=ClipTranscodingStage(hdr="keep").options()))
    assert {tags(frame) for frame in frames_of(str(window))} == {(BT709, BT709, BT709)}  # for models


DISPLAY = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)"
HDR10 = {
    "x265-params": f"log-level=none:keyint=10:repeat-headers=1:master-display={DISPLAY}:max-cll=1000,400"
}


DISPLAY_SEI = bytes([137, 24])
"""Kind and size of the message in H.264 and HEVC (H.265, annex D.2.28)."""


def first_packet(path: str) -> bytes:
    with av.open(path) as container:
        return bytes(next(container.demux(video=0)))


def light_of(frame: VideoFrame) -> tuple[list[float], list[int]]:
    """The grading display (red, green, blue, white, least and most light) and the light of the pictures."""
    data = side_data(frame)
    display = np.frombuffer(bytes(data["MASTERING_DISPLAY_METADATA"]), "<i4")[:20].reshape(10, 2)
    light = np.frombuffer(bytes(data["CONTENT_LIGHT_LEVEL"]), "<i4")[:2]
    return np.round(display[:, 0] / display[:, 1], 3).tolist(), light.tolist()


@pytest.mark.parametrize("encoder", ["libx264", "libsvtav1", "smart"])
def test_the_grading_display_of_hdr10_is_kept(tmp_path: Path, encoder: str) -> None:
    film = write_tagged(
        tmp_path / "a.mkv", 60, transfer=PQ, primaries=BT2020, matrix=9, encoder="libx265", options=HDR10
    )
    clips = curated(film, tmp_path / "out", encoder=encoder, clip_s=1.0, hdr="keep").clips
    assert {clip.clip_mode for clip in clips} == {encoder if encoder == "smart" else "encode"}
    expected = [0.68, 0.32, 0.265, 0.69, 0.15, 0.06, 0.313, 0.329, 0.005, 1000], [1000, 400]
    for clip in clips:
        frame = frames_of(clip.path)[0]
        assert (tags(frame)[0], *light_of(frame)) == (PQ, *expected)
        assert DISPLAY_SEI in first_packet(clip.path) or encoder == "libsvtav1"


def test_high_range_in_rgb_is_kept_by_a_matrix(tmp_path: Path) -> None:
    film = write_tagged(
        tmp_path / "a.mkv", 20, transfer=PQ, primaries=BT2020, matrix=0, pixels="gbrp10le", encoder="ffv1",
        options={},
    )  # fmt: skip
    (clip,) = curated(film, tmp_path / "out", hdr="keep", quality=2).clips
    kept, shown = frames_of(clip.path), frames_of(str(film))
    assert {tags(frame) for frame in kept} == {(PQ, BT2020, 9)}
    assert np.abs(np.stack([rgb(a) - rgb(b) for a, b in zip(kept, shown, strict=True)])).mean() < 4


@pytest.mark.parametrize("mode", ["copy", "smart"])
def test_copied_high_range_is_left_and_said(tmp_path: Path, mode: str) -> None:
    film = write_tagged(tmp_path / "a.mp4", 60, transfer=PQ, primaries=BT2020, matrix=9)
    clips = curated(film, tmp_path / "out", encoder=mode, clip_s=1.0).clips
    assert [(clip.clip_mode, clip.pictures.hdr) for clip in clips] == [(mode, "copied")] * 2
    assert tags(frames_of(clips[1].path)[0])[0] == PQ


def test_colours_that_change_in_mid_file_are_those_of_each_clip(tmp_path: Path) -> None:
    parts = [
        write_tagged(tmp_path / f"{place}.ts", 30, transfer=transfer, primaries=primaries, matrix=matrix)
        for place, (transfer, primaries, matrix) in enumerate([(BT709, 1, 1), (PQ, BT2020, 9), (6, 6, 6)])
    ]
    film = join(tmp_path / "film.ts", *parts)
    clips = curated(film, tmp_path / "out", clip_s=1.2).clips
    assert [clip.pictures.hdr for clip in clips] == ["none", "tone_mapped", "none"]
    first = [frames_of(clip.path)[0] for clip in clips]
    assert [tags(frame) for frame in first] == [(1, 1, 1), (1, 1, 1), (6, 6, 6)]
    looks = sampled(film, tmp_path)
    assert [np.abs(rgb(frame) - looks[30 * place]).mean() < 4 for place, frame in enumerate(first)] == [
        True
    ] * 3


def test_colours_that_change_within_a_clip_are_those_of_its_first_frame(tmp_path: Path) -> None:
    parts = [draw_red(tmp_path / f"{matrix}.ts", matrix=matrix) for matrix in (1, 6)]
    (clip,) = curated(join(tmp_path / "film.ts", *parts), tmp_path / "out", clip_s=9.0, quality=5).clips
    shown = frames_of(clip.path)
    assert {frame.colorspace for frame in shown} == {1}
    assert np.ptp([rgb(frame).mean((0, 1)) for frame in shown], axis=0).max() < 4


def draw_red(path: Path, *, matrix: int) -> Path:
    """30 frames of one colour, coded by a matrix."""
    with av.open(str(path), "w") as output:
        stream = output.add_stream(
            "libx264", rate=25, options={"colorspace": str(matrix), "color_range": "1"}
        )
        stream.width, stream.height, stream.pix_fmt = 96, 54, "yuv420p"
        for _ in range(30):
            red = av.VideoFrame.from_ndarray(np.full((54, 96, 3), (200, 40, 30), np.uint8), format="rgb24")
            frame = red.reformat(format="yuv420p", dst_colorspace=matrix, dst_color_range=1)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


def test_an_encoder_without_ten_bits_is_refused() -> None:
    with pytest.raises(ValueError, match="10 bits"):
        ClipTranscodingStage(encoder="libopenh264", hdr="keep")
    check_encoder(ClipTranscodingStage(hdr="keep").options())
    with pytest.raises(SpecError, match=r"no 10 bits here.*libx264"):
        check_encoder(ClipTranscodingStage(encoder="libvpx-vp9", hdr="keep").options())


# --- fields


def bars(frames: list[np.ndarray]) -> list[float]:
    return [bar_in(frame) for frame in frames]


def firsts(start: int, end: int) -> list[int]:
    """Where the bar is in the first field of frames."""
    return [bar_start(2 * number) for number in range(start, end)]


def look(found: Curated) -> list[list[VideoFrame]]:
    return [frames_of(clip.path) for clip in found.clips]


@pytest.mark.parametrize("order", ["top", "bottom"])
@pytest.mark.parametrize("suffix", [".ts", ".mpg"])
def test_interlaced_frames_become_whole_pictures_of_their_first_field(
    tmp_path: Path, suffix: str, order: str
) -> None:
    codec = "libx264" if suffix == ".ts" else "mpeg2video"
    film = draw_fields(tmp_path / f"a{suffix}", 50, order=order, codec=codec)
    found = curated(film, tmp_path / "out", clip_s=1.0)
    assert found.facts.oddities == "50 interlaced frames"
    assert "interlaced" in found.facts.traits
    for clip, shown in zip(found.clips, look(found), strict=True):
        start = clip.num_frames * found.clips.index(clip)
        assert clip.pictures.fields == "deinterlaced"
        assert [read_number(frame.to_ndarray(format="rgb24")) for frame in shown] == list(
            range(start, start + 25)
        )
        assert not any(is_combed(frame) or frame.interlaced_frame for frame in shown)
        assert bars([rgb(frame) for frame in shown]) == pytest.approx(firsts(start, start + 25), abs=1.5)
    assert bars(list(sampled(film, tmp_path))) == pytest.approx(firsts(0, 50), abs=1.5)


@pytest.mark.parametrize(("mode", "deinterlace"), [("libx264", "off"), ("copy", "auto"), ("smart", "auto")])
def test_fields_are_left_where_that_is_asked_for(tmp_path: Path, mode: str, deinterlace: Deinterlace) -> None:
    film = draw_fields(tmp_path / "a.ts", 50)
    found = curated(film, tmp_path / "out", encoder=mode, clip_s=2.0, deinterlace=deinterlace)
    assert [(clip.pictures.fields, clip.clip_mode) for clip in found.clips] == [
        ("left", "encode" if mode == "libx264" else mode)
    ]
    assert is_combed(look(found)[0][20])


def test_what_smart_has_to_encode_as_a_whole_is_deinterlaced(tmp_path: Path) -> None:
    found = curated(draw_fields(tmp_path / "a.ts", 50), tmp_path / "out", encoder="smart", clip_s=1.0)
    assert [clip.clip_mode for clip in found.clips] == ["smart", "encode"]
    assert [clip.pictures.fields for clip in found.clips] == ["left", "deinterlaced"]
    assert "no key picture" in found.clips[1].mode_reason


def draw_fence(path: Path, *, is_woven: bool) -> Path:
    """A texture that moves by 4 pixels a field behind a fence of stripes one line high, without flags.

    ``is_woven``: the odd lines of a frame are of the next field; else of the same instant.
    """
    texture = np.random.default_rng(0).integers(30, 220, (6, 8), np.uint8).repeat(16, 0).repeat(16, 1)
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=25, options={"crf": "10"})
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        for number in range(50):
            first, second = (np.roll(texture, 4 * field, 1) for field in (2 * number, 2 * number + is_woven))
            first[1::2] = second[1::2]
            first[32:52:2], first[33:52:2] = 200, 60
            output.mux(stream.encode(VideoFrame.from_ndarray(first, format="gray")))
        output.mux(stream.encode(None))
    return path


def assert_unchanged(before: list[VideoFrame], after: list[VideoFrame]) -> None:
    differences = [np.abs(rgb(one) - rgb(other)).mean() for one, other in zip(before, after, strict=True)]
    assert np.mean(differences) < 3


def test_flags_that_lie_are_said_and_change_no_picture(tmp_path: Path) -> None:
    film = draw_fields(tmp_path / "a.ts", 50, moves=False)
    found = curated(film, tmp_path / "out", quality=10)
    assert found.clips[0].pictures.fields == "left"
    assert "flagged as interlaced, but none" in found.facts.oddities
    assert_unchanged(frames_of(str(film)), look(found)[0])


@pytest.mark.parametrize("is_woven", [True, False])
def test_combs_without_a_flag_are_named_and_stripes_are_not(tmp_path: Path, is_woven: bool) -> None:
    film = draw_fence(tmp_path / "a.mp4", is_woven=is_woven)
    found = curated(film, tmp_path / "out", quality=10)
    assert found.clips[0].pictures.fields == "none"
    named = "2 of 2 frames looked at have combs and are not flagged as interlaced: they were taken as decoded"
    assert found.facts.oddities == (named if is_woven else "")
    after = look(found)[0]
    assert is_combed(after[20])
    assert_unchanged(frames_of(str(film)), after)


@pytest.mark.parametrize("size", [(2, 2), (40, 6), (6, 40)])
def test_a_picture_too_small_for_a_block_has_no_combs(size: tuple[int, int]) -> None:
    assert not is_combed(VideoFrame(*size, "yuv420p"))


def test_order_of_fields_that_changes_in_mid_file_is_followed(tmp_path: Path) -> None:
    parts = [draw_fields(tmp_path / f"{order}.ts", 30, order=order) for order in ("top", "bottom")]
    parts.append(draw_fields(tmp_path / "whole.ts", 30, is_flagged=False, moves=False))
    found = curated(join(tmp_path / "film.ts", *parts), tmp_path / "out", clip_s=1.2)
    assert [clip.pictures.fields for clip in found.clips] == ["deinterlaced", "deinterlaced", "none"]
    for shown in look(found):
        assert bars([rgb(frame) for frame in shown]) == pytest.approx(firsts(0, 30), abs=1.5)
